"""Send slots in a PostgreSQL table, one row per API, for runs on many machines. Times are those of the database."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import Any

from analytics_assets.rest_api.errors import UnavailableError
from analytics_assets.rest_api.state.postgres_database import Connection, PostgresDatabase

TABLE = "analytics_assets_rate_limits"
# How long an unavailable database is waited for: about as long as a managed PostgreSQL takes to fail over.
RECONNECT_SECONDS = 60.0
RECONNECT_INTERVAL_SECONDS = 0.5
# A connection that is cut without being closed is given up after ten seconds.
KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 10_000}
FIND = f"SELECT to_regclass('{TABLE}')"
CREATE = f"""
SELECT pg_advisory_xact_lock(hashtext('{TABLE}'));
CREATE TABLE IF NOT EXISTS {TABLE} (api text PRIMARY KEY, next_slot timestamptz NOT NULL);
"""
# Slots that a crash of the server loses are not worth a write to the disk for each batch.
NO_FLUSH = "SELECT set_config('synchronous_commit', 'off', true);"
RESERVE = f"""
{NO_FLUSH}
INSERT INTO {TABLE} AS stored (api, next_slot)
VALUES (%(api)s, clock_timestamp() + %(seconds)s * interval '1 second')
ON CONFLICT (api) DO UPDATE
SET next_slot = GREATEST(stored.next_slot, clock_timestamp()) + %(seconds)s * interval '1 second'
RETURNING EXTRACT(EPOCH FROM next_slot - clock_timestamp())
"""  # noqa: S608
PAUSE = f"""
{NO_FLUSH}
INSERT INTO {TABLE} AS stored (api, next_slot)
VALUES (%(api)s, clock_timestamp() + %(seconds)s * interval '1 second')
ON CONFLICT (api) DO UPDATE
SET next_slot = GREATEST(stored.next_slot, clock_timestamp() + %(seconds)s * interval '1 second')
RETURNING 0
"""  # noqa: S608


class PostgresSlots:
    """The next free slot of one API in a table of the connection's schema. Implements `SlotStore`."""

    def __init__(self, connection_string: str, name: str, *, variable: str, log: logging.Logger) -> None:
        """Open no connection yet.

        Args:
            connection_string: A `postgresql://` URL.
            name: The name of the API and of its host.
            variable: The environment variable that holds the URL, for messages.
            log: Receives a warning if the database is not available.
        """
        content = "the rate limit over all runs"
        self._database = PostgresDatabase(connection_string, variable, TABLE, content, UnavailableError)
        self._name = name
        self._log = log
        self._connection: Connection | None = None
        self._closed = False
        self._was_available = False  # a database that never was may be a wrong setting: that is not waited for

    def reserve(self, seconds: float) -> float:
        """Reserve a time span, see `SlotStore.reserve`.

        Raises:
            UnavailableError: The database was not available for a minute.
        """
        return float(self._repeat(RESERVE, seconds)) - seconds

    def pause(self, seconds: float) -> None:
        """Let no time span begin for so many seconds, see `SlotStore.pause`.

        Raises:
            UnavailableError: The database was not available for a minute.
        """
        self._repeat(PAUSE, seconds)

    def close(self) -> None:
        """Close the connection."""
        self._closed = True
        self._disconnect()

    def _repeat(self, sql: str, seconds: float) -> Any:
        """The value that a statement returns. Requests are not sent while the database is not available."""
        deadline, warned = time.monotonic() + RECONNECT_SECONDS, False
        while True:
            try:
                return self._execute(sql, {"api": self._name, "seconds": seconds})
            except UnavailableError as error:
                self._disconnect()
                if self._closed or not self._was_available or time.monotonic() > deadline:
                    raise
                if not warned:
                    self._log.warning(f"{error} No request is sent until then, for up to a minute.")
                    warned = True
                time.sleep(RECONNECT_INTERVAL_SECONDS)

    def _execute(self, sql: str, values: dict[str, object]) -> Any:
        connection = self._connection or self._database.connect(autocommit=True, **KEEPALIVES)
        is_new, self._connection = self._connection is None, connection
        import psycopg2  # `connect` has an error if it is not installed

        try:
            with connection.cursor() as cursor:
                if is_new:
                    cursor.execute(FIND)
                    if cursor.fetchone() == (None,):
                        cursor.execute(CREATE)
                cursor.execute(sql, values)
                [value] = cursor.fetchone()
        except psycopg2.Error as error:
            raise self._database.driver_error(error) from None
        self._was_available = True
        return value

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()
