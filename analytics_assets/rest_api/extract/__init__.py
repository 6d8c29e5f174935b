"""Requests -> records: pagination, selectors, completeness checks, parallel reading."""
