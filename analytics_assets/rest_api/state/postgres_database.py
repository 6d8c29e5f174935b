"""The PostgreSQL database of shared state: connections and errors.

The connection string is a secret, and a malformed one may put parts of the password where a host name belongs. So the
driver's error messages are never repeated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from analytics_assets.rest_api.errors import RestApiError
from analytics_assets.rest_api.state.store import FILE_SETTING, STORE_VARIABLE

CONNECT_SECONDS = 10
# A connection to a machine that vanished ends after a minute. Otherwise a statement waits for its result for two hours.
KEEPALIVES = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000}

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
    "42501": "the user may not create or change the table {table}: grant the user CREATE on the schema, or the rights "
    "on the table",
    "42P01": "the table {table} does not exist, and the user may not create it",
    "3F000": "there is no schema to create the table in; name one by search_path",
    "53100": "the server's disk is full",
}


class Connection(Protocol):
    """The methods of psycopg2's connection that are used here: psycopg2 is an optional dependency."""

    def set_session(self, *, isolation_level: str | None = None, autocommit: bool | None = None) -> None: ...
    def cursor(self) -> Any: ...
    def commit(self) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class PostgresDatabase:
    """A database with one table of shared state. `repr` shows no secret.

    Attributes:
        connection_string: A `postgresql://` URL.
        variable: The environment variable that holds it, for messages.
        table: The name of the table.
        content: What the table stores, for messages.
        error_type: The class of the errors.
    """

    connection_string: str = field(repr=False)
    variable: str
    table: str
    content: str
    error_type: type[RestApiError]

    def connect(self, *, autocommit: bool = False, **parameters: object) -> Connection:
        """Open a connection.

        Args:
            autocommit: Whether each statement is a transaction.
            **parameters: Further parameters of libpq. Those of the connection string have priority.

        Raises:
            RestApiError: psycopg2 is not installed, or the database cannot be reached; of the class `error_type`.
        """
        try:
            import psycopg2
        except ImportError:
            problem = "psycopg2 is not installed: pip install 'analytics_assets[postgres]'"
            raise self.error(problem) from None
        own = {"connect_timeout": CONNECT_SECONDS, "application_name": "analytics_assets", **KEEPALIVES, **parameters}
        try:
            parsed = {**own, **psycopg2.extensions.parse_dsn(self.connection_string)}
            connection: Connection = psycopg2.connect(**parsed)
            connection.set_session(isolation_level="READ COMMITTED", autocommit=autocommit)
        except psycopg2.ProgrammingError:
            raise self.error(INVALID_CONNECTION_STRING) from None
        except psycopg2.Error as error:
            raise self.driver_error(error) from None
        return connection

    def driver_error(self, error: Exception) -> RestApiError:
        """The error for one of the driver's, without the driver's message."""
        sqlstate = getattr(error, "pgcode", None)
        known = (problem for part, problem in CONNECTION_PROBLEMS if part in str(error))
        unknown = " ".join(filter(None, (type(error).__name__, sqlstate)))
        problem = SQLSTATE_PROBLEMS.get(sqlstate, "").format(table=self.table)
        return self.error(problem or next(known, unknown))

    def error(self, problem: str) -> RestApiError:
        """The error with the variable to check and what to do."""
        return self.error_type(
            f"{self.content} cannot be stored in the PostgreSQL database that {self.variable} names: {problem}. Fix "
            f"this, or set {STORE_VARIABLE} to {FILE_SETTING} if all runs are on one machine."
        )
