"""Cursors: the field that says when a record changed, as UTC timestamps."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from analytics_assets.rest_api.arrow.timestamps import EPOCH_UNITS, UTC, epoch_timestamps
from analytics_assets.rest_api.config import Column, ResolvedResource
from analytics_assets.rest_api.errors import DataError

FORMATS = "iso8601, epoch_s, epoch_ms, date or a strftime pattern"


@dataclass(frozen=True)
class Cursor:
    """The field that says when a record changed.

    Its column is a timestamp in the format of `incremental.format`, unless `columns` declares another type for it.

    Attributes:
        path: The path of the field in a record: `incremental.cursor_path`.
        format: How the API writes it: `incremental.format`.
    """

    path: str
    format: str

    @classmethod
    def of(cls, resource: ResolvedResource) -> Cursor | None:
        """The resource's cursor; None if it has none."""
        incremental = resource.endpoint.incremental
        if incremental is None or incremental.cursor_path is None:
            return None
        return cls(incremental.cursor_path, incremental.format)

    @property
    def is_nested(self) -> bool:
        return "." in self.path

    @property
    def field(self) -> str:
        """The field of the table's rows: a nested one is flattened as dlt flattens nested fields."""
        return self.path.replace(".", "__")

    @property
    def declaration(self) -> Column:
        """What the column is unless `columns` declares it."""
        return Column(data_type="timestamp", format=self.format)

    def nested_value(self, record: Mapping[str, Any]) -> Any:
        """The value in a record; None if there is none."""
        value: Any = record
        for key in self.path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def timestamps(self, values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
        """The column's values as UTC timestamps, nulls kept.

        Raises:
            DataError: A value is not written in the format.
        """
        types = pa.types
        if types.is_timestamp(values.type) or types.is_date(values.type):
            return values.cast(UTC)
        is_number = types.is_integer(values.type) or types.is_floating(values.type) or types.is_decimal(values.type)
        if is_number and self.format in EPOCH_UNITS:
            with suppress(ValueError):
                return epoch_timestamps(values, self.format)
        raise DataError(self.mismatch(str(values.type)))

    def mismatch(self, found: str) -> str:
        """The error message for values that cannot be read, of which only the type is named."""
        return (
            f"the cursor field {self.path!r} is {found}, which is not written as `incremental.format: {self.format}` "
            f"says. Write the format of the API's responses ({FORMATS}), or declare the column with its `format` under "
            "`columns`"
        )
