"""Endpoints: parameters, time filters, retries, and how the records are read from responses."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainValidator, StrictBool, WithJsonSchema, model_validator
from typing_extensions import Self

from analytics_assets.rest_api.config.auth import Auth
from analytics_assets.rest_api.config.error_handler import ErrorHandler, ResponseAction
from analytics_assets.rest_api.config.paginators import PaginatorConfig, SinglePageConfig
from analytics_assets.rest_api.config.parsing.model import Model, OneOrMany
from analytics_assets.rest_api.config.parsing.validation import nearest_name, validate_each, validation_error
from analytics_assets.rest_api.config.request import DataBody, FieldValue, JsonBody, Method, Params, Path
from analytics_assets.rest_api.config.values import (
    VALUE_SCHEMA,
    FieldPath,
    Headers,
    HintName,
    Lookback,
    Name,
    SecretRef,
    Selector,
    TimeFormat,
    Value,
    is_secret_name,
    validate_field,
)

ScalarOrRef = str | int | float | SecretRef
RESERVED_NAMES = frozenset({"start", "end", "page", "offset", "resources", "incremental"})  # other placeholders


def _validate_placeholder(name: str) -> None:
    if name in RESERVED_NAMES or name.startswith("dlt"):
        raise ValueError("is a reserved name: choose another one")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise ValueError("must be a name of letters, digits and _, which begins with a letter")


class LoadTime(Model):
    """The time at which a load begins, in UTC, as a value of `values`. It is the same for all requests of the load."""

    now: TimeFormat
    """How it is written: `iso8601` in whole seconds, `epoch_s`, `epoch_ms`, `date` or a strftime pattern."""
    minus: Lookback | None = None
    """Duration that is subtracted: `30 days` or `P30D`."""
    plus: Lookback | None = None
    """Duration that is added."""

    @model_validator(mode="after")
    def _validate_one_shift(self) -> Self:
        if self.minus is not None and self.plus is not None:
            raise validation_error((("plus",), "is the opposite of `minus`: remove one of the two"))
        return self

    @property
    def shift(self) -> timedelta:
        """The difference to the time of the load."""
        return (self.plus or timedelta()) - (self.minus or timedelta())


NamedValue = str | SecretRef | LoadTime | tuple[ScalarOrRef, ...]


def _validate_named_value(name: str, data: Any) -> NamedValue:
    """One key of `values`."""
    _validate_placeholder(name)
    if isinstance(data, (int, float)) and not isinstance(data, bool):
        return str(data)
    if isinstance(data, (list, tuple)):
        return _validate_values(name, data)
    if isinstance(data, Mapping) and not is_secret_name(name) and any(map(_names_load_time, data)):
        return LoadTime.model_validate(data)
    return validate_field(name, data)


def _names_load_time(key: object) -> bool:
    """Whether a key is one of LoadTime, or a misspelled one."""
    return nearest_name(str(key), (*SecretRef.model_fields, *LoadTime.model_fields)) in LoadTime.model_fields


NamedValues = Annotated[
    dict[str, NamedValue],
    PlainValidator(lambda data: validate_each(data, _validate_named_value)),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {
                **VALUE_SCHEMA,
                "type": ["string", "number", "object", "array"],
                "items": {"type": ["string", "number", "boolean", "object"]},
                "properties": {
                    **VALUE_SCHEMA["properties"],
                    **{key: {"type": ["string", "null"]} for key in LoadTime.model_fields},
                },
                "maxProperties": len(LoadTime.model_fields),
            },
        }
    ),
]


def _validate_values(name: str, data: Any) -> tuple[ScalarOrRef, ...]:
    """The values of one key of `for_each`."""
    _validate_placeholder(name)
    listed = data if isinstance(data, (list, tuple)) else [data]
    values = [SecretRef.model_validate(value) if isinstance(value, Mapping) else value for value in listed]
    for value in values:
        if not isinstance(value, (str, int, float, SecretRef)) or value in ("", math.inf, -math.inf) or value != value:
            raise ValueError("must be a list of texts, numbers or booleans, or {env: NAME} with values between commas")
    if not values or len({(type(value), value) for value in values}) < len(values):
        raise ValueError("must have at least one value, and each value once")
    return tuple(values)


ONE_VALUE = ["string", "number", "boolean", "object"]
ForEach = Annotated[
    dict[str, tuple[ScalarOrRef, ...]],
    PlainValidator(lambda data: validate_each(data, _validate_values)),
    WithJsonSchema(
        {"type": "object", "additionalProperties": {"type": ["array", *ONE_VALUE], "items": {"type": ONE_VALUE}}}
    ),
]

Bound = Literal["inclusive", "exclusive"]
BodyFormat = Literal["json", "jsonl", "csv"]


class Incremental(Model):
    """How the API filters by time, and which field says when a row changed. A window is [start, end) in UTC."""

    cursor_path: FieldPath | None = None
    """Field of the record with the time of its last change. Left out if the API does not return that field."""
    start_param: Name | None = None
    """Query parameter of the window's start, in place of the placeholder `{start}`."""
    end_param: Name | None = None
    """Query parameter of the window's end, in place of the placeholder `{end}`."""
    format: TimeFormat = "iso8601"
    """How the API writes times: `iso8601`, `epoch_s`, `epoch_ms`, `date` or a strftime pattern."""
    start: Bound = "inclusive"
    """Whether the API's filter includes its start."""
    end: Bound = "exclusive"
    """Whether the API's filter includes its end."""
    lookback: Lookback | None = None
    """Time before the window that is read too, for APIs that publish rows late: `2 days` or `P2D`."""
    from_parent: StrictBool = False
    """Whether a child follows its parent: of the parents whose row changed in the window, all rows are read again and
    replace the stored ones. It can be combined with `lookback` only."""

    unsupported: ClassVar[Mapping[str, str]] = {
        "initial_value": "history begins at `partitions.start`",
        "end_value": "a window ends where its partition does",
        "lag": "write `lookback`",
        "range_start": "windows are [start, end); `start` says whether the API's filter includes its start",
        "range_end": "windows are [start, end); `end` says whether the API's filter includes its end",
        "convert": "write `format`",
        "last_value_func": "the newest row wins",
        "row_order": "the order of rows does not matter",
        "on_cursor_value_missing": "rows without a cursor are loaded",
    }

    @model_validator(mode="after")
    def _validate_parameters(self) -> Self:
        if self.start_param and self.start_param == self.end_param:
            raise validation_error((("end_param",), "is the same as `start_param`: a parameter has one value"))
        if self.from_parent and (others := sorted(self.model_fields_set - {"from_parent", "lookback"})):
            raise validation_error(
                (
                    (others[0],),
                    "has no meaning with `from_parent`, which reads all rows of each changed parent: remove it",
                )
            )
        return self


# A key without value means no authentication, in contrast to no key.
EndpointAuth = Annotated[
    Annotated[tuple[Auth, ...], OneOrMany()] | None, BeforeValidator(lambda data: () if data is None else data)
]


class EndpointDefaults(Model):
    """Defaults of all endpoints."""

    method: Method | None = None
    """The HTTP method. By default GET, without a body."""
    params: Params = Field(default_factory=dict)
    """Query parameters. Placeholders such as `{start}` are replaced. A parameter with a list is repeated."""
    json_: Annotated[JsonBody, Field(alias="json")] = None
    """The body of the request as JSON; needs `method`. A value that is nothing but a placeholder keeps its type."""
    data: DataBody = None
    """The body of the request in place of `json`: the fields of a form, or text."""
    headers: Headers = Field(default_factory=dict)
    """Headers, added to those of `client`."""
    format: BodyFormat | None = None
    """What a response holds: `json`, `jsonl` (one object per line) or `csv` (with a header line); plain or gzip."""
    data_selector: Selector | None = None
    """Path of the records in a response: `data`, `data.items`, `items[*].data`, or `$` for a bare list."""
    allow_missing_selector: StrictBool | None = None
    """Whether a response without that path has no records. Otherwise it is an error."""
    ignore_hints: Annotated[tuple[HintName, ...], OneOrMany()] | None = None
    """Paths or header names of totals, tokens and flags in responses that do not mean "more rows"."""
    auth: EndpointAuth = None
    """Authentication in place of `client.auth`, or a list of alternatives; `null` for endpoints that need none."""
    paginator: PaginatorConfig | None = None
    """How the API pages."""
    error_handler: ErrorHandler | None = None
    """Which responses are retried and how, and which have no rows or fail the load."""
    response_actions: tuple[ResponseAction, ...] | None = None
    """The same as `error_handler.response_actions`; dlt has the key here."""
    incremental: Incremental | None = None
    """Loads windows instead of all rows; needs `partitions`."""
    values: NamedValues = Field(default_factory=dict)
    """Values by the name of a placeholder, such as `{account: {env: PAYROLL_ACCOUNT}}`, that are the same for all
    requests. `{now: date}` is the time of the load. A list, such as `[id, {env: PAYROLL_FIELDS}]`, repeats parameters
    that consist of the placeholder; its variables have values between commas. Those of `resource_defaults` are
    added."""
    for_each: ForEach | None = None
    """Values by the name of a placeholder, such as `{region: [eu, us]}`: the endpoint is read once for each combination
    of values, and rows get a column such as `_region`. A value may be `{env: NAME}`, with values between commas."""

    unsupported: ClassVar[Mapping[str, str]] = {}


class EndpointConfig(EndpointDefaults):
    """One endpoint."""

    path: Path | None = None
    """Path below `base_url`, sent as it is. By default the resource's name."""

    shorthand: ClassVar[str | None] = "path"


class Endpoint(Model):
    """An endpoint with its defaults applied."""

    path: str
    method: Method = "GET"
    params: dict[str, FieldValue] = Field(default_factory=dict)
    json_: Any = None
    data: dict[str, FieldValue] | str | None = None
    headers: dict[str, Value] = Field(default_factory=dict)
    auth: tuple[Auth, ...] | None = Field(default=None, exclude=True)  # no part of an asset's code version
    format: BodyFormat = "json"
    data_selector: str = "$"
    allow_missing_selector: bool = False
    ignore_hints: tuple[str, ...] = ()
    paginator: PaginatorConfig = SinglePageConfig()
    error_handler: ErrorHandler = ErrorHandler()
    incremental: Incremental | None = None
    values: dict[str, NamedValue] = Field(default_factory=dict)
    for_each: dict[str, tuple[ScalarOrRef, ...]] = Field(default_factory=dict)
