"""Rows of a parent's table: read once per load, and stored in a file until their children are read."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from analytics_assets.rest_api.arrow.column_types import ColumnType
from analytics_assets.rest_api.config import Parent
from analytics_assets.rest_api.destination.dlt_client import TableClient
from analytics_assets.rest_api.destination.merge_sql import cursor_literal
from analytics_assets.rest_api.destination.parents.columns import StoredField, find_field
from analytics_assets.rest_api.destination.warehouse import Log
from analytics_assets.rest_api.errors import WarehouseError
from analytics_assets.rest_api.windows import Window

ALL = "1 = 1"


@dataclass(frozen=True)
class ParentTable:
    """The table with a parent's rows.

    Attributes:
        parent: The parent, and the fields to read.
        dataset: The schema of the table.
        max_name_length: Longest name of a column in the destination; 0 for no limit.
    """

    parent: Parent
    dataset: str
    max_name_length: int

    @property
    def name(self) -> str:
        return f"{self.dataset}.{self.parent.name}"

    def columns(self, client: TableClient) -> dict[str, ColumnType]:
        """The columns of the table.

        Raises:
            WarehouseError: The table does not exist.
        """
        if columns := client.stored_columns(self.parent.name):
            return columns
        raise WarehouseError(
            f"the parent's table {self.name} does not exist: load {self.parent.name!r} first. If it was loaded and had "
            "no rows, declare its fields under `columns`: the table then exists without rows"
        )

    def field(self, name: str, columns: Mapping[str, ColumnType], time_format: str | None) -> StoredField:
        return find_field(name, columns, table=self.name, time_format=time_format, max_name_length=self.max_name_length)

    def fields(self, names: Iterable[str], columns: Mapping[str, ColumnType]) -> list[StoredField]:
        """The fields with these names.

        Raises:
            WarehouseError: The table lacks a field.
        """
        return [self.field(name, columns, self.parent.time_formats.get(name)) for name in names]


@dataclass
class ParentRows:
    """Distinct values of some fields of the parent's rows that are read, in a fixed order.

    Attributes:
        table: The table of the rows.
        fields: The fields of each row.
        keys: How many of the fields identify the parent: those in placeholders, which come first.
        path: The file with the rows.
        count: The number of rows.
        has_repeated_keys: Whether rows have the same key and differ in other fields.
    """

    table: ParentTable
    fields: Sequence[StoredField]
    keys: int
    path: Path
    count: int = 0
    has_repeated_keys: bool = False

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """The rows as values of JSON."""
        for texts in self._texts(self.path):
            yield _values(self.fields, texts)

    def count_repeated(self, numbers: Sequence[int]) -> int:
        """Count the rows that are equal to another in their key and in the fields of these numbers."""
        count = 0
        for _, rows in itertools.groupby(self._texts(self.path), key=lambda texts: texts[: self.keys]):
            found = [tuple(texts[number] for number in numbers) for texts in rows]
            count += len(found) - len(set(found))
        return count

    def read_keys(self) -> Iterator[tuple[Any, ...]]:
        """The key values of the rows."""
        return (row[: self.keys] for row in self)

    def existing_keys(self, client: TableClient) -> Iterator[tuple[Any, ...]]:
        """The key values of all rows that the table has now, in any order.

        Args:
            client: A connected client of the destination.

        Raises:
            WarehouseError: The table does not exist any more, or lacks a field.
        """
        parent = self.table.parent
        fields = self.table.fields(parent.fields, self.table.columns(client))
        source = _source(client, parent.name, fields, ALL)
        query = f"SELECT DISTINCT {_names(self.keys)} FROM {source} WHERE {_not_null(self.keys)}"
        for batch in client.stream(query):
            for texts in batch:
                yield _values(fields, [str(text) for text in texts])

    def _texts(self, path: Path) -> Iterator[list[str | None]]:
        decoder = msgspec.json.Decoder(list[str | None])
        with path.open("rb") as lines:
            for line in lines:
                yield decoder.decode(line)


def read_parents(
    client: TableClient, table: ParentTable, *, window: Window | None, folder: Path, log: Log
) -> ParentRows:
    """Read the parent's rows into a file.

    Args:
        client: A connected client of the destination.
        table: The table of the rows.
        window: Read only rows whose cursor is in this time range, and rows without a cursor.
        folder: For the file.
        log: Logs rows without a value.

    Raises:
        WarehouseError: The table does not exist, or lacks a field.
    """
    parent, columns = table.parent, table.columns(client)
    fields = table.fields(dict.fromkeys((*parent.fields, *parent.include_from_parent)), columns)
    changed = ALL
    if window is not None and parent.cursor_path:
        cursor = table.field(parent.cursor_path, columns, None)
        changed = _in_window(client, cursor, window, parent.cursor_format)
    rows = ParentRows(table, fields, len(parent.fields), folder / "parents.jsonl")
    source = _source(client, parent.name, fields, changed)
    _log_nulls(client, source, rows, log)
    _write(rows, client.stream(_changed_rows(source, len(fields), rows.keys)))
    return rows


def _in_window(client: TableClient, cursor: StoredField, window: Window, format: str) -> str:
    column = client.sql_client.escape_column_name(cursor.column)
    start, end = (cursor_literal(bound, cursor.type.data_type, format) for bound in (window.start, window.end))
    return f"{column} IS NULL OR ({column} >= {start} AND {column} < {end})"


def _source(client: TableClient, name: str, fields: Sequence[StoredField], changed: str) -> str:
    texts = (f"{client.text_of(field)} AS v{number}" for number, field in enumerate(fields))
    table = client.sql_client.make_qualified_table_name(name)
    return f"(SELECT {', '.join(texts)}, CASE WHEN {changed} THEN 1 ELSE 0 END AS changed_ FROM {table}) p"


def _changed_rows(source: str, fields: int, keys: int) -> str:
    """A parent with several rows is read for all of them if one has changed."""
    names, changed = _names(fields), f"MAX(changed_) OVER (PARTITION BY {_names(keys)}) AS changed_"
    rows = f"SELECT {names}, {changed} FROM {source} WHERE {_not_null(keys)}"
    return f"SELECT DISTINCT {names} FROM ({rows}) r WHERE changed_ = 1 ORDER BY {names}"


def _names(fields: int) -> str:
    return ", ".join(f"v{number}" for number in range(fields))


def _not_null(fields: int) -> str:
    return " AND ".join(f"v{number} IS NOT NULL" for number in range(fields))


def _values(fields: Sequence[StoredField], texts: Sequence[str | None]) -> tuple[Any, ...]:
    return tuple(field.value(text) for field, text in zip(fields, texts, strict=True))


def _log_nulls(client: TableClient, source: str, rows: ParentRows, log: Log) -> None:
    query = f"SELECT COUNT(*) FROM {source} WHERE NOT ({_not_null(rows.keys)})"
    [[count]] = client.sql_client.execute_sql(query) or [[0]]
    if count:
        log.warning(
            f"{rows.table.name}: {count} rows have no value for {' or '.join(map(repr, rows.table.parent.fields))}: "
            "nothing is requested for them"
        )


def _write(rows: ParentRows, batches: Iterator[Sequence[Sequence[Any]]]) -> None:
    encoder = msgspec.json.Encoder()
    previous: Sequence[Any] = []
    with rows.path.open("wb") as file:
        for batch in batches:
            for texts in batch:
                file.write(encoder.encode([None if text is None else str(text) for text in texts]) + b"\n")
                rows.count += 1
                rows.has_repeated_keys |= texts[: rows.keys] == previous  # rows are sorted by their keys
                previous = texts[: rows.keys]
