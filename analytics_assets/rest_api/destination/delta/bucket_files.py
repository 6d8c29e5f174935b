"""The data files of a bucket, as DuckDB reads them: by fsspec, since DuckDB's own client of S3 has to be downloaded."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from fsspec import AbstractFileSystem

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
