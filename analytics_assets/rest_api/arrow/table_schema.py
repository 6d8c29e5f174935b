"""Table schema: records become Arrow tables of one schema per resource, which only grows. No value is lost."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import pyarrow as pa
from dlt.common.schema.typing import TTableSchemaColumns

from analytics_assets.rest_api.arrow.column_names import FieldMapping
from analytics_assets.rest_api.arrow.column_types import ColumnType
from analytics_assets.rest_api.arrow.cursor import Cursor
from analytics_assets.rest_api.arrow.numbers import Widening, align_file, align_table
from analytics_assets.rest_api.arrow.record_arrays import RecordArrays
from analytics_assets.rest_api.arrow.table_columns import READ_NUMBER, BoundColumns, OnTypeChange, TableColumns
from analytics_assets.rest_api.arrow.timestamps import json_type
from analytics_assets.rest_api.config import Column
from analytics_assets.rest_api.errors import DataError, MissingKeyError
from analytics_assets.rest_api.extract.children.bindings import Origins
from analytics_assets.rest_api.extract.records import (
    STRICT,
    Field,
    PageRecords,
    Reader,
    Records,
    read_dicts,
    scalars_as_written,
)

SHOWN_FIELDS = 20  # in an error message


class TableSchema:
    """Decodes the records of a resource and converts them to tables.

    Declared and stored columns are in each table from the start: where a record lacks a field, the row's value becomes
    NULL. Several threads may use one schema.
    """

    def __init__(
        self,
        *,
        columns: Mapping[str, Column] | None = None,
        primary_key: Sequence[str] = (),
        null_key: Literal["fail", "skip"] = "fail",
        cursor: Cursor | None = None,
        on_type_change: OnTypeChange = "evolve",
        stored: Mapping[str, ColumnType] | None = None,
        max_name_length: int = 0,
        bound: Mapping[str, ColumnType | None] | None = None,
        skipped: Sequence[str] = (),
    ) -> None:
        """
        Args:
            columns: Declared columns, by field.
            primary_key: Fields of the key.
            null_key: What to do with a record whose key is null: fail, or skip it.
            cursor: The field that says when a record changed.
            on_type_change: What to do with a value of another type: add a variant column, fail, or discard it.
            stored: Columns of the stored table.
            max_name_length: Longest name of a column in the destination; 0 for no limit.
            bound: Fields whose values come from the read and not from its records, with their types if known.
            skipped: Fields that `read_structs` leaves out. `read` gets records without them.

        Raises:
            DataError: Two declared or bound columns have one name, or dlt writes one itself.
        """
        self._skipped = skipped
        self._mapping = FieldMapping(max_name_length)
        self._columns = TableColumns(
            self._mapping,
            declared=columns or {},
            primary_key=primary_key,
            cursor=cursor,
            on_type_change=on_type_change,
            stored=stored or {},
            bound=bound or {},
        )
        bound_fields: dict[str, str] = {}
        for field in bound or {}:
            other = bound_fields.setdefault(self._mapping.column_for(field), field)
            if other != field:
                raise DataError(
                    f"{other!r} and {field!r} would be one column: remove one of them from "
                    "`include_from_parent`, or rename the key of `for_each`"
                )
        self._bound = BoundColumns(self._columns, bound_fields)
        self._record_key = {name: field for name, field in self._columns.key.items() if name not in bound_fields}
        self._skip_null_keys = null_key == "skip"
        self._reader: Reader | None = None
        self._record_arrays = RecordArrays(self._columns, self._record_key)
        self._lock = Lock()

    @property
    def widened_columns(self) -> dict[str, Widening]:
        """The stored columns of numbers whose type has to be widened."""
        return self._columns.widened

    def changed_columns(self, new_columns: Collection[str] = ()) -> dict[str, list[str]]:
        """For each column with values of another type: its variant columns, or how many values were discarded.

        Args:
            new_columns: Columns that the load added: a variant of a widened column among them got stored numbers.
        """
        changed = self._columns.changed
        for name, widening in self._columns.widened.items():
            if moved := set(widening.variants.values()) & set(new_columns):
                changed[name] = sorted(moved.union(changed.get(name, ())))
        return changed

    def column_for(self, field: str) -> str:
        """The column of a field.

        Raises:
            DataError: dlt writes that column itself.
        """
        return self._mapping.column_for(field)

    @property
    def fields(self) -> dict[str, str]:
        """The field of each column that a record of this read had."""
        return dict(self._mapping.fields)

    def field_of(self, column: str) -> str | None:
        """The field of a column, or the name of its bound value; None if no record had it so far."""
        return self._mapping.fields.get(column) or self._bound.fields.get(column)

    def column_type(self, column: str) -> ColumnType:
        """The type of a column so far.

        Raises:
            KeyError: There is no such column so far.
        """
        return self._columns.types[column]

    def dlt_columns(self) -> TTableSchemaColumns:
        """The columns so far as dlt's hints."""
        with self._lock:
            return self._columns.dlt_columns()

    def read(self, records: bytes) -> PageRecords:
        """Decodes a JSON list of records for `convert`: proven by the fields known so far, else as dicts.

        Raises:
            DataError: The fields cannot all be columns.
            ResponseError: It is not JSON.
        """
        if self._reader and (read := self._reader.read(records)) is not None:
            return read
        dicts = read_dicts(records)
        if set(map(type, dicts)) == {dict}:
            with self._lock:
                self._reader = self._build_reader(dicts)
                mixed_texts = [self._mapping.fields[name] for name in self._columns.mixed_texts]
            if self._reader and (read := self._reader.read(records)) is not None:
                return read
            if mixed_texts:
                scalars_as_written(records, dicts, mixed_texts)
        return dicts

    def read_structs(self, records: bytes) -> Records | None:
        """Decodes a JSON list of records without the skipped fields; None if fields or types are new."""
        return self._reader.read(records) if self._reader else None

    def convert(self, records: PageRecords, origins: Origins = ()) -> pa.Table:
        """The records as a table of all columns known so far; records without a key are skipped if so configured.

        Args:
            records: The records.
            origins: The reads that they come from: their values are added, and their numbers as READ_NUMBER.

        Raises:
            DataError: Loading the records would lose something; the message names the field.
        """
        with self._lock:
            bound = self._bound.arrays(origins) if origins else {}
            arrays = self._record_arrays.convert(records) if isinstance(records, Records) else None
            rows = len(records)
            if arrays is None:
                dicts = records.dicts() if isinstance(records, Records) else records
                arrays, rows = self._convert_dicts(dicts, bound)
            numbers = bound.pop(READ_NUMBER, None)
            table = self._table({**arrays, **bound}, rows)
            return table if numbers is None else table.append_column(READ_NUMBER, numbers)

    def close(self) -> None:
        """Free the memory that conversion needs."""
        with self._lock:
            self._record_arrays.close()

    def concat(self, tables: Sequence[pa.Table]) -> pa.Table:
        """Tables of this schema as one, in one piece, with all columns as they are by now."""
        with self._lock:
            types, empty = dict(self._columns.types), self._columns.arrow_schema().empty_table()
        aligned = [align_table(table, types, self._mapping.variant_name) for table in tables]
        return pa.concat_tables([empty, *aligned], promote_options="default").combine_chunks()

    def align_file(self, path: Path) -> None:
        """Rewrites a parquet file of these tables if columns were widened after it was written."""
        align_file(path, self._columns.types, self._mapping.variant_name)

    def _table(self, arrays: dict[str, pa.Array], rows: int) -> pa.Table:
        columns = self._columns
        for name, column in columns.types.items():
            if name not in arrays:
                arrays[name] = pa.nulls(rows, column.arrow)
            if arrays[name].null_count and not columns.is_nullable(name):
                if name in columns.key:  # of a parent's row: records without their own key are refused before
                    raise DataError(
                        f"the primary key {columns.key[name]!r} is null in {arrays[name].null_count} of {rows} rows: "
                        "the row of the parent has no such value. Remove it from `primary_key`"
                    )
                raise DataError(
                    f"the column {name!r} is declared as not nullable, but is null, missing or of another type in "
                    f"{arrays[name].null_count} of {rows} records: declare it nullable"
                )
        if not columns.types:  # records whose fields are all null are rows too
            return pa.table({"": pa.nulls(rows)}).select([])
        return pa.Table.from_arrays([arrays[name] for name in columns.types], schema=columns.arrow_schema())

    def _convert_dicts(
        self, records: Sequence[Mapping[str, Any]], bound: dict[str, pa.Array]
    ) -> tuple[dict[str, pa.Array], int]:
        """The arrays of all fields, and their length. Rows without a key are removed from `bound` too."""
        columns = self._map_fields(records)
        keyed = self._check_primary_key(records, columns)
        if bound and len(keyed) < len(records):
            keys = [columns.get(name, field) for name, field in self._record_key.items()]
            rows = [row for row, record in enumerate(records) if all(record.get(key) is not None for key in keys)]
            bound.update({name: array.take(pa.array(rows, pa.int32())) for name, array in bound.items()})
        arrays: dict[str, pa.Array] = {}
        for name, field in columns.items():
            arrays.update(self._columns.arrays(name, field, [record.get(field) for record in keyed]))
        return arrays, len(keyed)

    def _map_fields(self, records: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """The fields of these records by column."""
        columns = self._mapping.map_fields(records)
        self._bound.check_fields(columns)
        return columns

    def _build_reader(self, records: Sequence[Mapping[str, Any]]) -> Reader | None:
        """A reader of all fields seen so far; None if there cannot be one."""
        columns = self._map_fields(records)
        keys = [columns.get(name, field) for name, field in self._record_key.items()]
        loaded = [record for record in records if all(record.get(key) is not None for key in keys)]
        for name, field in columns.items():
            self._columns.infer(name, [value for record in loaded if (value := record.get(field)) is not None])
        with suppress(ValueError):
            fields = [self._struct_field(name, field) for name, field in self._mapping.fields.items()]
            return Reader(fields, self._skipped)
        return None

    def _struct_field(self, name: str, field: str) -> Field:
        """How a struct reads a field: by its type if all values so far are of it, and later ones have to be."""
        column = self._columns.types.get(name)
        if name in self._columns.mixed_texts:
            return Field(field, name, is_written_text=True)
        others = self._columns.variant_columns.keys() | self._columns.mixed_timestamps
        if column is None or name in others or (column.declared and column.data_type == "json"):
            return Field(field, name)
        data_type = json_type(column.format) if column.data_type == "timestamp" else column.data_type
        return Field(field, name, data_type if data_type in STRICT or data_type == "json" else None)

    def _check_primary_key(
        self, records: Sequence[Mapping[str, Any]], columns: Mapping[str, str]
    ) -> Sequence[Mapping[str, Any]]:
        """The records that have a key.

        Raises:
            MissingKeyError: A record has none, and is not to be skipped.
        """
        for name, configured in self._record_key.items():
            field = columns.get(name, configured)
            kept = [record for record in records if record.get(field) is not None]
            if len(kept) < len(records) and not self._skip_null_keys:
                fields = ", ".join(map(repr, list(columns.values())[:SHOWN_FIELDS]))
                raise MissingKeyError(
                    f"the primary key {configured!r} is null or missing in {len(records) - len(kept)} of "
                    f"{len(records)} records. Their fields are {fields}: correct `primary_key`, or skip such records "
                    "with `null_key: skip`"
                )
            records = kept
        return records
