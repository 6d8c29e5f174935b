"""Where tokens are stored: files on one machine, or a PostgreSQL table for runs on many machines.

A token is read, refreshed and replaced under one lock, which is released even if the process that holds it is killed.
So a refresh token is used once, and what the API issues is never lost or half written.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from analytics_assets.rest_api.auth.file_token_store import FileTokenStore
from analytics_assets.rest_api.auth.postgres_token_store import PostgresTokenStore
from analytics_assets.rest_api.auth.tokens import Token
from analytics_assets.rest_api.state.store import StateStore

log = logging.getLogger(__name__)


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


class MigratingTokenStore:
    """A PostgreSQL table that takes over the tokens of files. Implements `TokenStore`.

    A refresh token that rotated into a file is the only one that is valid, so it must not be lost when the setting of
    the store changes.
    """

    def __init__(self, table: PostgresTokenStore, files: FileTokenStore) -> None:
        self._table = table
        self._files = files

    @contextmanager
    def locked(self, fingerprint: str) -> Iterator[LockedToken]:
        """Lock one token of the table, see `TokenStore.locked`.

        Raises:
            TokenStoreError: A store is unusable, or another process holds the lock for too long.
        """
        if self._files.contains(fingerprint):
            self._move(fingerprint)
        with self._table.locked(fingerprint) as row:
            yield row

    def _move(self, fingerprint: str) -> None:
        """Move a token from its file to the table. Both are locked, so that one process moves it."""
        with self._files.locked(fingerprint) as file, self._table.locked(fingerprint) as row:
            if not self._files.contains(fingerprint):  # another process moved it meanwhile
                return
            stored, token = row.read(), file.read_file()
            # A process that was killed before it deleted the file has left an older token there.
            if token and (stored is None or stored.issued_at < token.issued_at):
                row.write(token)
                log.info("a token was moved from %s to %s", self._files.folder, self._table.database.variable)
            file.retire(self._table.database.variable if token and token.refresh_token else None)


def build_token_store(state: StateStore) -> TokenStore:
    """The token store in the place of shared state."""
    files = FileTokenStore(state.folder)
    if state.connection_string is None:
        return files
    return MigratingTokenStore(PostgresTokenStore(state.connection_string, variable=state.variable), files)
