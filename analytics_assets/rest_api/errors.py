"""The errors that this package raises. Each message says what is wrong, where, and what to do.

No message contains a secret or a record's value. Data is described by names and types; the only text of an API that a
message repeats is the API's own reason for an error status, shortened and with secrets masked.
"""

from __future__ import annotations

import copy

from typing_extensions import Self


class RestApiError(Exception):
    """Base class of the errors below."""

    def with_message(self, message: str) -> Self:
        """The same error with another message: one that names the place, or one without secrets."""
        changed = copy.copy(self)
        changed.args = (message,)
        return changed


class ConfigError(RestApiError):
    """The configuration is wrong: a YAML file, or an environment variable with a setting."""


class CredentialsError(RestApiError):
    """A credential is missing, incomplete, malformed, or rejected by the API."""


class TokenStoreError(CredentialsError):
    """Tokens cannot be stored now. No token is requested then, since a rotated refresh token would be lost."""


class ResponseError(RestApiError):
    """The API cannot be reached, or its response does not match the configuration."""


class UnavailableError(ResponseError):
    """The API cannot be reached or reports a failure of its own, after all retries. A later run may succeed."""


class DriftError(ResponseError):
    """Rows were added, removed or moved during the read, so pages may overlap or miss rows."""


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
    """The slices of a window do not add up to its rows: the API interprets their bounds differently."""


class DataError(RestApiError):
    """Records cannot be loaded exactly."""


class MissingKeyError(DataError):
    """Records have no primary key."""


class TypeChangeError(DataError):
    """A field's data type differs from its column's, and the configuration or the table does not allow that."""


class WarehouseError(RestApiError):
    """The destination is unsuitable or rejects the load."""


class BusyError(WarehouseError):
    """The destination is locked by another load or program, or unreachable. A later run may succeed."""
