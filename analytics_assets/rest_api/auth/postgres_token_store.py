"""Tokens in a PostgreSQL table, one row each, for runs on many machines: locked from reading to writing."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from analytics_assets.rest_api.auth.tokens import Token
from analytics_assets.rest_api.errors import TokenStoreError
from analytics_assets.rest_api.state.postgres_database import Connection, PostgresDatabase

log = logging.getLogger(__name__)

TABLE = "analytics_assets_tokens"
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
# without closing its connection is released after a minute (30 + 3 * 10 seconds). Keepalives are not sent while the
# machine has not confirmed a result: then tcp_user_timeout counts, whose default is about 15 minutes.
SETTINGS = """
SET LOCAL lock_timeout = %s;
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL tcp_keepalives_idle = 30;
SET LOCAL tcp_keepalives_interval = 10;
SET LOCAL tcp_keepalives_count = 3;
SET LOCAL tcp_user_timeout = 60000;
"""
FIND = "SELECT to_regclass('analytics_assets_tokens')"
INSERT = "INSERT INTO analytics_assets_tokens (fingerprint) VALUES (%s) ON CONFLICT DO NOTHING"
SELECT = "SELECT token FROM analytics_assets_tokens WHERE fingerprint = %s FOR UPDATE"
RESERVE = "UPDATE analytics_assets_tokens SET changed_at = now() WHERE fingerprint = %s"
UPDATE = "UPDATE analytics_assets_tokens SET token = %s, changed_at = now() WHERE fingerprint = %s"


class PostgresTokenStore:
    """A table in the connection's schema, shared by all machines. Implements `TokenStore`.

    Args:
        connection_string: A `postgresql://` URL.
        variable: The environment variable that holds it, for messages.
        lock_seconds: How long to wait for the lock on a token.
    """

    def __init__(self, connection_string: str, *, variable: str, lock_seconds: float = 600.0) -> None:
        self.database = PostgresDatabase(connection_string, variable, TABLE, "tokens", TokenStoreError)
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


class TokenRow:
    """One token's row, locked by an open transaction. Implements `LockedToken`."""

    def __init__(self, store: PostgresTokenStore, fingerprint: str) -> None:
        self._store = store
        self._fingerprint = fingerprint
        self._connection: Connection | None = None
        self._text: str | None = None

    def read(self) -> Token | None:
        """The token as it was when the row was locked, or as it was written since."""
        place = f"a row of {TABLE} in the database that {self._store.database.variable} names"
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
        self._connection = self._store.database.connect()
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
            raise self._store.database.driver_error(error) from None

    def _commit(self) -> None:
        import psycopg2

        assert self._connection is not None
        try:
            self._connection.commit()
        except psycopg2.Error as error:
            raise self._store.database.driver_error(error) from None
