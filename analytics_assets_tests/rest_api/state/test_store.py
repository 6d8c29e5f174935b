"""The place of tokens and of rate limits: the variable, the destination, or files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from analytics_assets.rest_api.errors import CredentialsError
from analytics_assets.rest_api.state.store import choose_state_store
from analytics_assets_tests.support.postgres import PASSWORD

URL = f"postgresql://me:{PASSWORD}@host/db"
OTHER_URL = f"postgres://you:{PASSWORD}@host/db"
SETTING, DESTINATION = "ANALYTICS_TOKEN_STORE", "DESTINATION__POSTGRES__CREDENTIALS"


@pytest.mark.parametrize(
    ("destination", "environ", "expected"),
    [
        ("duckdb", {}, None),
        ("duckdb", {SETTING: " "}, None),
        ("duckdb", {DESTINATION: URL}, None),
        ("duckdb", {SETTING: URL}, (URL, SETTING)),
        ("duckdb", {SETTING: "DAGSTER_PG", "DAGSTER_PG": f"{OTHER_URL}\n"}, (OTHER_URL, "DAGSTER_PG")),
        ("postgres", {DESTINATION: URL}, (URL, DESTINATION)),
        ("postgres", {DESTINATION: URL, SETTING: OTHER_URL}, (OTHER_URL, SETTING)),
        ("postgres", {DESTINATION: URL, SETTING: "file"}, None),
        ("postgres", {}, None),
        ("postgres", {DESTINATION: "a format that only dlt reads"}, None),
    ],
)
def test_store_is_the_variable_else_a_postgresql_destination_else_files(
    destination: str, environ: Mapping[str, str], expected: tuple[str, str] | None, tmp_path: Path
) -> None:
    state = choose_state_store(environ, tmp_path, destination=destination)
    assert (state.connection_string and (state.connection_string, state.variable)) == expected
    assert PASSWORD not in f"{state!r} {state.place}"
    if expected:
        assert state.place == f"the PostgreSQL database that {expected[1]} names"


def test_files_in_spite_of_a_postgresql_destination_are_explained(tmp_path: Path) -> None:
    assert choose_state_store({}, tmp_path, destination="postgres").place == (
        f"files in {tmp_path}, because DESTINATION__POSTGRES__CREDENTIALS is not a postgresql:// URL. For runs on "
        "several machines, set ANALYTICS_TOKEN_STORE"
    )
    assert choose_state_store({SETTING: "file"}, tmp_path, destination="postgres").place == f"files in {tmp_path}"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({SETTING: PASSWORD}, "ANALYTICS_TOKEN_STORE must be postgresql://user:password@"),
        ({SETTING: "files"}, "or file."),
        ({SETTING: f"mysql://me:{PASSWORD}@host/db"}, "ANALYTICS_TOKEN_STORE must be postgresql://"),
        ({SETTING: "PG", "PG": f"host=x password={PASSWORD}"}, "PG must be postgresql://"),
        ({SETTING: "PG", "PG": ""}, "PG must be postgresql://"),
    ],
)
def test_other_setting_is_rejected_and_not_repeated(environ: Mapping[str, str], expected: str, tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match=re.escape(expected)) as caught:
        choose_state_store(environ, tmp_path, destination="postgres")
    assert PASSWORD not in str(caught.value)
