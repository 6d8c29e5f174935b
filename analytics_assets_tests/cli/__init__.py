"""The command `analytics-assets`."""
