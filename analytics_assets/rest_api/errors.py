"""The errors of this package: each message says what was wrong, where, and what to do, for people.

No message holds a secret or a record's value: what an API sent is described by names and types only.
"""

from __future__ import annotations

import copy

from typing_extensions import Self


class RestApiError(Exception):
    """Base of all errors that this package raises on purpose."""

    def with_message(self, message: str) -> Self:
        """The same error with another message: one that names the place, or one without secrets."""
        changed = copy.copy(self)
        changed.args = (message,)
        return changed


class ConfigError(RestApiError):
    """The YAML file does not describe an API."""


class CredentialsError(RestApiError):
    """A credential is missing, half set, or was refused by the API."""


class ResponseError(RestApiError):
    """The API could not be reached, or answered something else than was described."""


class UnavailableError(ResponseError):
    """The API could not be reached, or failed by its own account, however often it was asked: it may work later."""


class DriftError(ResponseError):
    """Rows came, went or moved while they were read: pages may overlap, or leave rows out."""


class TotalMismatchError(DriftError):
    """The API's total differs from the rows, or pages, that were read.

    Attributes:
        promised: The total.
        received: The rows, or pages, that were read.
    """

    def __init__(self, message: str, *, promised: int = 0, received: int = 0) -> None:
        super().__init__(message)
        self.promised = promised
        self.received = received


class IncompleteReadError(ResponseError):
    """The read ended, and the API says that more pages follow: the configuration does not lead to them."""


class SliceError(DriftError):
    """The slices of a window do not have its rows: the API reads their bounds in another way."""


class DataError(RestApiError):
    """Records arrived that cannot be loaded without losing or inventing something."""


class TypeChangeError(DataError):
    """A field is of another type than its column, which the configuration, or the table, does not allow."""


class WarehouseError(RestApiError):
    """The destination is unsuited, busy or refuses the load."""


class BusyError(WarehouseError):
    """Another load or program holds the destination, or it is out of reach: it may work later."""
