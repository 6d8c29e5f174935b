"""The data files of a bucket, as DuckDB reads them: by fsspec, since DuckDB's own client of S3 has to be downloaded."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from fsspec import AbstractFileSystem

from analytics_assets.rest_api.errors import BusyError, WarehouseError

VARIABLES = "DESTINATION__FILESYSTEM__"
# The check that a bucket can be opened. The defaults of s3fs and botocore take over 40 s for an endpoint that is down.
CHECK_SETTINGS = {"connect_timeout": 5, "read_timeout": 5, "retries": {"total_max_attempts": 2}}
NEVER_CHANGED = datetime(2000, 1, 1, tzinfo=timezone.utc)


class BucketFiles(AbstractFileSystem):  # type: ignore[misc]
    """A read-only view of a file system that reads what DuckDB requests: s3fs reads 50 MB ahead."""

    cachable = False

    def __init__(self, file_system: AbstractFileSystem) -> None:
        """
        Args:
            file_system: The bucket's.
        """
        super().__init__()
        self.protocol = file_system.protocol
        self._file_system = file_system

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        return self._file_system.open(path, mode, cache_type="none")

    def info(self, path: str, **kwargs: Any) -> Any:
        """What the bucket knows of a file."""
        return self._file_system.info(path, **kwargs)

    def modified(self, path: str) -> datetime:  # noqa: ARG002
        """When a file was changed: never, since each new file has a new name."""
        return NEVER_CHANGED

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> Any:
        """The files of a folder."""
        return self._file_system.ls(path, detail=detail, **kwargs)


def check_bucket(file_system: AbstractFileSystem, path: str) -> None:
    """Check that a bucket of S3 can be opened: dlt would create one that does not exist.

    Raises:
        WarehouseError: It does not exist, or the credentials are wrong.
        BusyError: It cannot be reached. A later load may succeed.
    """
    if "s3" not in file_system.protocol:
        return
    bucket = path.split("/", 1)[0]
    options = file_system.storage_options
    settings = {**options.get("config_kwargs", {}), **CHECK_SETTINGS}
    checked = type(file_system)(**{**options, "config_kwargs": settings})  # fsspec keeps it for the next check
    checked.retries = 1
    try:
        checked.call_s3("head_bucket", Bucket=bucket)
    except FileNotFoundError:
        raise WarehouseError(f"there is no bucket {bucket!r}: correct {VARIABLES}BUCKET_URL") from None
    except PermissionError:
        raise WarehouseError(
            f"the bucket {bucket!r} refuses these credentials: check {VARIABLES}CREDENTIALS__AWS_ACCESS_KEY_ID "
            f"and {VARIABLES}CREDENTIALS__AWS_SECRET_ACCESS_KEY, and the permissions of this key"
        ) from None
    except Exception as error:  # botocore's own
        raise BusyError(
            f"the bucket {bucket!r} cannot be reached ({type(error).__name__}): check "
            f"{VARIABLES}CREDENTIALS__ENDPOINT_URL and {VARIABLES}CREDENTIALS__REGION_NAME"
        ) from None
