"""Tokens of runs on many machines: a row each in a PostgreSQL table, locked from reading to writing.

The connection string is a secret, and one with a mistake in it shows parts of the password as its host: so the
driver's own words are never repeated.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from analytics_assets.rest_api.auth.token_store import STORE_VARIABLE, Token, TokenStoreError

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812

log = logging.getLogger(__name__)

TABLE = "analytics_assets_tokens"
CONNECT_SECONDS = 10
RECONNECT_SECONDS = 60.0
# Defaults for a schema may give its readers every new table: this one is its owner's alone.
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
# For the transaction, so that it holds behind a pooler, too. A machine that dies without a word is noticed in a minute.
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

MISSPELT = "that is no connection string; special characters in it are percent-encoded"
# What libpq says -> what is said here.
CONNECTING = (
    ("Connection refused", "nothing listens at its address"),
    ("could not translate host name", "its host name is unknown"),
    ("No such file or directory", "there is no server at its socket"),
    ("timeout expired", "it does not answer"),
    ("authentication failed", "it does not accept the user or the password"),
    ("no pg_hba.conf entry", "it does not accept this user from this machine"),
    ("does not exist", "there is no such user or database"),
    ("too many", "it takes no more connections"),
    ("SSL", "TLS failed"),
    ("invalid", MISSPELT),
)
SQLSTATES: dict[str | None, str] = {
    "55P03": "another process has been renewing this token for too long; look for a run that hangs, and end it",
    "25006": "it is read-only",
    "42501": f"its user may not create or change the table {TABLE}",
    "42P01": f"it has no table {TABLE}, nor lets it be created",
    "3F000": "it has no schema to create the table in: name one by search_path",
    "53100": "its disk is full",
}


class PostgresTokenStore:
    """A table in the connection's schema, shared by all machines. `variable` is where its credentials were set."""

    def __init__(self, credentials: str, *, variable: str, lock_seconds: float = 600.0) -> None:
        self._credentials = credentials
        self.variable = variable
        self.lock_seconds = lock_seconds

    @contextmanager
    def locked(self, fingerprint: str) -> Iterator[TokenRow]:
        row = TokenRow(self, fingerprint)
        try:
            row.lock()
            yield row
        finally:
            row.release()

    def connect(self) -> Connection:
        try:
            import psycopg2
        except ImportError:
            problem = "it needs psycopg2, which is not installed: pip install 'analytics_assets[postgres]'"
            raise self.unusable(problem) from None
        settings = {"connect_timeout": CONNECT_SECONDS, "application_name": "analytics_assets"}
        try:
            connection = psycopg2.connect(**{**settings, **psycopg2.extensions.parse_dsn(self._credentials)})
            connection.set_session(isolation_level="READ COMMITTED")
        except psycopg2.ProgrammingError:
            raise self.unusable(MISSPELT) from None
        except psycopg2.Error as error:
            raise self.failed(error) from None
        return connection

    def failed(self, error: Exception) -> TokenStoreError:
        """The driver's error, told without its words."""
        state = getattr(error, "pgcode", None)
        said = (said for part, said in CONNECTING if part in str(error))
        return self.unusable(SQLSTATES.get(state) or next(said, " ".join(filter(None, (type(error).__name__, state)))))

    def unusable(self, problem: str) -> TokenStoreError:
        return TokenStoreError(
            f"tokens cannot be kept in the PostgreSQL database that {self.variable} names: {problem}. Mend that, or "
            f"unset {STORE_VARIABLE} where all runs are on one machine."
        )


class TokenRow:
    """One token's row, while a transaction has it locked."""

    def __init__(self, table: PostgresTokenStore, fingerprint: str) -> None:
        self._table = table
        self._fingerprint = fingerprint
        self._connection: Connection | None = None
        self._text: str | None = None

    def read(self) -> Token | None:
        place = f"a row of {TABLE} in the database that {self._table.variable} names"
        return None if self._text is None else Token.from_json(self._text, place=place)

    def reserve(self) -> None:
        """Write to the row: a database that takes no writes now would not take the token either."""
        self._execute(RESERVE, self._fingerprint)

    def write(self, token: Token) -> None:
        """Commit the token. Where the connection is lost meanwhile, over another one: the token is issued already."""
        text, before = token.to_json().decode(), self._text
        deadline, said = time.monotonic() + RECONNECT_SECONDS, False
        while True:
            try:
                if self._connection is None:
                    self.lock()
                    found = self.read() if self._text != before else None
                    if found and found.issued_at >= token.issued_at:
                        return  # the commit had arrived, and the row may hold its successor by now
                self._execute(UPDATE, text, self._fingerprint)
                self._commit()
            except TokenStoreError as error:
                self.release()
                if time.monotonic() > deadline:
                    raise
                if not said:
                    log.warning("%s It is tried again for a minute, since the tokens are issued already.", error)
                    said = True
                time.sleep(0.25)
            else:
                self._text = text
                return

    def lock(self) -> None:
        """Returns once the row is this transaction's alone; table and row are made where they are missing."""
        self._connection = self._table.connect()
        if self._execute(FIND) == [(None,)]:
            self._execute(CREATE)
            self._commit()
        self._execute(SETTINGS, f"{self._table.lock_seconds * 1000:.0f}ms")
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
            raise self._table.failed(error) from None

    def _commit(self) -> None:
        import psycopg2

        assert self._connection is not None
        try:
            self._connection.commit()
        except psycopg2.Error as error:
            raise self._table.failed(error) from None
