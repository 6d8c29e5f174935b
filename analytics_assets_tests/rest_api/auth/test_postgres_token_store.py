"""Tokens in PostgreSQL: which database, whose table, connections that are lost, and errors that show no part of it."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analytics_assets.rest_api.auth import postgres_token_store
from analytics_assets.rest_api.auth.authenticator import build_token_store
from analytics_assets.rest_api.auth.file_token_store import FileTokenStore
from analytics_assets.rest_api.auth.postgres_token_store import PostgresTokenStore
from analytics_assets.rest_api.auth.token_store import TokenStoreError
from analytics_assets.rest_api.errors import CredentialsError
from analytics_assets_tests.rest_api.auth.test_token_store import NAME, TOKEN
from analytics_assets_tests.rest_api.conftest import PASSWORD, Postgres

NEWER = replace(TOKEN, access_token="access-2", refresh_token="refresh-2", issued_at=2000.0)
NEWEST = replace(TOKEN, access_token="access-3", refresh_token="refresh-3", issued_at=3000.0)


@pytest.fixture
def table(token_database: str) -> PostgresTokenStore:
    return PostgresTokenStore(token_database, variable="TOKENS")


@pytest.mark.parametrize(
    ("environ", "kind"),
    [
        ({}, FileTokenStore),
        ({"ANALYTICS_TOKEN_STORE": " "}, FileTokenStore),
        ({"ANALYTICS_TOKEN_STORE": "postgresql://me@host/db"}, PostgresTokenStore),
        ({"ANALYTICS_TOKEN_STORE": "DAGSTER_PG", "DAGSTER_PG": "postgres://me@host/db\n"}, PostgresTokenStore),
    ],
)
def test_the_store_is_chosen_by_a_variable(environ: Mapping[str, str], kind: type[Any], tmp_path: Path) -> None:
    assert isinstance(build_token_store(environ, tmp_path), kind)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"ANALYTICS_TOKEN_STORE": PASSWORD}, "ANALYTICS_TOKEN_STORE must be postgresql://user:password@"),
        ({"ANALYTICS_TOKEN_STORE": f"mysql://me:{PASSWORD}@host/db"}, "ANALYTICS_TOKEN_STORE must be postgresql://"),
        ({"ANALYTICS_TOKEN_STORE": "PG", "PG": f"host=x password={PASSWORD}"}, "PG must be postgresql://"),
        ({"ANALYTICS_TOKEN_STORE": "PG", "PG": ""}, "PG must be postgresql://"),
    ],
)  # fmt: skip
def test_another_value_is_refused_and_not_repeated(environ: Mapping[str, str], said: str, tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match=re.escape(said)) as caught:
        build_token_store(environ, tmp_path)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    ("credentials", "said"),
    [
        (f"postgresql://me:{PASSWORD}@127.0.0.1:1/db", "nothing listens at its address"),
        (f"postgresql://me:{PASSWORD}@no-such-host.invalid/db", "its host name is unknown"),
        (f"postgresql://me:x@{PASSWORD}@127.0.0.1/db", ": "),  # as typed by who does not know of percent-encoding
        (f"postgresql://me:x/{PASSWORD}@127.0.0.1/db", ": "),
        (f"postgresql://me:{PASSWORD}@127.0.0.1:port/db", "that is no connection string"),
        (f"postgresql://me@127.0.0.1/db?{PASSWORD}", "that is no connection string"),
        (f"postgresql://me:{PASSWORD}@127.0.0.1:1/db?nonsense=1", "that is no connection string"),
        (f"postgresql://me:{PASSWORD}@/db?host=/no/such/folder", "there is no server at its socket"),
        ("{server}-of-nobody", "there is no such user or database"),
    ],
)
def test_a_database_that_cannot_be_used_is_named_by_its_variable(
    credentials: str, said: str, postgres: Postgres
) -> None:
    table = PostgresTokenStore(credentials.format(server=postgres.credentials), variable="TOKENS")
    with (
        pytest.raises(TokenStoreError, match="the PostgreSQL database that TOKENS names: ") as caught,
        table.locked(NAME),
    ):
        pass
    assert said in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_without_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with (
        pytest.raises(TokenStoreError, match=r"pip install 'analytics_assets\[postgres\]'"),
        PostgresTokenStore("postgresql://host/db", variable="TOKENS").locked(NAME),
    ):
        pass


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("ALTER ROLE clerk SET default_transaction_read_only = on", "it is read-only"),
        ("SELECT 1", "its user may not create or change the table analytics_assets_tokens"),
        ("ALTER ROLE clerk SET search_path = nowhere", "it has no schema to create the table in"),
    ],
)
def test_a_database_that_may_not_be_written(sql: str, said: str, postgres: Postgres, token_database: str) -> None:
    postgres.query(f"CREATE ROLE clerk LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_read_all_data")
    try:
        postgres.query(sql)
        options = "" if "search_path" in sql else "?options=-csearch_path%3Dtokens"
        credentials = postgres.credentials.replace("postgres:", "clerk:", 1) + options
        assert "clerk" in credentials
        with (
            pytest.raises(TokenStoreError, match=said),
            PostgresTokenStore(credentials, variable="TOKENS").locked(NAME),
        ):
            pass
    finally:
        postgres.query("DROP ROLE clerk")


def test_the_table_is_made_once_by_many_that_begin_together(table: PostgresTokenStore, postgres: Postgres) -> None:
    def refresh(number: int) -> str | None:
        with table.locked(NAME) as row:
            found = row.read()
            row.write(replace(TOKEN, access_token=f"access-{number}"))
        return found and found.access_token

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(refresh, range(8)))
    assert len(set(found)) == 8  # each found what another wrote, and the first found nothing
    assert None in found
    assert postgres.query("SELECT count(*) FROM tokens.analytics_assets_tokens") == [(1,)]


def test_default_privileges_of_the_schema_do_not_open_the_table(table: PostgresTokenStore, postgres: Postgres) -> None:
    postgres.query("CREATE ROLE analyst")
    try:
        postgres.query("GRANT USAGE ON SCHEMA tokens TO analyst")
        postgres.query("ALTER DEFAULT PRIVILEGES IN SCHEMA tokens GRANT SELECT ON TABLES TO analyst, PUBLIC")
        postgres.query("CREATE TABLE tokens.other (id int)")
        with table.locked(NAME) as row:
            row.write(TOKEN)
        readable = "SELECT has_table_privilege('analyst', 'tokens.{}', 'SELECT')"
        assert postgres.query(readable.format("other")) == [(True,)]
        assert postgres.query(readable.format("analytics_assets_tokens")) == [(False,)]
    finally:
        postgres.query("DROP OWNED BY analyst")
        postgres.query("DROP ROLE analyst")


CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE application_name = 'analytics_assets' AND pid <> pg_backend_pid()"
)


def test_a_token_is_kept_though_the_connection_was_cut_while_it_was_issued(
    table: PostgresTokenStore, postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    with table.locked(NAME) as row:
        row.write(TOKEN)
    with table.locked(NAME) as row:
        row.reserve()
        assert postgres.query(CUT) == [(True,)]
        row.write(NEWER)
    with table.locked(NAME) as row:
        assert row.read() == NEWER
    assert "It is tried again" in caplog.text


def test_a_successor_is_not_overwritten_after_a_cut(table: PostgresTokenStore, postgres: Postgres) -> None:
    """The commit arrived, its answer did not, and another machine was quicker."""
    with table.locked(NAME) as row:
        row.write(TOKEN)
    with table.locked(NAME) as row:
        postgres.query(CUT)
        with table.locked(NAME) as quicker:
            quicker.write(NEWEST)
        row.write(NEWER)
    with table.locked(NAME) as row:
        assert row.read() == NEWEST


@pytest.mark.parametrize(
    "sql", ["DELETE FROM {}", "DROP TABLE {}", "UPDATE {} SET token = replace(token, '1000', '900')"]
)
def test_a_database_that_comes_back_without_its_last_writes_is_given_the_newest(
    sql: str, table: PostgresTokenStore, postgres: Postgres
) -> None:
    """A replica that was behind took over."""
    with table.locked(NAME) as row:
        row.write(TOKEN)
    with table.locked(NAME) as row:
        postgres.query(CUT)
        postgres.query(sql.format("tokens.analytics_assets_tokens"))
        row.write(NEWER)
    with table.locked(NAME) as row:
        assert row.read() == NEWER


def test_a_database_that_stays_away_ends_in_an_error(
    table: PostgresTokenStore, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_token_store, "RECONNECT_SECONDS", -1)
    with table.locked(NAME) as row:
        postgres.query(CUT)
        with pytest.raises(TokenStoreError, match="tokens cannot be kept"):
            row.write(TOKEN)


def test_a_limit_for_idle_transactions_does_not_end_a_renewal(
    table: PostgresTokenStore, postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    postgres.query("ALTER DATABASE postgres SET idle_in_transaction_session_timeout = '20ms'")
    try:
        with table.locked(NAME) as row:
            time.sleep(0.2)
            row.write(TOKEN)
        assert caplog.text == ""
    finally:
        postgres.query("ALTER DATABASE postgres RESET idle_in_transaction_session_timeout")
