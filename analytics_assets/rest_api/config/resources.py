"""Resources: an endpoint and the table that it becomes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainValidator, StrictBool, WithJsonSchema, model_validator
from typing_extensions import Self

from analytics_assets.rest_api.config.checks import Checks
from analytics_assets.rest_api.config.columns import Column, Columns, SchemaColumns
from analytics_assets.rest_api.config.endpoints import Endpoint, EndpointConfig, EndpointDefaults, Incremental
from analytics_assets.rest_api.config.parsing.model import Model, OneOrMany
from analytics_assets.rest_api.config.parsing.validation import validate_each, validation_error
from analytics_assets.rest_api.config.values import FieldPath, Matches, Name, Secret, SecretRef, WebLink

WriteDisposition = Literal["merge", "replace", "append"]
# APIs and resources give their names to assets, datasets and tables: names that dlt would change are rejected.
SNAKE_CASE = Matches(
    "(?!.{61})[a-z][a-z0-9]*(_[a-z0-9]+)*", "lower-case snake_case of at most 60 characters, such as bank_accounts"
)
# As Dagster validates owners and tags.
Owner = Annotated[
    str, Matches(r"team:.+|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}", "an e-mail address, or team:name")
]
TAG_KEY = r"([\w.-]{1,63}/)?[\w.-]{1,63}"
TAG_VALUE = r"[\w.-]{0,63}"


def _validate_tag(name: str, data: Any) -> str:
    if not (
        isinstance(data, str) and re.fullmatch(TAG_KEY, name, re.ASCII) and re.fullmatch(TAG_VALUE, data, re.ASCII)
    ):
        raise ValueError("must be a tag of letters, digits, _, - and ., at most 63 on each side, its value as text")
    if name.startswith(("dagster/", "analytics/")):
        raise ValueError("is a reserved name")
    return data


Tags = Annotated[
    dict[str, str],
    PlainValidator(lambda data: validate_each(data, _validate_tag)),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
]


class SchemaContract(Model):
    """What happens to a value that does not fit its column. In every case `columns_keep_their_types` fails."""

    data_type: Literal["evolve", "freeze", "discard_value"] = "evolve"
    """`evolve`: it goes to a variant column such as `amount__v_text`. `freeze`: the load fails. `discard_value`: it is
    discarded and counted."""
    columns: Literal["evolve"] = "evolve"
    """New fields become columns."""
    tables: Literal["evolve"] = "evolve"
    """New tables are created."""

    shorthand: ClassVar[str | None] = "data_type"


class ResourceDefaults(Model):
    """Defaults of all resources."""

    primary_key: Annotated[tuple[Name, ...], OneOrMany()] | None = None
    """Field or fields that identify a row. Required for `merge`."""
    null_key: Literal["fail", "skip"] | None = None
    """What a record without its key does: `fail` fails the load, `skip` skips and counts the record."""
    write_disposition: WriteDisposition | None = None
    """`merge` replaces rows by key, `replace` the whole table; `append` adds rows."""
    schema_contract: SchemaContract | None = None
    """What happens to a value that does not fit its column; a lone text is its `data_type`."""
    columns: Columns | None = None
    """Declared columns, by name or as dlt's list. Other fields become columns by themselves."""
    schema_: Annotated[SchemaColumns | None, Field(alias="schema")] = None
    """The declared columns as a JSON Schema of one record, in place of `columns`."""
    exclude: Annotated[tuple[FieldPath, ...], OneOrMany()] = ()
    """Fields that are never loaded: a name, or a path such as `contact.phone`, which leads through lists too. Those of
    `resource_defaults` are added."""
    hash: dict[FieldPath, Secret] = Field(default_factory=dict)
    """Fields that are loaded as HMAC-SHA-256, with the secret of each: `{email: {env: HASH_SALT}}`. Those of
    `resource_defaults` are added."""
    description: str | None = None
    """Text that the UI shows."""
    owners: Annotated[tuple[Owner, ...], OneOrMany()] | None = None
    """E-mail addresses, or `team:name`."""
    tags: Tags | None = None
    """Tags of the asset."""
    preview: StrictBool | None = None
    """Whether each materialization shows ten rows, and failed checks show keys."""
    checks: Checks = Field(default_factory=Checks)
    """Severity of each asset check, or `off`. A resource changes single settings of `resource_defaults`."""
    endpoint: EndpointDefaults = Field(default_factory=EndpointDefaults)
    """The endpoint; a lone text is its `path`."""

    unsupported: ClassVar[Mapping[str, str]] = {
        "table_name": "the table has the name of its resource",
        "merge_key": "write `primary_key`",
        "incremental": "write `endpoint.incremental`",
        "table_format": "the destination decides",
        "file_format": "the destination decides",
        "max_table_nesting": "nested values are JSON columns",
        "nested_hints": "nested values are JSON columns",
        "selected": "remove the resource from the list",
        "parallelized": "resources are loaded in parallel; see `client.max_concurrency`",
        "processing_steps": "records are loaded unchanged; transform them in a downstream asset",
        "include_from_parent": "write it at the resource, since it names fields of its parent",
        "references": "define them in the data model downstream",
    }

    @model_validator(mode="after")
    def _validate_columns(self) -> Self:
        if self.columns is not None and self.schema_ is not None:
            raise validation_error((("schema",), "has the same meaning as `columns`: remove one of the two"))
        return self


class Resource(ResourceDefaults):
    """One endpoint, which becomes one table and one asset."""

    name: Annotated[str, SNAKE_CASE]
    """Name of the asset and of the table."""
    include_from_parent: Annotated[tuple[FieldPath, ...], OneOrMany()] | None = None
    """Fields of the parent's row that each row gets as columns, such as `_projects_id` for `id` of `projects`."""
    replace_by: Literal["parent"] | None = None
    """`parent`: a load without window replaces all rows of each parent, and deletes those of parents that do not exist
    any more. Needs `write_disposition: merge`."""
    endpoint: EndpointConfig = Field(default_factory=EndpointConfig)
    """The endpoint; a lone text is its `path`."""
    docs_url: WebLink | None = None
    """URL of the endpoint's documentation, which the UI links to. By default that of the API."""

    shorthand: ClassVar[str | None] = "name"


class Parent(Model):
    """The parent of a resource, and what is read of its rows.

    Attributes:
        name: Name of the parent: a resource of the same API.
        fields: The fields in placeholders.
        include_from_parent: The fields that become columns of the child, such as `_projects_id`.
        time_formats: How the API writes those fields that are times.
        cursor_path: The parent's `incremental.cursor_path`.
        cursor_format: The parent's `incremental.format`.
    """

    name: str
    fields: tuple[str, ...]
    include_from_parent: tuple[str, ...] = ()
    time_formats: dict[str, str] = Field(default_factory=dict)
    cursor_path: str | None = None
    cursor_format: str = "iso8601"

    def column_field(self, field: str) -> str:
        """The name that a field of the parent has in the rows of the child."""
        return parent_column(self.name, field)


def parent_column(parent: str, field: str) -> str:
    """The name that a field of a parent has in the rows of its child, as in dlt: `_projects_id`."""
    return f"_{parent}_{field}"


def for_each_column(name: str) -> str:
    """The name that a key of `for_each` has in the rows: `_region`."""
    return f"_{name}"


def contains(path: str, field: str) -> bool:
    """Whether the value at a path holds the field."""
    return field == path or field.startswith(f"{path}.")


def replaces_parents(replace_by: str | None, incremental: Incremental | None) -> bool:
    """Whether a load replaces all rows of the parents that it reads."""
    return replace_by is not None or (incremental is not None and incremental.from_parent)


class ResolvedResource(Model):
    """A resource with its defaults applied. Code outside this package reads this form only."""

    name: str
    endpoint: Endpoint
    description: str | None = None
    owners: tuple[str, ...] = ()
    tags: dict[str, str] = Field(default_factory=dict)
    primary_key: tuple[str, ...] = ()
    null_key: Literal["fail", "skip"] = "fail"
    write_disposition: WriteDisposition = "merge"
    schema_contract: SchemaContract = SchemaContract()
    columns: dict[str, Column] = Field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    hash: dict[str, SecretRef] = Field(default_factory=dict)
    optional_fields: tuple[str, ...] = ()
    """Fields of `exclude` and `hash` that only `resource_defaults` names: records may lack them."""
    preview: bool = True
    checks: Checks = Checks()
    docs_url: str | None = None
    parent: Parent | None = None
    replace_by: Literal["parent"] | None = None

    @property
    def replaces_parents(self) -> bool:
        """Whether a load replaces all rows of the parents that it reads."""
        return replaces_parents(self.replace_by, self.endpoint.incremental)
