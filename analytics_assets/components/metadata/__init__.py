"""Metadata of assets and loads, as the Dagster UI shows it."""
