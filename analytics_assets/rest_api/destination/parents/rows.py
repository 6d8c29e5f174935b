"""Rows of a parent's table: read once per load, and stored in a file until their children are read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from analytics_assets.rest_api.config import Parent
from analytics_assets.rest_api.destination.dlt_client import TableClient
from analytics_assets.rest_api.destination.merge_sql import cursor_literal
from analytics_assets.rest_api.destination.parents.columns import StoredField, find_field
from analytics_assets.rest_api.destination.warehouse import Log
from analytics_assets.rest_api.errors import WarehouseError
from analytics_assets.rest_api.windows import Window

UNCHANGED = 0  # in the last column of the query


@dataclass
class ParentRows:
    """Distinct values of some fields of the parent's rows, in a fixed order.

    Attributes:
        fields: The fields of each row.
        keys: How many of the fields identify the parent: those in placeholders, which come first.
        path: The file with the rows that are read.
        count: The number of rows that are read.
        unchanged_path: The file with the other rows, if only changed rows are read.
        has_repeated_keys: Whether rows that are read have the same key and differ in other fields.
    """

    fields: Sequence[StoredField]
    keys: int
    path: Path
    count: int = 0
    unchanged_path: Path | None = None
    has_repeated_keys: bool = False

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """The rows that are read, as values of JSON."""
        return self._values(self.path)

    def count_repeated(self, numbers: Sequence[int]) -> int:
        """Count the rows that are equal to another in their key and in the fields of these numbers."""
        count = 0
        for _, rows in itertools.groupby(self._texts(self.path), key=lambda texts: texts[: self.keys]):
            found = [tuple(texts[number] for number in numbers) for texts in rows]
            count += len(found) - len(set(found))
        return count

    def unchanged_keys(self) -> Iterator[tuple[Any, ...]]:
        """The key values of the rows that are not read."""
        if self.unchanged_path:
            for row in self._values(self.unchanged_path):
                yield row[: self.keys]

    def _values(self, path: Path) -> Iterator[tuple[Any, ...]]:
        for texts in self._texts(path):
            yield tuple(field.value(text) for field, text in zip(self.fields, texts, strict=True))

    def _texts(self, path: Path) -> Iterator[list[str | None]]:
        decoder = msgspec.json.Decoder(list[str | None])
        with path.open("rb") as lines:
            for line in lines:
                yield decoder.decode(line)


def read_parents(
    client: TableClient,
    parent: Parent,
    *,
    window: Window | None,
    dataset: str,
    folder: Path,
    max_name_length: int,
    log: Log,
) -> ParentRows:
    """Read the parent's rows into files.

    Args:
        client: A connected client of the destination.
        parent: The parent, and the fields to read.
        window: Read only rows whose cursor is in this time range, and rows without a cursor.
        dataset: The schema of the table.
        folder: For the files.
        max_name_length: Longest name of a column in the destination; 0 for no limit.
        log: Logs rows without a value.

    Raises:
        WarehouseError: The table does not exist, or lacks a field.
    """
    table = f"{dataset}.{parent.name}"
    columns = client.stored_columns(parent.name)
    if not columns:
        raise WarehouseError(
            f"the parent's table {table} does not exist: load {parent.name!r} first. If it was loaded and had no rows, "
            "declare its fields under `columns`: the table then exists without rows"
        )
    names = dict.fromkeys((*parent.fields, *parent.include_from_parent))
    fields = [
        find_field(
            name, columns, table=table, time_format=parent.time_formats.get(name), max_name_length=max_name_length
        )
        for name in names
    ]
    changed = "1 = 1"
    if window is not None and parent.cursor_path:
        cursor = find_field(parent.cursor_path, columns, table=table, time_format=None, max_name_length=max_name_length)
        changed = _in_window(client, cursor, window, parent.cursor_format)
    keys = len(parent.fields)
    rows = ParentRows(fields, keys, folder / "parents.jsonl", unchanged_path=folder / "unchanged_parents.jsonl")
    source = _source(client, parent.name, fields, changed)
    _log_nulls(client, source, keys, f"{table}: ", parent, log)
    _write(rows, client.stream(_distinct_rows(source, len(fields), keys)))
    return rows


def _in_window(client: TableClient, cursor: StoredField, window: Window, format: str) -> str:
    column = client.sql_client.escape_column_name(cursor.column)
    start, end = (cursor_literal(bound, cursor.type.data_type, format) for bound in (window.start, window.end))
    return f"{column} IS NULL OR ({column} >= {start} AND {column} < {end})"


def _source(client: TableClient, name: str, fields: Sequence[StoredField], changed: str) -> str:
    texts = (f"{client.text_of(field)} AS v{number}" for number, field in enumerate(fields))
    table = client.sql_client.make_qualified_table_name(name)
    return f"(SELECT {', '.join(texts)}, CASE WHEN {changed} THEN 1 ELSE 0 END AS changed_ FROM {table}) p"


def _distinct_rows(source: str, fields: int, keys: int) -> str:
    """A parent with several rows is read for all of them if one has changed."""
    names, key = (", ".join(f"v{number}" for number in range(count)) for count in (fields, keys))
    not_null = " AND ".join(f"v{number} IS NOT NULL" for number in range(keys))
    changed = f"MAX(changed_) OVER (PARTITION BY {key}) AS changed_"
    return f"SELECT DISTINCT {names}, {changed} FROM {source} WHERE {not_null} ORDER BY {names}"


def _log_nulls(client: TableClient, source: str, keys: int, prefix: str, parent: Parent, log: Log) -> None:
    missing = " OR ".join(f"v{number} IS NULL" for number in range(keys))
    [[count]] = client.sql_client.execute_sql(f"SELECT COUNT(*) FROM {source} WHERE {missing}") or [[0]]
    if count:
        log.warning(
            f"{prefix}{count} rows have no value for {' or '.join(map(repr, parent.fields))}: nothing is requested for "
            "them"
        )


def _write(rows: ParentRows, batches: Iterator[Sequence[Sequence[Any]]]) -> None:
    assert rows.unchanged_path
    encoder = msgspec.json.Encoder()
    previous: list[Any] = []
    with rows.path.open("wb") as read, rows.unchanged_path.open("wb") as unchanged:
        for batch in batches:
            for *texts, is_changed in batch:
                line = encoder.encode([None if text is None else str(text) for text in texts]) + b"\n"
                if is_changed == UNCHANGED:
                    unchanged.write(line)
                else:
                    read.write(line)
                    rows.count += 1
                    rows.has_repeated_keys |= texts[: rows.keys] == previous  # rows are sorted by their keys
                    previous = texts[: rows.keys]
