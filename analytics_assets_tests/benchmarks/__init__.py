"""The benchmarks: `python -m analytics_assets_tests.benchmarks --help`."""
