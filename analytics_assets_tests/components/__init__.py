"""The component, and what Dagster makes of it: jobs run in the tests' own process wherever that shows it."""
