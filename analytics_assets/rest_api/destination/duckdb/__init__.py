"""DuckDB: destination, merge SQL, memory of a load."""
