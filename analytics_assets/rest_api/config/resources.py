"""What is read of an API: endpoints, and the table that each becomes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema, model_validator
from typing_extensions import Self

from analytics_assets.rest_api.config.client import Headers
from analytics_assets.rest_api.config.columns import Column, Columns, SchemaColumns
from analytics_assets.rest_api.config.model import Model, OneOrMany, read_each, validation_error
from analytics_assets.rest_api.config.paginators import PaginatorConfig, SinglePageConfig
from analytics_assets.rest_api.config.values import (
    FieldPath,
    Flag,
    HintName,
    Lookback,
    Matches,
    Name,
    Selector,
    TimeFormat,
    Value,
    is_secret_name,
)

Bound = Literal["inclusive", "exclusive"]
WriteDisposition = Literal["merge", "replace", "append"]
GET_ONLY = "only GET requests are sent, and they have no body"
NO_PARENTS = "each resource is read on its own, not from the rows of another"
# Names of APIs and resources become names of assets, datasets and tables: what dlt would rename there is refused.
SNAKE_CASE = Matches(
    "(?!.{61})[a-z][a-z0-9]*(_[a-z0-9]+)*", "lower-case snake_case of at most 60 characters, such as bank_accounts"
)

Owner = Annotated[
    str, Matches(r"team:.+|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}", "an e-mail address, or team:name")
]
TAG_KEY = r"([\w.-]{1,63}/)?[\w.-]{1,63}"
TAG_VALUE = r"[\w.-]{0,63}"


class ErrorHandler(Model):
    """Which responses are retried, and how."""

    retry_on_status_codes: frozenset[Annotated[int, Field(strict=True, ge=400, le=599)]] = frozenset(
        {429, 500, 502, 503, 504}
    )
    """Statuses that are retried. Connection errors and timeouts are always retried."""
    max_retries: Annotated[int, Field(strict=True, ge=0, le=50)] = 3
    """Retries of one request."""
    backoff_factor: Annotated[float, Field(strict=True, ge=0, le=3600)] = 2.0
    """Longest wait before the first retry, in seconds; doubled for each further one. The shortest is half of it."""
    max_retry_after: Annotated[float, Field(strict=True, ge=0, le=86_400)] = 300.0
    """Longest wait, in seconds, that `Retry-After` may ask for."""


class Incremental(Model):
    """How the API filters by time, and which field says when a row changed. A window is [start, end) in UTC."""

    cursor_path: FieldPath | None = None
    """Field of the record with the time of its last change. Left out if the API does not return that field."""
    start_param: Name | None = None
    """Query parameter of the window's start, in place of `{start}` in `params`."""
    end_param: Name | None = None
    """Query parameter of the window's end, in place of `{end}` in `params`."""
    format: TimeFormat = "iso8601"
    """How the API writes times: `iso8601`, `epoch_s`, `epoch_ms`, `date` or a strftime pattern."""
    start: Bound = "inclusive"
    """Whether the API's filter includes its start."""
    end: Bound = "exclusive"
    """Whether the API's filter includes its end."""
    lookback: Lookback | None = None
    """Time before the window that is read too, for APIs that publish rows late: `2 days` or `P2D`."""

    unsupported: ClassVar[Mapping[str, str]] = {
        "initial_value": "history begins at `partitions.start`",
        "end_value": "a window ends where its partition does",
        "lag": "write `lookback`",
        "range_start": "windows are [start, end); `start` says what the API's own filter takes in",
        "range_end": "windows are [start, end); `end` says what the API's own filter takes in",
        "convert": "write `format`",
        "last_value_func": "the newest row wins",
        "row_order": "the order of rows does not matter",
        "on_cursor_value_missing": "rows without a cursor are kept",
    }

    @model_validator(mode="after")
    def _two_parameters(self) -> Self:
        if self.start_param and self.start_param == self.end_param:
            raise validation_error((("end_param",), "is `start_param` already: each takes one value"))
        return self


def refuse_placeholders(text: str) -> str:
    """The text, if it holds none of dlt's placeholders, which would be sent as they stand."""
    found = re.search(r"\{(resources|incremental)\.", text)
    if found:
        remedy = NO_PARENTS if found[1] == "resources" else "write {start} or {end}"
        raise ValueError(f"dlt's placeholder {{{found[1]}...}} is not carried here: {remedy}")
    return text


def _parameter(name: str, data: Any) -> str | None:
    """A query parameter as it is sent; None takes one of `resource_defaults` away."""
    if is_secret_name(name) and data is not None:
        raise ValueError(
            f"carries a secret by its name: write client.auth {{type: api_key, name: {name}, location: query}}"
        )
    if isinstance(data, Mapping) and data.get("type") in ("incremental", "resolve"):
        remedy = NO_PARENTS if data["type"] == "resolve" else "write `start_param` in endpoint.incremental"
        raise ValueError(f"dlt's {data['type']} parameter is not carried here: {remedy}")
    if isinstance(data, bool):
        return str(data).lower()
    if data is None or isinstance(data, (str, int, float)):
        return None if data is None else refuse_placeholders(str(data))
    raise ValueError("must be one text, number or boolean; write a list as the API wants it, such as a,b")


def _path(path: str) -> str:
    if re.match(r"\w+:", path) or not re.fullmatch(r"[!\"$-\[\]-~]*", path):
        raise ValueError("must be a path below `base_url`, such as /v1/users, with special characters percent-encoded")
    return refuse_placeholders(path)


Params = Annotated[
    dict[str, str | None],
    PlainValidator(lambda data: read_each(data, _parameter)),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}}),
]


def _tag(name: str, data: Any) -> str:
    if not (
        isinstance(data, str) and re.fullmatch(TAG_KEY, name, re.ASCII) and re.fullmatch(TAG_VALUE, data, re.ASCII)
    ):
        raise ValueError("must be a tag of letters, digits, _, - and ., at most 63 on each side, its value as text")
    if name.startswith(("dagster/", "analytics/")):
        raise ValueError("is a name of Dagster's or ours")
    return data


Tags = Annotated[
    dict[str, str],
    PlainValidator(lambda data: read_each(data, _tag)),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
]


class EndpointDefaults(Model):
    """How endpoints are read."""

    method: Literal["GET"] = "GET"
    """The HTTP method."""
    params: Params = Field(default_factory=dict)
    """Query parameters. `{start}` and `{end}` are replaced by the bounds of the window."""
    headers: Headers = Field(default_factory=dict)
    """Headers, added to those of `client`."""
    data_selector: Selector | None = None
    """Path of the records in a response: `data`, `data.items`, `items[*].data`, or `$` for a bare list."""
    allow_missing_selector: Flag | None = None
    """Whether a response without that path has no records. Otherwise it is an error."""
    ignore_hints: Annotated[tuple[HintName, ...], OneOrMany()] | None = None
    """Paths or header names of totals, tokens and flags in responses that do not mean "more rows"."""
    paginator: PaginatorConfig | None = None
    """How the API pages."""
    error_handler: ErrorHandler | None = None
    """Which responses are retried, and how."""
    incremental: Incremental | None = None
    """Loads windows instead of all rows; needs `partitions`."""

    unsupported: ClassVar[Mapping[str, str]] = {
        "json": GET_ONLY,
        "data": GET_ONLY,
        "auth": "write `client.auth`: an API is signed in to in one way",
        "response_actions": "a status is retried (`error_handler`) or an error; `end_on_404` ends page_number",
    }


class EndpointConfig(EndpointDefaults):
    """One endpoint."""

    path: Annotated[str, AfterValidator(_path)] | None = None
    """Path below `base_url`, sent as it is. By default the resource's name."""

    shorthand: ClassVar[str | None] = "path"


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


class Defaults(Model):
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
    description: str | None = None
    """Text that the UI shows."""
    owners: Annotated[tuple[Owner, ...], OneOrMany()] | None = None
    """E-mail addresses, or `team:name`."""
    tags: Tags | None = None
    """Tags of the asset."""
    preview: Flag | None = None
    """Whether each materialization shows ten rows."""
    endpoint: EndpointDefaults = Field(default_factory=EndpointDefaults)
    """The endpoint; a lone text is its `path`."""

    unsupported: ClassVar[Mapping[str, str]] = {
        "table_name": "a table is named as its resource",
        "merge_key": "write `primary_key`",
        "incremental": "write `endpoint.incremental`",
        "table_format": "the destination decides",
        "file_format": "the destination decides",
        "max_table_nesting": "nested values are JSON columns",
        "nested_hints": "nested values are JSON columns",
        "selected": "take the resource out of the list",
        "parallelized": "resources are loaded beside each other; see `client.max_concurrency`",
        "processing_steps": "rows are loaded as they come; change them in an asset downstream",
        "include_from_parent": NO_PARENTS,
        "references": "write them where tables are modelled",
    }

    @model_validator(mode="after")
    def _declared_once(self) -> Self:
        if self.columns is not None and self.schema_ is not None:
            raise validation_error((("schema",), "says what `columns` says: keep one of the two"))
        return self


class Resource(Defaults):
    """One endpoint, which becomes one table and one asset."""

    name: Annotated[str, SNAKE_CASE]
    """Name of the asset and of the table."""
    endpoint: EndpointConfig = Field(default_factory=EndpointConfig)
    """The endpoint; a lone text is its `path`."""

    shorthand: ClassVar[str | None] = "name"


class Endpoint(Model):
    """An endpoint with its defaults applied."""

    path: str
    params: dict[str, str] = Field(default_factory=dict)
    headers: dict[str, Value] = Field(default_factory=dict)
    data_selector: str = "$"
    allow_missing_selector: bool = False
    ignore_hints: tuple[str, ...] = ()
    paginator: PaginatorConfig = SinglePageConfig()
    error_handler: ErrorHandler = ErrorHandler()
    incremental: Incremental | None = None


class ResolvedResource(Model):
    """A resource with its defaults applied: the only form that is read outside the configuration."""

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
    preview: bool = True
