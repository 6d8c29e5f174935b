"""Where tokens are stored: files on one machine, or a PostgreSQL table for runs on many machines.

A token is read, refreshed and replaced under one lock, which is released even if the process that holds it is killed.
So a refresh token is used once, and what the API issues is never lost or half written.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from analytics_assets.rest_api.auth.file_token_store import FileTokenStore
from analytics_assets.rest_api.auth.postgres_token_store import STORE_VARIABLE, PostgresTokenStore
from analytics_assets.rest_api.auth.tokens import Token
from analytics_assets.rest_api.errors import CredentialsError


class LockedToken(Protocol):
    """One stored token, locked for this thread."""

    def read(self) -> Token | None:
        """The stored token; None if there is none, or, with a warning, if the stored text is not a token.

        Raises:
            TokenStoreError: The store cannot be read.
        """

    def reserve(self) -> None:
        """Make sure that a token can be stored, before one is requested.

        Raises:
            TokenStoreError: The store cannot be written.
        """

    def write(self, token: Token) -> None:
        """Replace the stored token durably and atomically: a reader, or a crash, sees the old one or the new one.

        Raises:
            TokenStoreError: The store cannot be written.
        """


class TokenStore(Protocol):
    """Stores tokens for all processes that use them."""

    def locked(self, fingerprint: str) -> AbstractContextManager[LockedToken]:
        """Lock one token for this thread of this process, from reading to writing.

        Raises:
            TokenStoreError: The store is unusable, or another process holds the lock for too long.
        """


def build_token_store(environ: Mapping[str, str], folder: Path) -> TokenStore:
    """The PostgreSQL table that `ANALYTICS_TOKEN_STORE` names, or files below the folder if it is unset.

    Raises:
        CredentialsError: The variable is neither a connection string nor the name of a variable that holds one.
    """
    setting, variable = environ.get(STORE_VARIABLE, "").strip(), STORE_VARIABLE
    if not setting:
        return FileTokenStore(folder)
    if setting in environ:
        setting, variable = environ[setting].strip(), setting
    if not setting.startswith(("postgresql://", "postgres://")):
        raise CredentialsError(
            f"{variable} must be postgresql://user:password@host/database"
            + (", or the name of a variable with such a value." if variable == STORE_VARIABLE else ".")
        )
    return PostgresTokenStore(setting, variable=variable)
