"""Types: records become Arrow tables of one schema per resource, which only grows.

Nothing is lost on the way: a value that is not of its column's kind goes to a variant column (`amount__v_text`), as in
dlt, and is never cast. It is left out only if the configuration says so, and is counted then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from threading import Lock
from typing import Any, Literal

import pyarrow as pa
from dlt.common.schema.typing import TTableSchemaColumns

from analytics_assets.rest_api.arrow.arrays import to_array
from analytics_assets.rest_api.arrow.column_names import column_name, naming
from analytics_assets.rest_api.arrow.column_types import ColumnType, declared_type, infer_data_type, variant_value
from analytics_assets.rest_api.config import Column, DataType
from analytics_assets.rest_api.errors import DataError, TypeChangeError
from analytics_assets.rest_api.extract.records import (
    KEPT_AS_JSON,
    STRICT,
    Field,
    PageRecords,
    Reader,
    Records,
    decode_raw,
    read_dicts,
)

RESERVED = frozenset({"_dlt_load_id", "_dlt_id"})
SHOWN_FIELDS = 20


class TableSchema:
    """The columns of one table: those declared, those stored by earlier runs, and those that records bring.

    The kind of a column is what is declared, else what is stored, else that of its first value that is not null.
    Declared and stored columns are in each table from the start: a row that has lost a field has to lose the value too.
    Several threads may convert at once.
    """

    def __init__(
        self,
        *,
        columns: Mapping[str, Column] | None = None,
        primary_key: Sequence[str] = (),
        null_key: Literal["fail", "skip"] = "fail",
        on_type_change: Literal["evolve", "freeze", "discard_value"] = "evolve",
        stored: Mapping[str, ColumnType] | None = None,
        max_name_length: int = 0,
    ) -> None:
        self._naming = naming(max_name_length)
        self._lock = Lock()
        self._schema = pa.schema([])
        self._fields: dict[str, str] = {}
        self._stored = {name: held for name, held in (stored or {}).items() if name not in RESERVED}
        self._columns: dict[str, ColumnType] = {}
        self._declared: dict[str, Column] = {}
        for field, column in (columns or {}).items():
            name = self.column_for(field)
            if name in self._declared:
                raise DataError(
                    f"two declared columns are both named {name!r} in the table, {field!r} is one: keep one"
                )
            self._declared[name] = column
            self._columns[name] = declared_type(column)
        for name, held in self._stored.items():
            self._columns.setdefault(name, held)
        self._reader: Reader | None = None
        self._key = {self.column_for(field): field for field in primary_key}
        self._skip_null_keys = null_key == "skip"
        self._on_type_change = on_type_change
        self.variant_columns: dict[str, set[str]] = {}
        self.discarded_counts: Counter[str] = Counter()

    @property
    def new_columns(self) -> list[str]:
        """The columns that the stored table does not have."""
        return [name for name in self._columns if name not in self._stored]

    def column_for(self, field: str) -> str:
        """The column of a field.

        Raises:
            DataError: dlt keeps that column for itself.
        """
        name = column_name(field, self._naming)
        if name in RESERVED:
            raise DataError(
                f"the field {field!r} would be column {name!r}, which dlt writes itself: it cannot be loaded"
            )
        return name

    def dlt_columns(self) -> TTableSchemaColumns:
        """The columns so far as dlt's hints: dlt reads text where JSON is kept, and knows nothing of keys."""
        with self._lock:
            columns = {
                name: held.dlt_column(name, nullable=self._nullable(name)) for name, held in self._columns.items()
            }
        for name in self._key.keys() & columns.keys():
            columns[name]["primary_key"] = True
        for name, declared in self._declared.items():
            if declared.description:
                columns[name]["description"] = declared.description
        return columns

    def read(self, records: bytes) -> PageRecords:
        """A JSON list of records, for `convert`: as structs of the fields known so far, else as dicts.

        Raises:
            DataError: their fields cannot all be columns.
        """
        if self._reader and (read := self._reader.read(records)):
            return read
        dicts = read_dicts(records)
        if set(map(type, dicts)) == {dict}:
            with self._lock:
                self._reader = self._build_reader(dicts)
            if self._reader and (read := self._reader.read(records)):
                return read
        return dicts

    def convert(self, records: Records | Sequence[Mapping[str, Any]]) -> pa.Table:
        """The records as a table with all columns known so far; those without a key are left out if so configured.

        Raises:
            DataError: loading the records would lose something; the message names the field.
        """
        with self._lock:
            arrays = self._arrays_of_structs(records) if isinstance(records, Records) else None
            if arrays is None:
                records = records.dicts() if isinstance(records, Records) else records
                columns = self._map_fields(records)
                records = self._check_primary_key(records, columns)
                arrays = {}
                for name, field in columns.items():
                    arrays.update(self._convert(name, field, [record.get(field) for record in records]))
            return self._table(arrays, len(records))

    def _table(self, arrays: dict[str, pa.Array], rows: int) -> pa.Table:
        for name, column in self._columns.items():
            if name not in arrays:
                arrays[name] = pa.nulls(rows, column.arrow)
            if arrays[name].null_count and not self._nullable(name):
                raise DataError(
                    f"the column {name!r} is declared as not nullable, but is null, missing or of another type in "
                    f"{arrays[name].null_count} of {rows} records: declare it nullable"
                )
        if not self._columns:  # rows of nothing but nulls are rows
            return pa.table({"": pa.nulls(rows)}).select([])
        return pa.Table.from_arrays([arrays[name] for name in self._columns], schema=self._arrow_schema())

    def _arrays_of_structs(self, records: Records) -> dict[str, pa.Array] | None:
        """The arrays of all fields; None if a record lacks its key: those are told apart as dicts."""
        values_of = dict(records.values())
        keys = [(field, values) for field, values in values_of.items() if field.column in self._key]
        if len(keys) < len(self._key) or any(None in map(decode_raw, values) for _, values in keys):
            return None
        arrays: dict[str, pa.Array] = {}
        for field, values in values_of.items():
            column = self._columns.get(field.column)
            array = to_array(values, field.data_type, column.arrow) if column else None
            if array is not None:
                arrays[field.column] = array
            else:
                arrays.update(self._convert(field.column, field.name, [decode_raw(value) for value in values]))
        return arrays

    def _build_reader(self, records: Sequence[Mapping[str, Any]]) -> Reader | None:
        """A reader of all fields seen so far; None if there can be none."""
        columns = self._map_fields(records)
        keys = [columns.get(name, field) for name, field in self._key.items()]
        loaded = [record for record in records if all(record.get(key) is not None for key in keys)]
        for name, field in columns.items():
            first = next((record[field] for record in loaded if record.get(field) is not None), None)
            if first is not None:
                self._columns.setdefault(name, ColumnType(infer_data_type(first)))
        with suppress(ValueError):
            return Reader([Field(field, name, self._strict_kind(name)) for name, field in self._fields.items()])
        return None

    def _strict_kind(self, name: str) -> DataType | None:
        """The kind that each value of a column has been of; None if it was not, or need not be."""
        column = self._columns.get(name)
        if column is None or name in self.variant_columns or (column.declared and column.data_type == "json"):
            return None
        return column.data_type if column.data_type in STRICT or column.data_type in KEPT_AS_JSON else None

    def concat(self, tables: Sequence[pa.Table]) -> pa.Table:
        """Tables of this schema as one, in one piece, with all columns known so far."""
        with self._lock:
            empty = self._arrow_schema().empty_table()
        return pa.concat_tables([empty, *tables], promote_options="default").combine_chunks()

    def _arrow_schema(self) -> pa.Schema:
        if len(self._schema) < len(self._columns):
            fields = [pa.field(name, column.arrow, self._nullable(name)) for name, column in self._columns.items()]
            self._schema = pa.schema(fields)
        return self._schema

    def _nullable(self, name: str) -> bool:
        return name not in self._key and (name not in self._declared or self._declared[name].nullable)

    def _map_fields(self, records: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """The fields of these records by their columns."""
        columns: dict[str, str] = {}
        for field in dict.fromkeys(chain.from_iterable(records)):
            name = self.column_for(field)
            other = self._fields.setdefault(name, field)
            if other != field:
                raise DataError(
                    f"the fields {other!r} and {field!r} would both be column {name!r}, and one value would be lost: "
                    "have the API send one of them only (many APIs have a parameter that names the fields)"
                )
            columns[name] = field
        return columns

    def _check_primary_key(
        self, records: Sequence[Mapping[str, Any]], columns: Mapping[str, str]
    ) -> Sequence[Mapping[str, Any]]:
        for name, configured in self._key.items():
            field = columns.get(name, configured)
            kept = [record for record in records if record.get(field) is not None]
            if len(kept) < len(records) and not self._skip_null_keys:
                fields = ", ".join(map(repr, list(columns.values())[:SHOWN_FIELDS]))
                nameless = f"{len(records) - len(kept)} of {len(records)}"
                raise DataError(
                    f"the primary key {configured!r} is null or missing in {nameless} records. Their "
                    f"fields are {fields}: correct `primary_key`, or leave such rows out with `null_key: skip`"
                )
            records = kept
        return records

    def _convert(self, name: str, field: str, values: list[Any]) -> Iterator[tuple[str, pa.Array]]:
        """The arrays of one field: its column, and a variant column for each kind that is not the column's."""
        column = self._columns.get(name)
        if column is None:
            first = next((value for value in values if value is not None), None)
            if first is None:
                return
            column = self._columns[name] = ColumnType(infer_data_type(first))
        try:
            array, mismatches = column.convert(values)
            variants = {row: variant_value(values[row]) for row in mismatches}
        except RecursionError:
            raise DataError(f"the field {field!r} is nested deeper than can be written (about 1,000 levels)") from None
        yield name, array
        if variants and name in self._key:
            data_types = ", ".join(sorted({data_type for data_type, _ in variants.values()}))
            raise TypeChangeError(
                f"the primary key {field!r} changed its type: the column is {column.data_type}, but {len(variants)} records "
                f"hold {data_types}. If the API changed, declare the new type under `columns` and run the full refresh"
            )
        if variants and self._on_type_change != "evolve":
            self._apply_contract(name, field, column.data_type, variants)
            return
        for data_type in dict.fromkeys(data_type for data_type, _ in variants.values()):
            variant = str(self._naming.shorten_fragments(name, f"v_{data_type}"))
            self.variant_columns.setdefault(name, set()).add(variant)
            cells = [
                variants[row][1] if row in variants and variants[row][0] == data_type else None
                for row in range(len(values))
            ]
            yield variant, pa.array(cells, self._columns.setdefault(variant, ColumnType(data_type)).arrow)

    def _apply_contract(
        self, name: str, field: str, data_type: DataType, variants: Mapping[int, tuple[DataType, Any]]
    ) -> None:
        """What `schema_contract` asks for in place of variant columns: a failed load, or values that are left out."""
        if self._on_type_change == "freeze":
            data_types = ", ".join(sorted({data_type for data_type, _ in variants.values()}))
            raise TypeChangeError(
                f"the field {field!r} changed its type: the column {name!r} is {data_type}, but {len(variants)} records hold "
                f"{data_types}, and `schema_contract` is freeze. If the API changed, declare the new type under `columns` "
                "and run the full refresh; or write `schema_contract: evolve`, which adds a column for such values"
            )
        self.variant_columns.setdefault(name, set())
        self.discarded_counts[name] += len(variants)
