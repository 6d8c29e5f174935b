"""Columns that are declared: in JSON Schema's words, in dlt's, or by a whole JSON Schema document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainValidator, TypeAdapter, model_validator
from typing_extensions import Self

from analytics_assets.rest_api.config.model import KeyPath, ListOrNot, Model, OneOrMany, Problem, validation_error
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
# Draft-07, of which only a few say something about a column.
JSON_SCHEMA_KEYWORDS = frozenset(
    """$comment $id $ref $schema additionalItems additionalProperties allOf anyOf const contains contentEncoding
    contentMediaType default definitions dependencies description else enum examples exclusiveMaximum exclusiveMinimum
    format if items maxItems maxLength maxProperties maximum minItems minLength minProperties minimum multipleOf not
    oneOf pattern patternProperties properties propertyNames readOnly required then title type uniqueItems
    writeOnly""".split()  # noqa: SIM905
)
JsonTypes = Annotated[tuple[JsonType, ...], OneOrMany()]


class Column(Model):
    """A declared column: it always exists and is of this data_type."""

    data_type: DataType
    nullable: bool = True
    format: str | None = None
    """How a moment is written, for data_type `timestamp`: iso8601, epoch_s, epoch_ms, date or a strftime pattern."""
    precision: int | None = None
    scale: int | None = None
    description: str | None = None


def from_json_schema(types: Iterable[JsonType], format: str | None) -> tuple[DataType, str | None]:
    """The data_type of a JSON Schema type, and how its moments are written if `format` makes it one."""
    data_types = [JSON_SCHEMA_TYPES[name] for name in types if name != "null"]
    if len(data_types) != 1 and set(data_types) != {"json"}:
        raise validation_error((("type",), "must name one type beside null"))
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
    nullable: Annotated[bool, Field(strict=True)] = True
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
            raise validation_error((("format",), "makes moments of texts and numbers, or of data_type timestamp"))
        for key in ("precision", "scale"):
            if getattr(self, key) is not None and data_type != "decimal":
                raise validation_error(((key,), "is for data_type decimal"))
        return self

    @property
    def column(self) -> Column:
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
        """NULL stands for an absent field too: only a required one that may not be null is NOT NULL."""
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


def _declared(data: Any) -> dict[str, Column]:
    """What stands under `columns:`, by name or as dlt's list."""
    if isinstance(data, Mapping):
        named = BY_NAME.validate_python(data)
        check_names({(name,): name for name in named})
        return {name: config.column for name, config in named.items()}
    if isinstance(data, (list, tuple)):
        listed = IN_LIST.validate_python(data)
        check_names({(index, "name"): config.name for index, config in enumerate(listed)})
        return {config.name: config.column for config in listed}
    raise ValueError("must be a mapping of columns by name, or dlt's list of columns")


def _described(data: Any) -> dict[str, Column]:
    """What stands under `schema:`."""
    schema = JsonSchema.model_validate(data)
    check_names({("properties", name): name for name in schema.properties})
    return {name: described.column(required=name in schema.required) for name, described in schema.properties.items()}


def check_names(names: Mapping[KeyPath, str]) -> None:
    """Refuse names that the warehouse cannot tell apart: `createdAt` and `created_at` are one column there."""
    from dlt.common.normalizers.naming.snake_case import NamingConvention  # a second to import

    normalize = NamingConvention().normalize_identifier
    problems: list[Problem] = []
    taken: dict[str, str] = {}
    for place, name in names.items():
        normal = normalize(name)
        if normal in taken:
            problems.append((place, f"is {normal} in the warehouse, as {taken[normal]!r} is: remove one"))
        elif normal.startswith("_dlt"):
            problems.append((place, "begins with _dlt, which is dlt's own"))
        taken.setdefault(normal, name)
    if problems:
        raise validation_error(*problems)


Columns = Annotated[
    dict[str, Column],
    PlainValidator(_declared, json_schema_input_type=dict[str, ColumnConfig] | list[NamedColumn]),
    ListOrNot(),
]
SchemaColumns = Annotated[dict[str, Column], PlainValidator(_described, json_schema_input_type=JsonSchema)]
