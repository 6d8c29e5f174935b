"""Other loaders of the same table: programs that run in environments of their own, without this project."""
