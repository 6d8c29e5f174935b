"""One load, from request to result: read an endpoint, convert its rows, write them to their table."""
