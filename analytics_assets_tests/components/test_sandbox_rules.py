"""When the sandbox may serve in place of a real API, so that invented data is always noticed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pytest
import yaml

from analytics_assets.definitions import build_definitions
from analytics_assets.sandbox import builtin
from analytics_assets_tests.components.conftest import JobHarness, failure_message, last_metadata, write_defs
from analytics_assets_tests.fake_api import FakeServer
from analytics_assets_tests.support.expected_rows import expected_rows

SCHEDULED = {"dagster/schedule_name": "treasury_incremental_schedule"}
NONE_SET = (
    "none of the variables of treasury is set: TREASURY_BASE_URL, TREASURY_CLIENT_ID, TREASURY_CLIENT_SECRET, "
    "TREASURY_TOKEN_URL. "
)
ALL = {
    "TREASURY_BASE_URL": "http://127.0.0.1:1",
    "TREASURY_CLIENT_ID": "client",
    "TREASURY_CLIENT_SECRET": "HUSH-secret",
    "TREASURY_TOKEN_URL": "http://127.0.0.1:1/token",
}
BUILT_IN = Path(builtin.__file__).parents[1] / "defs" / "treasury" / "defs.yaml"
NOT_SANDBOX = BUILT_IN.read_text().replace("sandbox: true", "sandbox: false")


@pytest.fixture
def unset(folder: Path, instance: dg.DagsterInstance) -> JobHarness:
    """The built-in APIs with none of their variables set."""
    return JobHarness(folder, FakeServer([]), build_definitions({}), instance)


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in ALL.items() if name not in names}


def test_sandbox_serves_if_no_variable_is_set(unset: JobHarness) -> None:
    result = unset.run("treasury_full_refresh")
    for resource in ("cash_drawers", "bank_accounts"):
        assert unset.rows(f"treasury_sandbox.{resource}") == expected_rows(f"treasury.{resource}")
        metadata = last_metadata(result, f"treasury/{resource}")
        assert metadata["source"] == "sandbox: invented data"
        assert metadata["dagster/table_name"] == f"treasury_sandbox.{resource}"


def test_empty_variable_counts_as_unset(unset: JobHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ALL:
        monkeypatch.setenv(name, " \n")
    unset.run("treasury_full_refresh")
    assert unset.rows("treasury_sandbox.cash_drawers")


def test_sandbox_data_is_hashed_with_the_real_secret(
    folder: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The secret of a hash does not count as a credential: the sandbox serves although it is set."""
    monkeypatch.setenv("HASH_SALT", "an invented secret")
    name = "    - name: bank_accounts"
    hashing = BUILT_IN.read_text().replace(name, f"{name}\n      hash: {{name: {{env: HASH_SALT}}}}")
    definitions = build_definitions({"ANALYTICS_DEFS_DIR": str(write_defs(folder / "defs", {"treasury": hashing}))})
    api = JobHarness(folder, FakeServer([]), definitions, instance)
    api.run("treasury_full_refresh")
    hashes = {row["name"] for row in api.rows("treasury_sandbox.bank_accounts")}
    assert {len(text) for text in hashes} == {64}
    assert {row["name"] for row in api.rows("treasury_sandbox.cash_drawers")}.isdisjoint(hashes)


def test_real_api_is_not_the_sandbox(harness: JobHarness) -> None:
    result = harness.run("treasury_full_refresh", tags=SCHEDULED)
    metadata = last_metadata(result, "treasury/cash_drawers")
    assert (metadata["source"], metadata["dagster/table_name"]) == ("API", "treasury.cash_drawers")


@pytest.mark.parametrize(
    ("environ", "tags", "message"),
    [
        ({}, SCHEDULED, f"{NONE_SET}Scheduled runs do not load invented data from the sandbox: set them"),
        (
            {"ANALYTICS_DESTINATION": "postgres"},
            {},
            f"{NONE_SET}Invented data from the sandbox is loaded into DuckDB only, not into postgres: set them",
        ),
        (
            without("TREASURY_CLIENT_SECRET"),
            {},
            "the credentials of treasury are partially set: oauth2 lacks TREASURY_CLIENT_SECRET (TREASURY_CLIENT_ID, "
            "TREASURY_TOKEN_URL set). Set the missing variables, or unset the others. An empty value counts as unset.",
        ),
        (
            without("TREASURY_BASE_URL"),
            {},
            "`client.base_url`: TREASURY_BASE_URL is not set. An empty value counts as unset.",
        ),
        (
            {"TREASURY_BASE_URL": ALL["TREASURY_BASE_URL"]},
            {},
            "the credentials of treasury are not set: oauth2 lacks TREASURY_CLIENT_ID, TREASURY_CLIENT_SECRET, "
            "TREASURY_TOKEN_URL. Set all variables of one alternative. An empty value counts as unset.",
        ),
    ],
    ids=["scheduled", "not DuckDB", "partially set", "no base URL", "base URL only"],
)
def test_sandbox_does_not_serve(
    unset: JobHarness,
    monkeypatch: pytest.MonkeyPatch,
    environ: Mapping[str, str],
    tags: Mapping[str, str],
    message: str,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    unset.definitions = build_definitions(environ)
    result = unset.run("treasury_full_refresh", tags=tags, ok=False)
    assert failure_message(result, "treasury__cash_drawers") == f"treasury/cash_drawers: {message}"
    assert not (unset.folder / "warehouse.duckdb").exists()
    assert "HUSH" not in str(unset.instance.all_logs(result.run_id))


def test_error_names_all_variables_of_an_api_without_sandbox(folder: Path, instance: dg.DagsterInstance) -> None:
    definitions = build_definitions({"ANALYTICS_DEFS_DIR": str(write_defs(folder / "defs", {"treasury": NOT_SANDBOX}))})
    result = JobHarness(folder, FakeServer([]), definitions, instance).run("treasury_full_refresh", ok=False)
    assert failure_message(result, "treasury__cash_drawers") == (
        f"treasury/cash_drawers: {NONE_SET}Set them; where `auth` lists alternatives, set those of one"
    )


def test_error_names_all_variables_of_each_alternative(unset: JobHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECRUITING_BASE_URL", "http://127.0.0.1:1")
    result = unset.run("recruiting_full_refresh", ok=False)
    assert failure_message(result, "recruiting__users") == (
        "recruiting/users: the credentials of recruiting are not set: oauth2 lacks RECRUITING_CLIENT_ID, "
        "RECRUITING_CLIENT_SECRET, RECRUITING_REFRESH_TOKEN, RECRUITING_TOKEN_URL; api_key lacks RECRUITING_API_KEY. "
        "Set all variables of one alternative. An empty value counts as unset."
    )


def test_sandbox_does_not_have_the_api(folder: Path, instance: dg.DagsterInstance) -> None:
    files = {"shop": BUILT_IN.read_text()}
    definitions = build_definitions({"ANALYTICS_DEFS_DIR": str(write_defs(folder / "defs", files))})
    result = JobHarness(folder, FakeServer([]), definitions, instance).run("shop_full_refresh", ok=False)
    assert failure_message(result, "shop__cash_drawers") == (
        "shop/cash_drawers: `sandbox: true`: the sandbox has no API 'shop', only recruiting, treasury: "
        "remove `sandbox: true`"
    )


def test_credentials_name_the_variables_of_all_levels(folder: Path) -> None:
    document = yaml.safe_load(BUILT_IN.read_text())
    attributes = document["attributes"]
    attributes["client"]["auth"] = {
        "type": "login",
        "request": {"path": "/login", "json": {"user": [{"env": "LOGIN_USER"}]}},
        "refresh": {"path": "/refresh", "data": {"key": {"env": "REFRESH_KEY"}, "token": "{refresh_token}"}},
        "token_path": "token",
        "refresh_token_path": "refresh",
    }
    attributes["resource_defaults"]["endpoint"]["auth"] = {"type": "bearer", "token": {"env": "DEFAULT_TOKEN"}}
    attributes["resources"][0]["endpoint"]["auth"] = [{"type": "bearer", "token": {"env": "DRAWERS_TOKEN"}}]
    files = {"treasury": yaml.safe_dump(document)}
    definitions = build_definitions({"ANALYTICS_DEFS_DIR": str(write_defs(folder / "defs", files))})
    credentials = dict(definitions.resources or {})["treasury_credentials"]
    assert credentials.variables == [
        "TREASURY_BASE_URL",
        "LOGIN_USER",
        "REFRESH_KEY",
        "DEFAULT_TOKEN",
        "DRAWERS_TOKEN",
    ]


def test_variable_of_a_single_endpoint_counts_as_set(
    folder: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = yaml.safe_load(BUILT_IN.read_text())
    document["attributes"]["resources"][0]["endpoint"]["auth"] = {"type": "bearer", "token": {"env": "DRAWERS_TOKEN"}}
    files = {"treasury": yaml.safe_dump(document)}
    definitions = build_definitions({"ANALYTICS_DEFS_DIR": str(write_defs(folder / "defs", files))})
    harness = JobHarness(folder, FakeServer([]), definitions, instance)
    monkeypatch.setenv("DRAWERS_TOKEN", "t0ken")
    result = harness.run("treasury_full_refresh", ok=False)
    for resource in ("cash_drawers", "bank_accounts"):
        message = failure_message(result, f"treasury__{resource}")
        assert "TREASURY_" in message
        assert "not set" in message
    assert not (folder / "warehouse.duckdb").exists()
