"""Records -> Arrow tables: column names, data types, table schema, windows."""
