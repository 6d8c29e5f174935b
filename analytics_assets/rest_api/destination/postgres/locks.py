"""Locks in a PostgreSQL database, which loads on all machines share.

A load locks its table for the transaction that writes, and the dataset for the one that creates dlt's tables. They are
advisory locks: a table can be locked before it exists. They end with the transaction, also if the process dies.
"""

from __future__ import annotations

import time

import psycopg2

from analytics_assets.rest_api.destination.locks import QUIET_WAIT_SECONDS, holder_description
from analytics_assets.rest_api.destination.warehouse import Log
from analytics_assets.rest_api.errors import BusyError

WAIT_SECONDS = 10.0  # in the queue of the lock, until the log names another holder
HOLDER = """
SELECT application_name, COALESCE(host(client_addr), 'the server itself')
FROM pg_locks l JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND objsubid = 1
AND (classid::bigint << 32) | objid::bigint = hashtextextended(%s, 0)
AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def acquire_lock(
    connection: psycopg2.extensions.connection, place: str, *, table: str, seconds: float, log: Log
) -> None:
    """Wait for the lock of a dataset or a table, and hold it until the connection's transaction ends.

    Waiting loads get the lock in the order in which they came, by and large.

    Args:
        connection: A connection in a transaction.
        place: The dataset or table to lock.
        table: The table that is loaded, to name this process to others.
        seconds: How long to wait.
        log: Logs which process holds the lock, and each later one.

    Raises:
        BusyError: The lock was still held after that time.
    """
    deadline, logged = time.monotonic() + seconds, ""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('application_name', %s, true)", (holder_description(table),))
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", (place,))
        is_locked, wait = cursor.fetchone() == (True,), QUIET_WAIT_SECONDS
        while not is_locked:
            is_locked = _wait(cursor, place, min(wait, deadline - time.monotonic()))
            if is_locked:
                break
            holder = _holder(cursor, place)
            if holder != logged:
                log.info(f"waiting for another load into {place} in PostgreSQL: {holder}")
                logged = holder
            if time.monotonic() >= deadline:
                raise BusyError(
                    f"another load has locked {place} in PostgreSQL for too long: {holder}. Run again later"
                )
            wait = WAIT_SECONDS
        # Statements that change the table wait for its readers. Without a limit they would block new readers.
        cursor.execute("SET LOCAL lock_timeout = %s", (_milliseconds(seconds),))


def _wait(cursor: psycopg2.extensions.cursor, place: str, seconds: float) -> bool:
    """Wait in the queue of the lock. Returns whether the lock was acquired."""
    cursor.execute("SAVEPOINT before_lock")
    try:
        cursor.execute("SET LOCAL lock_timeout = %s", (_milliseconds(seconds),))
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (place,))
    except psycopg2.errors.LockNotAvailable:
        cursor.execute("ROLLBACK TO SAVEPOINT before_lock")
        return False
    return True


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))  # 0 is no limit


def _holder(cursor: psycopg2.extensions.cursor, place: str) -> str:
    cursor.execute(HOLDER, (place,))
    if not (row := cursor.fetchone()):
        return "a load that has just ended"
    return f"{row[0] or 'a session without a name'} on {row[1]}"
