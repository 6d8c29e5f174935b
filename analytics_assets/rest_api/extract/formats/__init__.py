"""Formats of responses beside JSON: lines of JSON and CSV, as one JSON list of records."""
