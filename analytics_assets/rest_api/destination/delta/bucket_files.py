"""The data files of a bucket, as DuckDB reads them: by fsspec, since DuckDB's own client of S3 has to be downloaded."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from fsspec import AbstractFileSystem

from analytics_assets.rest_api.errors import WarehouseError

VARIABLES = "DESTINATION__FILESYSTEM__"
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
        WarehouseError: It does not exist, or the credentials or the endpoint are wrong.
    """
    if "s3" not in file_system.protocol:
        return
    bucket = path.split("/", 1)[0]
    try:
        file_system.call_s3("head_bucket", Bucket=bucket)
    except FileNotFoundError:
        raise WarehouseError(f"there is no bucket {bucket!r}: correct {VARIABLES}BUCKET_URL") from None
    except PermissionError:
        raise WarehouseError(
            f"the bucket {bucket!r} does not admit these credentials: check {VARIABLES}CREDENTIALS__AWS_ACCESS_KEY_ID "
            "and AWS_SECRET_ACCESS_KEY, and the rights of this key"
        ) from None
    except Exception as error:  # botocore's own
        raise WarehouseError(
            f"the bucket {bucket!r} cannot be reached ({type(error).__name__}): check "
            f"{VARIABLES}CREDENTIALS__ENDPOINT_URL and REGION_NAME"
        ) from None
