"""The commands and their options. Each command imports its own module: `--help` needs neither Dagster nor dlt."""

from __future__ import annotations

import click

from analytics_assets.rest_api.garbage_collection import long_lived_objects

TARGET = click.argument("target", metavar="API[/RESOURCE]")
RESOURCE = click.argument("target", metavar="API/RESOURCE")
FROM = click.option("--from", "start", metavar="TIME", help="Start of the time range: 2026-01-01 or 2026-01-01T06:00.")
TO = click.option("--to", "end", metavar="TIME", help="End of the time range, which is not part of it.")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main() -> None:
    """Try, plan and run loads of REST APIs.

    APIs are the folders with a defs.yaml below the defs folder (ANALYTICS_DEFS_DIR). Credentials are read from
    environment variables and from a file .env in the current folder. If none of an API's variables is set, the sandbox
    serves the built-in APIs.

    Exit codes: 0 if all is well, 1 if something is wrong, 2 if the command is wrong.
    """


@main.command()
@TARGET
@click.option("--show-rows", is_flag=True, help="Also show rows. They may contain personal data.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def probe(target: str, *, show_rows: bool, as_json: bool) -> None:
    """Check the settings of an API with a few requests.

    Reads up to two pages of each resource, and tries other settings if one is wrong. Prints what it found, and YAML to
    paste that corrects wrong settings. No secrets and no values of records are printed. Nothing is loaded.
    """
    with long_lived_objects():
        from analytics_assets.cli.probe import run_probe

    run_probe(target, show_rows=show_rows, as_json=as_json)


@main.command()
@RESOURCE
@click.option("--rows", default=10, show_default=True, type=click.IntRange(1), help="How many rows to show.")
def preview(target: str, rows: int) -> None:
    """Show rows of the first page of a resource.

    Fields of `exclude` are left out, and those of `hash` are hashed. Long values are cut. Nothing is loaded.
    """
    with long_lived_objects():
        from analytics_assets.cli.preview import run_preview

    run_preview(target, rows=rows)


@main.command()
@TARGET
@FROM
@TO
def plan(target: str, start: str | None, end: str | None) -> None:
    """Estimate requests and time of a backfill.

    Requests a few windows of the range to measure them. Without --from and --to, the range is all partitions. Nothing
    is loaded.
    """
    with long_lived_objects():
        from analytics_assets.cli.plan import run_plan

    run_plan(target, start=start, end=end)


@main.command()
@TARGET
@click.option("--partition", metavar="KEY", help="Load one partition, such as 2026-01-31.")
@FROM
@TO
@click.option("--full", is_flag=True, help="Load the full history, and replace the table.")
@click.option("--verbose", is_flag=True, help="Print Dagster's log in place of the progress bar.")
def load(target: str, *, partition: str | None, start: str | None, end: str | None, full: bool, verbose: bool) -> None:
    """Load a resource, or all resources of an API, with their Dagster job.

    Resources with partitions need --partition, --from and --to, or --full. The run is in the history of DAGSTER_HOME,
    which the UI shows.
    """
    with long_lived_objects():
        from analytics_assets.cli.load import run_load

    run_load(target, partition=partition, start=start, end=end, full=full, verbose=verbose)
