"""`python -m analytics_assets`: the command `analytics-assets`."""

from analytics_assets.cli.commands import main

main()
