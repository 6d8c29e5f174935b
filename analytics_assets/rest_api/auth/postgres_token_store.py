"""Tokens in a PostgreSQL table, one row each, for runs on many machines: locked from reading to writing.

The connection string is a secret, and a malformed one may put parts of the password where a host name belongs. So the
driver's error messages are never repeated.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from analytics_assets.rest_api.auth.tokens import Token
from analytics_assets.rest_api.errors import TokenStoreError

log = logging.getLogger(__name__)

STORE_VARIABLE = "ANALYTICS_TOKEN_STORE"
TABLE = "analytics_assets_tokens"
CONNECT_SECONDS = 10
# How long `write` reconnects: about as long as a managed PostgreSQL takes to fail over.
RECONNECT_SECONDS = 60.0
RECONNECT_INTERVAL_SECONDS = 0.25
# A schema's default privileges may let others read new tables; this one is for its owner alone.
CREATE = """
SELECT pg_advisory_xact_lock(hashtext('analytics_assets_tokens'));
CREATE TABLE IF NOT EXISTS analytics_assets_tokens (
    fingerprint text PRIMARY KEY, token text, changed_at timestamptz NOT NULL DEFAULT now()
);
DO $$
DECLARE reader text;
BEGIN
    FOR reader IN
        SELECT DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END
        FROM pg_class, aclexplode(relacl) WHERE oid = 'analytics_assets_tokens'::regclass AND grantee <> relowner
    LOOP
        EXECUTE 'REVOKE ALL ON analytics_assets_tokens FROM ' || reader;
    END LOOP;
END $$;
"""
# Per transaction, which works behind a connection pooler too. With the keepalives, the lock of a machine that fails
# without closing its connection is released after a minute (30 + 3 * 10 seconds).
SETTINGS = """
SET LOCAL lock_timeout = %s;
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL tcp_keepalives_idle = 30;
SET LOCAL tcp_keepalives_interval = 10;
SET LOCAL tcp_keepalives_count = 3;
"""
FIND = "SELECT to_regclass('analytics_assets_tokens')"
INSERT = "INSERT INTO analytics_assets_tokens (fingerprint) VALUES (%s) ON CONFLICT DO NOTHING"
SELECT = "SELECT token FROM analytics_assets_tokens WHERE fingerprint = %s FOR UPDATE"
RESERVE = "UPDATE analytics_assets_tokens SET changed_at = now() WHERE fingerprint = %s"
UPDATE = "UPDATE analytics_assets_tokens SET token = %s, changed_at = now() WHERE fingerprint = %s"

INVALID_CONNECTION_STRING = "the value is not a connection string; special characters must be percent-encoded"
# A part of libpq's message -> our message.
CONNECTION_PROBLEMS = (
    ("Connection refused", "no server listens at this address"),
    ("could not translate host name", "the host name is unknown"),
    ("No such file or directory", "no server listens at this socket"),
    ("timeout expired", "the server does not respond"),
    ("authentication failed", "the server rejects the user or the password"),
    ("no pg_hba.conf entry", "the server does not accept this user from this machine"),
    ("does not exist", "the user or the database does not exist"),
    ("too many", "the server accepts no more connections"),
    ("SSL", "TLS failed"),
    ("invalid", INVALID_CONNECTION_STRING),
)
SQLSTATE_PROBLEMS: dict[str | None, str] = {
    "55P03": "another process has been refreshing this token for too long; look for a run that hangs, and end it",
    "25006": "the database is read-only",
    "42501": f"the user may not create or change the table {TABLE}",
    "42P01": f"the table {TABLE} does not exist, and the user may not create it",
    "3F000": "there is no schema to create the table in; name one by search_path",
    "53100": "the server's disk is full",
}


class Connection(Protocol):
    """The methods of psycopg2's connection that are used here: psycopg2 is an optional dependency."""

    def set_session(self, *, isolation_level: str) -> None: ...
    def cursor(self) -> Any: ...
    def commit(self) -> None: ...
    def close(self) -> None: ...


class PostgresTokenStore:
    """A table in the connection's schema, shared by all machines. Implements `TokenStore`.

    Args:
        connection_string: A `postgresql://` URL.
        variable: The environment variable that holds it, for messages.
        lock_seconds: How long to wait for the lock on a token.
    """

    def __init__(self, connection_string: str, *, variable: str, lock_seconds: float = 600.0) -> None:
        self._connection_string = connection_string
        self.variable = variable
        self.lock_seconds = lock_seconds

    @contextmanager
    def locked(self, fingerprint: str) -> Iterator[TokenRow]:
        """Lock one token, see `TokenStore.locked`.

        Raises:
            TokenStoreError: The database is unusable, or another process holds the lock for too long.
        """
        row = TokenRow(self, fingerprint)
        try:
            row.lock()
            yield row
        finally:
            row.release()

    def connect(self) -> Connection:
        """Open a connection.

        Raises:
            TokenStoreError: psycopg2 is not installed, or the database cannot be reached.
        """
        try:
            import psycopg2
        except ImportError:
            problem = "psycopg2 is not installed: pip install 'analytics_assets[postgres]'"
            raise self.store_error(problem) from None
        settings = {"connect_timeout": CONNECT_SECONDS, "application_name": "analytics_assets"}
        try:
            parameters = {**settings, **psycopg2.extensions.parse_dsn(self._connection_string)}
            connection: Connection = psycopg2.connect(**parameters)
            connection.set_session(isolation_level="READ COMMITTED")
        except psycopg2.ProgrammingError:
            raise self.store_error(INVALID_CONNECTION_STRING) from None
        except psycopg2.Error as error:
            raise self.driver_error(error) from None
        return connection

    def driver_error(self, error: Exception) -> TokenStoreError:
        """The error for one of the driver's, without the driver's message."""
        sqlstate = getattr(error, "pgcode", None)
        known = (problem for part, problem in CONNECTION_PROBLEMS if part in str(error))
        unknown = " ".join(filter(None, (type(error).__name__, sqlstate)))
        return self.store_error(SQLSTATE_PROBLEMS.get(sqlstate) or next(known, unknown))

    def store_error(self, problem: str) -> TokenStoreError:
        """The error with the variable to check and what to do."""
        return TokenStoreError(
            f"tokens cannot be stored in the PostgreSQL database that {self.variable} names: {problem}. Fix this, or "
            f"unset {STORE_VARIABLE} if all runs are on one machine."
        )


class TokenRow:
    """One token's row, locked by an open transaction. Implements `LockedToken`."""

    def __init__(self, store: PostgresTokenStore, fingerprint: str) -> None:
        self._store = store
        self._fingerprint = fingerprint
        self._connection: Connection | None = None
        self._text: str | None = None

    def read(self) -> Token | None:
        """The token as it was when the row was locked, or as it was written since."""
        place = f"a row of {TABLE} in the database that {self._store.variable} names"
        return None if self._text is None else Token.from_json(self._text, place=place)

    def reserve(self) -> None:
        """Write to the row: a database that rejects this write would reject the token too.

        Raises:
            TokenStoreError: The database rejects the write.
        """
        self._execute(RESERVE, self._fingerprint)

    def write(self, token: Token) -> None:
        """Commit the token. If the connection is lost, reconnect for a minute: the token is issued already.

        Raises:
            TokenStoreError: The database was not available for a minute.
        """
        text, before = token.to_json().decode(), self._text
        deadline, warned = time.monotonic() + RECONNECT_SECONDS, False
        while True:
            try:
                if self._connection is None:
                    self.lock()
                    stored = self.read() if self._text != before else None
                    if stored and stored.issued_at >= token.issued_at:
                        return  # the lost commit succeeded, and another process may have refreshed the token since
                self._execute(UPDATE, text, self._fingerprint)
                self._commit()
            except TokenStoreError as error:
                self.release()
                if time.monotonic() > deadline:
                    raise
                if not warned:
                    log.warning("%s Retrying for a minute, since the tokens are issued already.", error)
                    warned = True
                time.sleep(RECONNECT_INTERVAL_SECONDS)
            else:
                self._text = text
                return

    def lock(self) -> None:
        """Wait until this transaction has the row locked. Creates the table and the row if they do not exist.

        Raises:
            TokenStoreError: The database is unusable, or another process holds the lock for too long.
        """
        self._connection = self._store.connect()
        if self._execute(FIND) == [(None,)]:
            self._execute(CREATE)
            self._commit()
        self._execute(SETTINGS, f"{self._store.lock_seconds * 1000:.0f}ms")
        self._execute(INSERT, self._fingerprint)
        [[self._text]] = self._execute(SELECT, self._fingerprint)

    def release(self) -> None:
        """End the transaction, and the lock with it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _execute(self, sql: str, *values: str) -> list[tuple[Any, ...]]:
        import psycopg2

        assert self._connection is not None
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(sql, values or None)
                return list(cursor.fetchall()) if cursor.description else []
        except psycopg2.Error as error:
            raise self._store.driver_error(error) from None

    def _commit(self) -> None:
        import psycopg2

        assert self._connection is not None
        try:
            self._connection.commit()
        except psycopg2.Error as error:
            raise self._store.driver_error(error) from None
