"""The definitions of the built-in APIs: assets, jobs, schedules, resources, without secrets."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster._serdes import serialize_value

from analytics_assets.definitions import build_definitions
from analytics_assets_tests.components.conftest import write_defs

CHECKS = {
    "key_is_unique_and_present",
    "complete",
    "columns_keep_their_types",
    "columns_are_known",
    "rows_as_usual",
    "api_honours_the_window",
    "rows_gone_from_api",
    "holds_real_data",
}
TABLES: dict[str, dict[str, Any]] = {
    "recruiting/opportunities": {
        "op": "recruiting__opportunities",
        "group": "recruiting",
        "kinds": {"dlt", "duckdb"},
        "deps": ["recruiting_api/opportunities"],
        "description": "Candidates' applications, one row per opportunity.",
        "table": "recruiting.opportunities",
        "columns": [
            ("id", "text", False, True),
            ("name", "text", True, False),
            ("contact", "text", True, False),
            ("stage", "text", True, False),
            ("owner", "json", True, False),
            ("tags", "json", True, False),
            ("salary", "double", True, False),
            ("archived", "bool", True, False),
            ("candidate_number", "bigint", True, False),
            ("created_at", "timestamp", True, False),
            ("updated_at", "timestamp", True, False),
        ],
        "owners": ["team:talent"],
        "domain": "recruiting",
        "partitioned": True,
        "backfill": dg.BackfillPolicy.single_run(),
        "checks": CHECKS,
    },
    "recruiting/users": {
        "op": "recruiting__users",
        "group": "recruiting",
        "kinds": {"dlt", "duckdb"},
        "deps": ["recruiting_api/users"],
        "description": "People of the hiring team, one row per user.",
        "table": "recruiting.users",
        "columns": [
            ("id", "text", False, True),
            ("name", "text", True, False),
            ("email", "text", True, False),
            ("access_role", "text", True, False),
            ("active", "bool", True, False),
            ("manager", "json", True, False),
            ("external_id", "bigint", True, False),
            ("created_at", "timestamp", True, False),
            ("updated_at", "timestamp", True, False),
        ],
        "owners": ["team:talent"],
        "domain": "recruiting",
        "partitioned": True,
        "backfill": dg.BackfillPolicy.single_run(),
        "checks": CHECKS,
    },
    "treasury/cash_drawers": {
        "op": "treasury__cash_drawers",
        "group": "treasury",
        "kinds": {"dlt", "duckdb"},
        "deps": ["treasury_api/cash_drawers"],
        "description": "Cash drawers, one row per drawer with its last count.",
        "table": "treasury.cash_drawers",
        "columns": [
            ("id", "bigint", False, True),
            ("name", "text", True, False),
            ("currency", "text", True, False),
            ("balance", "double", True, False),
            ("open", "bool", True, False),
            ("last_count", "json", True, False),
            ("ledger_number", "bigint", True, False),
            ("created_at", "timestamp", True, False),
            ("updated_at", "timestamp", True, False),
        ],
        "owners": ["team:finance"],
        "domain": "treasury",
        "partitioned": True,
        "backfill": dg.BackfillPolicy.single_run(),
        "checks": CHECKS,
    },
    "treasury/bank_accounts": {
        "op": "treasury__bank_accounts",
        "group": "treasury",
        "kinds": {"dlt", "duckdb"},
        "deps": ["treasury_api/bank_accounts"],
        "description": "Bank accounts, one row per account with its balance.",
        "table": "treasury.bank_accounts",
        "columns": [
            ("id", "bigint", False, True),
            ("name", "text", True, False),
            ("account_number", "text", True, False),
            ("currency", "text", True, False),
            ("balance_minor", "bigint", True, False),
            ("interest_rate", "double", True, False),
            ("bank", "json", True, False),
            ("holders", "json", True, False),
            ("closed_at", "text", True, False),
            ("created_at", "timestamp", True, False),
            ("updated_at", "timestamp", True, False),
        ],
        "owners": ["team:finance"],
        "domain": "treasury",
        "partitioned": True,
        "backfill": dg.BackfillPolicy.single_run(),
        "checks": CHECKS,
    },
}
SOURCES = {
    "recruiting_api/opportunities": ("recruiting", "`GET /v1/opportunities` of the recruiting API"),
    "recruiting_api/users": ("recruiting", "`GET /v1/users` of the recruiting API"),
    "treasury_api/cash_drawers": ("treasury", "`GET /v1/cash_drawers` of the treasury API"),
    "treasury_api/bank_accounts": ("treasury", "`GET /v1/bank_accounts` of the treasury API"),
}
JOBS = {
    "recruiting_incremental": {"recruiting/opportunities", "recruiting/users"},
    "recruiting_full_refresh": {"recruiting/opportunities", "recruiting/users"},
    "treasury_incremental": {"treasury/bank_accounts", "treasury/cash_drawers"},
    "treasury_full_refresh": {"treasury/bank_accounts", "treasury/cash_drawers"},
    "full_refresh": set(TABLES),
}
SCHEDULES = {
    "recruiting_incremental_schedule": ("recruiting_incremental", "0 2 * * *", "UTC"),
    "treasury_incremental_schedule": ("treasury_incremental", "30 2 * * *", "UTC"),
}
VARIABLES = {
    "recruiting_credentials": [
        "RECRUITING_BASE_URL",
        "RECRUITING_CLIENT_ID",
        "RECRUITING_CLIENT_SECRET",
        "RECRUITING_REFRESH_TOKEN",
        "RECRUITING_TOKEN_URL",
        "RECRUITING_API_KEY",
    ],
    "treasury_credentials": [
        "TREASURY_BASE_URL",
        "TREASURY_CLIENT_ID",
        "TREASURY_CLIENT_SECRET",
        "TREASURY_TOKEN_URL",
    ],
}
OWN_API = """\
type: analytics_assets.components.RestApi
attributes:
  client: {base_url: https://api.example.com, headers: {X-Team: {env: SHOP_TEAM}}}
  resources:
    - name: orders
      description: What was sold.
      owners: [data@example.com, "team:sales"]
      tags: {domain: sales}
      primary_key: orderId
      columns: {orderId: {type: integer}, soldAt: {type: ["null", string], format: date-time, description: In UTC.}}
      endpoint:
        path: /v1/orders
        data_selector: data
        paginator: {type: offset, limit: 100}
"""


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> dg.RepositoryDefinition:
    monkeypatch.setenv("RECRUITING_API_KEY", "HUSH-key")  # set, so that the sandbox does not serve
    monkeypatch.setenv("TREASURY_BASE_URL", "https://example.com")
    return build_definitions({}).get_repository_def()


def shop(folder: Path, text: str) -> dg.AssetSpec:
    """The asset spec of OWN_API."""
    definitions = build_definitions({"ANALYTICS_DEFS_DIR": str(write_defs(folder, {"shop": text}))})
    return next(spec for spec in definitions.resolve_all_asset_specs() if spec.key.path == ["shop", "orders"])


def seen(columns: dg.TableSchema) -> list[tuple[str, str, bool, bool]]:
    return [
        (column.name, column.type, column.constraints.nullable, column.constraints.unique) for column in columns.columns
    ]


@pytest.mark.parametrize("key", TABLES)
def test_table_assets(repository: dg.RepositoryDefinition, key: str) -> None:
    asset_key = dg.AssetKey.from_user_string(key)
    asset = repository.assets_defs_by_key[asset_key]
    spec = asset.get_asset_spec(asset_key)
    assert {
        "op": asset.op.name,
        "group": spec.group_name,
        "kinds": spec.kinds,
        "deps": [dep.asset_key.to_user_string() for dep in spec.deps],
        "description": spec.description,
        "table": spec.metadata["dagster/table_name"],
        "columns": seen(spec.metadata["dagster/column_schema"]),
        "owners": list(spec.owners),
        "domain": spec.tags["domain"],
        "partitioned": spec.partitions_def is not None,
        "backfill": asset.backfill_policy,
        "checks": {check.name for check in asset.check_specs},
    } == TABLES[key]
    assert all(column.description for column in spec.metadata["dagster/column_schema"].columns)
    assert spec.tags["dagster/storage_kind"] == "duckdb"
    assert all(check.description for check in asset.check_specs)
    assert asset.required_resource_keys >= {f"{spec.group_name}_credentials", "warehouse"}


@pytest.mark.parametrize("key", SOURCES)
def test_endpoint_assets_are_upstream(repository: dg.RepositoryDefinition, key: str) -> None:
    asset_key = dg.AssetKey.from_user_string(key)
    asset = repository.assets_defs_by_key[asset_key]
    spec = asset.get_asset_spec(asset_key)
    assert not asset.is_executable
    api, start = SOURCES[key]
    assert spec.description == (
        f"{start}: where `{key.replace('_api', '')}` is loaded from. [Documentation](https://docs.example.com/{api})"
    )
    assert (spec.group_name, spec.kinds) == (api, {"rest"})
    assert list(spec.deps) == []


def test_no_other_assets_exist(repository: dg.RepositoryDefinition) -> None:
    assert {key.to_user_string() for key in repository.assets_defs_by_key} == TABLES.keys() | SOURCES.keys()


def test_partitions(repository: dg.RepositoryDefinition) -> None:
    grids = {asset.partitions_def for asset in repository.assets_defs_by_key.values() if asset.partitions_def}
    assert grids == {dg.DailyPartitionsDefinition("2026-10-01", timezone="UTC")}


def test_jobs(repository: dg.RepositoryDefinition) -> None:
    jobs = {name: repository.get_job(name) for name in repository.job_names if not name.startswith("__")}
    assert {
        name: {key.to_user_string() for key in job.asset_layer.executable_asset_keys} for name, job in jobs.items()
    } == JOBS
    refreshes = {name for name, job in jobs.items() if job.tags.get("analytics/mode") == "full_refresh"}
    assert refreshes == {name for name in JOBS if name.endswith("full_refresh")}
    assert all(job.description for job in jobs.values())


def test_schedules(repository: dg.RepositoryDefinition) -> None:
    schedules = {
        schedule.name: (schedule.job_name, schedule.cron_schedule, schedule.execution_timezone)
        for schedule in repository.schedule_defs
    }
    assert schedules == SCHEDULES
    assert all(schedule.default_status == dg.DefaultScheduleStatus.STOPPED for schedule in repository.schedule_defs)


def test_resources_show_variable_names_but_no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    for names in VARIABLES.values():
        for name in names:
            monkeypatch.setenv(name, f"HUSH-{name}")
    snapshot = RepositorySnap.from_def(build_definitions({}).get_repository_def())
    shown = {resource.name: resource for resource in snapshot.resources or []}
    assert shown.keys() == {*VARIABLES, "warehouse"}
    for name, variables in VARIABLES.items():
        assert json.loads(str(shown[name].configured_values["variables"])) == variables
    assert "HUSH" not in serialize_value(snapshot)


def test_description_owners_tags_and_columns_are_shown(folder: Path) -> None:
    spec = shop(folder / "defs", OWN_API)
    assert (spec.description, list(spec.owners)) == ("What was sold.", ["data@example.com", "team:sales"])
    assert spec.tags["domain"] == "sales"
    assert seen(spec.metadata["dagster/column_schema"]) == [
        ("order_id", "bigint", False, True),
        ("sold_at", "timestamp", True, False),
    ]
    assert spec.metadata["dagster/column_schema"].columns[1].description == "In UTC."


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ("", "# a comment", False),
        ("limit: 100", "limit:   100", False),
        ("primary_key: orderId", "primary_key: [orderId]", False),
        ("X-Team", "X-Group", False),
        ("primary_key: orderId", "primary_key: orderId\n      checks: {complete: off}", False),
        ("limit: 100", "limit: 50", True),
        ("/v1/orders", "/v2/orders", True),
        ("{type: integer}", "{type: string}", True),
    ],
)
def test_code_version_changes_only_with_the_configuration(folder: Path, old: str, new: str, changes: bool) -> None:
    before = shop(folder / "before", OWN_API).code_version
    edited = OWN_API.replace(old, new) if old else f"{new}\n{OWN_API}"
    assert (shop(folder / "after", edited).code_version != before) is changes


def test_kinds_and_table_names_follow_destination_and_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANALYTICS_DESTINATION", "postgres")
    monkeypatch.setenv("ANALYTICS_DATASET_PREFIX", "raw_")
    specs = [spec for spec in build_definitions(os.environ).resolve_all_asset_specs() if "dlt" in spec.kinds]
    assert {spec.metadata["dagster/table_name"] for spec in specs} == {f"raw_{key.replace('/', '.')}" for key in TABLES}
    assert all(spec.kinds == {"dlt", "postgres"} for spec in specs)
