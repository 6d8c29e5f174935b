"""The command `analytics-assets`: arguments and output. What it does is in `rest_api.probe` and in Dagster's jobs."""
