"""The component and its Dagster definitions. Jobs run in the process of the tests where possible."""
