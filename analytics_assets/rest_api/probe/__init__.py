"""Probing: what a few requests show about an endpoint and its configuration, without Dagster and without a table."""
