"""PostgreSQL: destination, merge SQL. Needs the extra `postgres`."""
