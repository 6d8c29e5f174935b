"""Tokens in PostgreSQL: the choice of the store, lost connections, and errors that show no part of the credentials."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from analytics_assets.rest_api.auth import postgres_token_store
from analytics_assets.rest_api.auth.postgres_token_store import PostgresTokenStore
from analytics_assets.rest_api.errors import TokenStoreError
from analytics_assets_tests.rest_api.auth.test_token_store import NAME, TOKEN
from analytics_assets_tests.support.postgres import PASSWORD, Postgres

NEWER = replace(TOKEN, access_token="access-2", refresh_token="refresh-2", issued_at=2000.0)
NEWEST = replace(TOKEN, access_token="access-3", refresh_token="refresh-3", issued_at=3000.0)


@pytest.fixture
def table(token_database: str) -> PostgresTokenStore:
    return PostgresTokenStore(token_database, variable="TOKENS")


@pytest.mark.parametrize(
    ("credentials", "expected"),
    [
        (f"postgresql://me:{PASSWORD}@127.0.0.1:1/db", "no server listens at this address"),
        (f"postgresql://me:{PASSWORD}@no-such-host.invalid/db", "the host name is unknown"),
        (f"postgresql://me:x@{PASSWORD}@127.0.0.1/db", ": "),  # not percent-encoded
        (f"postgresql://me:x/{PASSWORD}@127.0.0.1/db", ": "),
        (f"postgresql://me:{PASSWORD}@127.0.0.1:port/db", "the value is not a connection string"),
        (f"postgresql://me@127.0.0.1/db?{PASSWORD}", "the value is not a connection string"),
        (f"postgresql://me:{PASSWORD}@127.0.0.1:1/db?nonsense=1", "the value is not a connection string"),
        (f"postgresql://me:{PASSWORD}@/db?host=/no/such/folder", "no server listens at this socket"),
        ("{server}-of-nobody", "the user or the database does not exist"),
    ],
)
def test_unusable_database_is_named_by_its_variable(credentials: str, expected: str, postgres: Postgres) -> None:
    table = PostgresTokenStore(credentials.format(server=postgres.credentials), variable="TOKENS")
    with (
        pytest.raises(TokenStoreError, match="the PostgreSQL database that TOKENS names: ") as caught,
        table.locked(NAME),
    ):
        pass
    assert expected in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with (
        pytest.raises(TokenStoreError, match=r"pip install 'analytics_assets\[postgres\]'"),
        PostgresTokenStore("postgresql://host/db", variable="TOKENS").locked(NAME),
    ):
        pass


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("ALTER ROLE clerk SET default_transaction_read_only = on", "the database is read-only"),
        ("SELECT 1", "the user may not create or change the table analytics_assets_tokens"),
        ("ALTER ROLE clerk SET search_path = nowhere", "there is no schema to create the table in"),
    ],
)
def test_database_that_rejects_writes_is_explained(
    sql: str, expected: str, postgres: Postgres, token_database: str
) -> None:
    postgres.query(f"CREATE ROLE clerk LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_read_all_data")
    try:
        postgres.query(sql)
        options = "" if "search_path" in sql else "?options=-csearch_path%3Dtokens"
        credentials = postgres.credentials.replace("postgres:", "clerk:", 1) + options
        assert "clerk" in credentials
        with (
            pytest.raises(TokenStoreError, match=expected),
            PostgresTokenStore(credentials, variable="TOKENS").locked(NAME),
        ):
            pass
    finally:
        postgres.query("DROP ROLE clerk")


def test_concurrent_first_uses_create_one_table(table: PostgresTokenStore, postgres: Postgres) -> None:
    def refresh(number: int) -> str | None:
        with table.locked(NAME) as row:
            found = row.read()
            row.write(replace(TOKEN, access_token=f"access-{number}"))
        return found.access_token if found else None

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(refresh, range(8)))
    assert len(set(found)) == 8  # each reads the token of another, the first reads none
    assert None in found
    assert postgres.query("SELECT count(*) FROM tokens.analytics_assets_tokens") == [(1,)]


def test_default_privileges_do_not_make_the_table_readable(table: PostgresTokenStore, postgres: Postgres) -> None:
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


TERMINATE_CONNECTIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE application_name = 'analytics_assets' AND pid <> pg_backend_pid()"
)


def test_token_is_stored_after_the_connection_was_lost(
    table: PostgresTokenStore, postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    with table.locked(NAME) as row:
        row.write(TOKEN)
    with table.locked(NAME) as row:
        row.reserve()
        assert postgres.query(TERMINATE_CONNECTIONS) == [(True,)]
        row.write(NEWER)
    with table.locked(NAME) as row:
        assert row.read() == NEWER
    assert "Retrying for a minute" in caplog.text


def test_newer_token_is_not_overwritten_after_a_lost_connection(table: PostgresTokenStore, postgres: Postgres) -> None:
    """Another machine refreshed the token meanwhile."""
    with table.locked(NAME) as row:
        row.write(TOKEN)
    with table.locked(NAME) as row:
        postgres.query(TERMINATE_CONNECTIONS)
        with table.locked(NAME) as other:
            other.write(NEWEST)
        row.write(NEWER)
    with table.locked(NAME) as row:
        assert row.read() == NEWEST


@pytest.mark.parametrize(
    "sql", ["DELETE FROM {}", "DROP TABLE {}", "UPDATE {} SET token = replace(token, '1000', '900')"]
)
def test_token_is_stored_in_a_database_that_lost_its_last_writes(
    sql: str, table: PostgresTokenStore, postgres: Postgres
) -> None:
    """As after a failover to a replica that lags behind."""
    with table.locked(NAME) as row:
        row.write(TOKEN)
    with table.locked(NAME) as row:
        postgres.query(TERMINATE_CONNECTIONS)
        postgres.query(sql.format("tokens.analytics_assets_tokens"))
        row.write(NEWER)
    with table.locked(NAME) as row:
        assert row.read() == NEWER


def test_database_that_stays_unavailable_is_an_error(
    table: PostgresTokenStore, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_token_store, "RECONNECT_SECONDS", -1)
    with table.locked(NAME) as row:
        postgres.query(TERMINATE_CONNECTIONS)
        with pytest.raises(TokenStoreError, match="tokens cannot be stored"):
            row.write(TOKEN)


def test_idle_transaction_timeout_does_not_end_a_refresh(
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
