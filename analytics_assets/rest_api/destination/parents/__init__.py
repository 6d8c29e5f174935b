"""Parents: rows of a stored table that the requests of another resource are built from."""
