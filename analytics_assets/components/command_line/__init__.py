"""Runs that a command starts in its own process: `dagster job execute` and `dg launch`."""
