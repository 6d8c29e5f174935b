"""Translates errors of dlt, databases and the system into this package's errors."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator

from analytics_assets.rest_api.errors import BusyError, RestApiError, WarehouseError

# Errors of the system that are quoted, wherever they occur in the texts of other errors.
SYSTEM_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EMFILE, errno.ENOMEM)
# Classes of errors whose own text cannot hold a row's values: of DuckDB, psycopg2 and dlt.
SAFE_TO_QUOTE = frozenset({
    "IOException", "OperationalError", "OutOfMemoryException", "CatalogException", "ConfigFieldMissingException",
    "DependentObjectsStillExist", "DependencyException", "FeatureNotSupported",
})  # fmt: skip
# Classes of psycopg2's errors after which a later load may succeed.
TRANSIENT_ERRORS = frozenset({
    "OperationalError", "AdminShutdown", "CannotConnectNow", "TooManyConnections", "DeadlockDetected",
    "SerializationFailure",
})  # fmt: skip


def translate_error(error: BaseException, *, dataset: str, table: str) -> RestApiError:
    """An error of this package for one that a load raised.

    An error of this package among the causes is returned as it is. The text of others is quoted only where it cannot
    hold a row's values.
    """
    chain = list(_chain(error))
    for link in chain:
        if isinstance(link, RestApiError):
            return link
    root = chain[-1]
    name, reason = type(root).__name__, _reason(root, chain)
    message = f"loading {dataset}.{table} failed with {name}{reason and f': {reason}'}. The table was not changed"
    is_transient = name in TRANSIENT_ERRORS and type(root).__module__.startswith("psycopg2")
    return (BusyError if is_transient else WarehouseError)(message)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes. dlt keeps a cause in the attribute `exception`."""
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in seen:
        seen.append(current)
        yield current
        current = getattr(current, "exception", None) or current.__cause__ or current.__context__


def _reason(root: BaseException, chain: list[BaseException]) -> str:
    texts = " ".join(map(str, chain))
    reason = next((text for code in SYSTEM_ERRORS if (text := os.strerror(code)) in texts), "")
    if reason and isinstance(root, OSError):
        return f"{reason} (temporary files are in {tempfile.gettempdir()}; TMPDIR names another folder)"
    if not reason and type(root).__name__ in SAFE_TO_QUOTE:
        reason = next(iter(str(root).splitlines()), "")
    if "host name" in reason and "@" in reason:  # a part of the password was read as the host
        return "its host name is unknown; special characters in its password must be percent-encoded (@ is %40)"
    return reason
