"""Endpoints: parameters, time filters, retries, and how the records are read from responses."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, StrictBool, WithJsonSchema, model_validator
from typing_extensions import Self

from analytics_assets.rest_api.config.auth import Auth
from analytics_assets.rest_api.config.error_handler import ErrorHandler, ResponseAction
from analytics_assets.rest_api.config.paginators import PaginatorConfig, SinglePageConfig
from analytics_assets.rest_api.config.parsing.model import Model, OneOrMany
from analytics_assets.rest_api.config.parsing.validation import validate_each, validation_error
from analytics_assets.rest_api.config.values import (
    FieldPath,
    Headers,
    HintName,
    Lookback,
    Name,
    Selector,
    TimeFormat,
    Value,
    is_secret_name,
)

Bound = Literal["inclusive", "exclusive"]
GET_ONLY = "only GET requests are sent, and they have no body"
NO_PARENTS = "a resource cannot depend on the rows of another one"
PLACEHOLDERS = ("start", "end")


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
        return self


def has_placeholder(value: str) -> bool:
    """Whether a query parameter contains `{start}` or `{end}`."""
    return any(f"{{{name}}}" in value for name in PLACEHOLDERS)


def _validate_placeholders(text: str) -> str:
    """Reject placeholders other than `{start}` and `{end}`.

    Braces that are not a placeholder are literal: JSON text, `{a,b}`, or a list of one field after a word as in
    `owner{name}`, unless its name is similar to a placeholder's.
    """
    _reject_dlt_placeholders(text)
    for braces in re.finditer(r"(?P<word>\w?)\{(?P<spaces>\s*)(?P<name>[A-Za-z_]\w*)\s*\}", text):
        name = braces["name"]
        placeholder = braces[0].removeprefix(braces["word"])
        if placeholder in ("{start}", "{end}"):
            continue
        similar = difflib.get_close_matches(name.lower(), PLACEHOLDERS, n=1)
        if similar:
            raise ValueError(f"unknown placeholder {placeholder}; did you mean {{{similar[0]}}}?")
        if not braces["word"] and placeholder == f"{{{name}}}":
            raise ValueError(f"unknown placeholder {placeholder}; allowed: {{start}}, {{end}}")
    return text


def _reject_dlt_placeholders(text: str) -> None:
    placeholder = re.search(r"\{(resources|incremental)\.", text)
    if placeholder:
        instead = NO_PARENTS if placeholder[1] == "resources" else "write {start} or {end} in `params`"
        raise ValueError(f"dlt's placeholder {{{placeholder[1]}...}} is not supported: {instead}")


def _validate_parameter(name: str, data: Any) -> str | None:
    """A query parameter as it is sent; None removes a parameter of `resource_defaults`."""
    if is_secret_name(name) and data is not None:
        raise ValueError(
            f"is a secret by its name: write client.auth {{type: api_key, name: {name}, location: query}} instead"
        )
    if isinstance(data, Mapping) and data.get("type") in ("incremental", "resolve"):
        instead = NO_PARENTS if data["type"] == "resolve" else "write `start_param` in endpoint.incremental"
        raise ValueError(f"dlt's {data['type']} parameter is not supported: {instead}")
    if isinstance(data, bool):
        return str(data).lower()
    if data is None or isinstance(data, (str, int, float)):
        return None if data is None else _validate_placeholders(str(data))
    raise ValueError("must be one text, number or boolean; write a list as the API expects it, for example a,b")


def _validate_path(path: str) -> str:
    if re.match(r"\w+:", path) or not re.fullmatch(r"[!\"$-\[\]-~]*", path):
        raise ValueError("must be a path below `base_url`, such as /v1/users, with special characters percent-encoded")
    _reject_dlt_placeholders(path)
    if placeholder := re.search(r"\{\w+\}", path):
        raise ValueError(f"unknown placeholder {placeholder[0]}; {{start}} and {{end}} are allowed in `params` only")
    return path


Params = Annotated[
    dict[str, str | None],
    PlainValidator(lambda data: validate_each(data, _validate_parameter)),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}}),
]


# A key without value means no authentication, in contrast to no key.
EndpointAuth = Annotated[
    Annotated[tuple[Auth, ...], OneOrMany()] | None, BeforeValidator(lambda data: () if data is None else data)
]


class EndpointDefaults(Model):
    """Defaults of all endpoints."""

    method: Literal["GET"] = "GET"
    """The HTTP method."""
    params: Params = Field(default_factory=dict)
    """Query parameters. `{start}` and `{end}` are replaced by the bounds of the window."""
    headers: Headers = Field(default_factory=dict)
    """Headers, added to those of `client`."""
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
    """dlt's place for `error_handler.response_actions`."""
    incremental: Incremental | None = None
    """Loads windows instead of all rows; needs `partitions`."""

    unsupported: ClassVar[Mapping[str, str]] = {
        "json": GET_ONLY,
        "data": GET_ONLY,
    }


class EndpointConfig(EndpointDefaults):
    """One endpoint."""

    path: Annotated[str, AfterValidator(_validate_path)] | None = None
    """Path below `base_url`, sent as it is. By default the resource's name."""

    shorthand: ClassVar[str | None] = "path"


class Endpoint(Model):
    """An endpoint with its defaults applied."""

    path: str
    params: dict[str, str] = Field(default_factory=dict)
    headers: dict[str, Value] = Field(default_factory=dict)
    auth: tuple[Auth, ...] | None = None
    data_selector: str = "$"
    allow_missing_selector: bool = False
    ignore_hints: tuple[str, ...] = ()
    paginator: PaginatorConfig = SinglePageConfig()
    error_handler: ErrorHandler = ErrorHandler()
    incremental: Incremental | None = None
