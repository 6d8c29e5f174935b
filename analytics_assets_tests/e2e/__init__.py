"""End-to-end tests: the commands of `dagster` and `dg`, and the UI in a browser."""
