"""The arguments of `dg launch`: wrong ones are one line that says what to write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from dagster_dg_cli.cli.launch import launch_command

from analytics_assets.components.command_line.arguments import check_arguments
from analytics_assets.definitions import build_definitions
from analytics_assets.rest_api.errors import ConfigError
from analytics_assets_tests.components.conftest import write_defs
from analytics_assets_tests.components.test_grids import DAILY, HOURLY, defs_yaml

DAY, RANGE = "2026-10-03", "2026-10-03...2026-10-04"


@pytest.fixture
def environ(folder: Path) -> dict[str, str]:
    """Two APIs with different partitions. Each has a resource with partitions and one without."""
    files = {"shop": defs_yaml("shop", DAILY), "crm": defs_yaml("crm", HOURLY)}
    return {"ANALYTICS_DEFS_DIR": str(write_defs(folder / "defs", files))}


def check(environ: Mapping[str, str], *arguments: str) -> None:
    """Parse the arguments as the command does, and check them against the definitions."""
    with launch_command.make_context("launch", list(arguments)):
        check_arguments(build_definitions(environ))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--assets", "shop/orders"], "--assets shop/orders is partitioned: add --partition 2026-10-01 or "),
        (["--job", "shop_incremental"], "--job shop_incremental is partitioned: add --partition"),
        (
            ["--assets", "shop/order", "--partition", DAY],
            "--assets: shop/order is not the asset of a table. Did you mean shop/orders?",
        ),
        (["--assets", "shop_api/orders"], "shop_api/orders is not the asset of a table. Did you mean shop/orders?"),
        (
            ["--assets", "shop/orders", "--partition", DAY, "--partition-range", RANGE],
            "--partition and --partition-range exclude each other: use one of them",
        ),
        (
            ["--assets", "shop/orders", "--partition-range", DAY],
            f"--partition-range {DAY}: write it as FIRST...LAST, such as 2026-10-02...2026-10-08",
        ),
        (
            ["--assets", "shop/customers", "--partition", DAY],
            f"--assets shop/customers has no partitions and loads all rows: remove the partition {DAY}",
        ),
        (["--job", "shop_snapshot", "--partition-range", RANGE], f"remove the partition {RANGE}"),
        (["--job", "full_refresh", "--partition", DAY], "--job full_refresh has no partitions"),
        (["--assets", "shop/orders,crm/orders"], "the partitions of these assets differ. Launch them one by one"),
    ],
)
def test_wrong_arguments_are_an_error(environ: dict[str, str], arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        check(environ, *arguments)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--assets", "shop/orders", "--partition", DAY],
        ["--assets", "shop/orders", "--partition-range", RANGE],
        ["--assets", "shop/customers"],
        ["--job", "shop_incremental", "--partition", DAY],
        ["--job", "shop_snapshot"],
        ["--job", "full_refresh"],
        ["--job", "shop_full_refresh", "--partition", DAY],  # ignored, as in the UI
        ["--job", "misspelt"],  # Dagster's own error lists the jobs
    ],
)
def test_right_arguments_are_accepted(environ: dict[str, str], arguments: list[str]) -> None:
    check(environ, *arguments)
