"""DuckDB: destination, merge SQL, the file, memory of a load."""
