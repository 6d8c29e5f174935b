"""Declared columns: by JSON Schema types, by dlt's data types, or by a JSON Schema of the record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainValidator, StrictBool, TypeAdapter, model_validator
from typing_extensions import Self

from analytics_assets.rest_api.config.parsing.model import ListOrOther, Model, OneOrMany
from analytics_assets.rest_api.config.parsing.validation import KeyPath, Problem, validation_error
from analytics_assets.rest_api.config.values import TIME_FORMATS, Name, TimeFormat, is_pattern

DataType = Literal["bool", "bigint", "double", "text", "json", "timestamp", "date", "decimal"]
JsonType = Literal["null", "boolean", "integer", "number", "string", "object", "array"]
JSON_SCHEMA_TYPES: Mapping[JsonType, DataType] = {
    "boolean": "bool",
    "integer": "bigint",
    "number": "double",
    "string": "text",
    "object": "json",
    "array": "json",
}
# All keywords of draft-07. Most have no effect on a column.
JSON_SCHEMA_KEYWORDS = frozenset(
    """$comment $id $ref $schema additionalItems additionalProperties allOf anyOf const contains contentEncoding
    contentMediaType default definitions dependencies description else enum examples exclusiveMaximum exclusiveMinimum
    format if items maxItems maxLength maxProperties maximum minItems minLength minProperties minimum multipleOf not
    oneOf pattern patternProperties properties propertyNames readOnly required then title type uniqueItems
    writeOnly""".split()  # noqa: SIM905
)
JsonTypes = Annotated[tuple[JsonType, ...], OneOrMany()]


class Column(Model):
    """A declared column. It always exists and has this data type."""

    data_type: DataType
    nullable: bool = True
    format: str | None = None
    """How a time is written, for data_type `timestamp`: iso8601, epoch_s, epoch_ms, date or a strftime pattern."""
    precision: int | None = None
    scale: int | None = None
    description: str | None = None


def from_json_schema(types: Iterable[JsonType], format: str | None) -> tuple[DataType, str | None]:
    """The data type of a JSON Schema type, and the time format if `format` makes it a timestamp.

    Raises:
        ValidationError: There is not exactly one type besides null.
    """
    data_types = [JSON_SCHEMA_TYPES[name] for name in types if name != "null"]
    if len(data_types) != 1 and set(data_types) != {"json"}:
        raise validation_error((("type",), "must name one type besides null"))
    data_type = data_types[0]
    if format is None or data_type not in ("text", "bigint", "double"):
        return data_type, None
    return ("date", None) if format == "date" else ("timestamp", format)


class ColumnConfig(Model):
    """`{type: [integer, "null"], format: epoch_ms}` as in JSON Schema, or `{data_type: timestamp}` as in dlt."""

    type: JsonTypes | None = None
    """Type in JSON Schema; a list adds `"null"`."""
    data_type: DataType | None = None
    """Type in dlt, in place of `type`."""
    format: TimeFormat | None = None
    """How a time is written: `iso8601` (or `date-time`), `epoch_s`, `epoch_ms`, `date` or a strftime pattern."""
    nullable: StrictBool = True
    """Whether NULL is allowed; if not, a record without the value fails the load."""
    precision: Annotated[int, Field(strict=True, ge=1, le=76)] | None = None
    """Digits of a decimal."""
    scale: Annotated[int, Field(strict=True, ge=0, le=76)] | None = None
    """Digits of a decimal after the point."""
    description: str | None = None
    """Text that the UI shows."""

    unsupported: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("primary_key", "merge_key", "unique"), "write `primary_key` at the resource"
    )

    @model_validator(mode="after")
    def _validate_format(self) -> Self:
        if (self.type is None) == (self.data_type is None):
            raise ValueError("needs `type` (JSON Schema's) or `data_type` (dlt's), not both")
        data_type = self.column.data_type
        if self.format and data_type != "timestamp" and (data_type, self.format) != ("date", "date"):
            raise validation_error((("format",), "is for texts and numbers that are times, or for data_type timestamp"))
        for key in ("precision", "scale"):
            if getattr(self, key) is not None and data_type != "decimal":
                raise validation_error(((key,), "is for data_type decimal"))
        return self

    @property
    def column(self) -> Column:
        """The column, whichever of the two types declares it."""
        data_type, format = (
            (self.data_type, self.format) if self.data_type else from_json_schema(self.type or (), self.format)
        )
        return Column(
            data_type=data_type,
            nullable=self.nullable,
            format=(format or "iso8601") if data_type == "timestamp" else None,
            precision=self.precision,
            scale=self.scale,
            description=self.description,
        )


class NamedColumn(ColumnConfig):
    """A column in dlt's list form."""

    name: Name


class JsonSchemaProperty(Model):
    """A field of a record. Keywords about nested values have no effect: nested values are JSON columns."""

    type: JsonTypes
    """Type of the field."""
    format: str | None = None
    """`date-time` or `date`, or a format as in `columns`; others have no effect."""
    description: str | None = None
    """Text that the UI shows."""

    ignored: ClassVar[frozenset[str]] = JSON_SCHEMA_KEYWORDS

    def column(self, *, required: bool) -> Column:
        """The column. It is NOT NULL if the field is required and null is not among its types."""
        written = "iso8601" if self.format == "date-time" else self.format or ""
        format = written if written in TIME_FORMATS or is_pattern(written) else None
        data_type, format = from_json_schema(self.type, format)
        nullable = not required or "null" in self.type
        return Column(data_type=data_type, nullable=nullable, format=format, description=self.description)

    @model_validator(mode="after")
    def _validate_format(self) -> Self:
        self.column(required=False)
        return self


class JsonSchema(Model):
    """A JSON Schema (draft-07) of one record. Keywords that say nothing about columns have no effect."""

    type: Literal["object"] = "object"
    """Type of a record."""
    properties: dict[Name, JsonSchemaProperty]
    """Fields of a record."""
    required: tuple[str, ...] = ()
    """Fields that are always present: they become NOT NULL, unless their type includes `"null"`."""

    ignored: ClassVar[frozenset[str]] = JSON_SCHEMA_KEYWORDS


BY_NAME = TypeAdapter(dict[Name, ColumnConfig])
IN_LIST = TypeAdapter(list[NamedColumn])


def _validate_columns(data: Any) -> dict[str, Column]:
    """The value of `columns:`, by name or as dlt's list."""
    if isinstance(data, Mapping):
        named = BY_NAME.validate_python(data)
        _validate_names({(name,): name for name in named})
        return {name: config.column for name, config in named.items()}
    if isinstance(data, (list, tuple)):
        listed = IN_LIST.validate_python(data)
        _validate_names({(index, "name"): config.name for index, config in enumerate(listed)})
        return {config.name: config.column for config in listed}
    raise ValueError("must be a mapping of columns by name, or dlt's list of columns")


def _validate_schema(data: Any) -> dict[str, Column]:
    """The value of `schema:`."""
    schema = JsonSchema.model_validate(data)
    _validate_names({("properties", name): name for name in schema.properties})
    return {name: property_.column(required=name in schema.required) for name, property_ in schema.properties.items()}


def _validate_names(names: Mapping[KeyPath, str]) -> None:
    """Reject names that become one column: dlt writes both `createdAt` and `created_at` as `created_at`."""
    from dlt.common.normalizers.naming.snake_case import NamingConvention  # takes a second to import

    normalize = NamingConvention().normalize_identifier
    problems: list[Problem] = []
    taken: dict[str, str] = {}
    for path, name in names.items():
        column = normalize(name)
        if column in taken:
            problems.append((path, f"is the column {column!r}, as {taken[column]!r} is: remove one of the two"))
        elif column.startswith("_dlt"):
            problems.append((path, "starts with _dlt, which is reserved for dlt"))
        taken.setdefault(column, name)
    if problems:
        raise validation_error(*problems)


Columns = Annotated[
    dict[str, Column],
    PlainValidator(_validate_columns, json_schema_input_type=dict[str, ColumnConfig] | list[NamedColumn]),
    ListOrOther(),
]
SchemaColumns = Annotated[dict[str, Column], PlainValidator(_validate_schema, json_schema_input_type=JsonSchema)]
