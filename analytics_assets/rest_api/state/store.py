"""Where shared state is stored: files on one machine, or a PostgreSQL database for runs on many machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from analytics_assets.rest_api.errors import CredentialsError

STATE_VARIABLE = "ANALYTICS_STATE_DIR"
STORE_VARIABLE = "ANALYTICS_TOKEN_STORE"
DESTINATION_VARIABLE = "DESTINATION__POSTGRES__CREDENTIALS"
FILE_SETTING = "file"
SCHEMES = ("postgresql://", "postgres://")


@dataclass(frozen=True)
class StateStore:
    """The place of tokens and of the slots of rate limits. `repr` shows no secret.

    Attributes:
        folder: The folder of the files. With a database, tokens that it still contains are moved to the database.
        connection_string: A `postgresql://` URL; None for files.
        variable: The environment variable that holds the URL, for messages.
        hint: Why files are used although the destination is PostgreSQL; empty in all other cases.
    """

    folder: Path
    connection_string: str | None = field(default=None, repr=False)
    variable: str = STORE_VARIABLE
    hint: str = ""

    @property
    def place(self) -> str:
        """The place as the log names it."""
        if self.connection_string is not None:
            return f"the PostgreSQL database that {self.variable} names"
        return f"files in {self.folder}{self.hint}"


def choose_state_store(environ: Mapping[str, str], folder: Path, *, destination: str = "duckdb") -> StateStore:
    """The store that `ANALYTICS_TOKEN_STORE` names; if it is unset, the destination if that is PostgreSQL, else files.

    Args:
        environ: Variables by name.
        folder: The folder of the files.
        destination: The destination of the load.

    Raises:
        CredentialsError: The variable is not `file`, a connection string or the name of a variable that holds one.
    """
    setting, variable = environ.get(STORE_VARIABLE, "").strip(), STORE_VARIABLE
    if setting == FILE_SETTING:
        return StateStore(folder)
    if not setting:
        if destination != "postgres":
            return StateStore(folder)
        setting, variable = environ.get(DESTINATION_VARIABLE, "").strip(), DESTINATION_VARIABLE
        if not setting.startswith(SCHEMES):
            return StateStore(
                folder,
                hint=f", because {DESTINATION_VARIABLE} is not a postgresql:// URL. For runs on several machines, set "
                f"{STORE_VARIABLE}",
            )
    elif setting in environ:
        setting, variable = environ[setting].strip(), setting
    if not setting.startswith(SCHEMES):
        raise CredentialsError(
            f"{variable} must be postgresql://user:password@host/database"
            + (f", the name of a variable with such a value, or {FILE_SETTING}." if variable == STORE_VARIABLE else ".")
        )
    return StateStore(folder, setting, variable)
