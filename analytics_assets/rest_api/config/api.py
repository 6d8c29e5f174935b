"""One API: its client, its resources with their defaults, its partitions and schedule, and what must agree in them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema, model_validator
from typing_extensions import Self

from analytics_assets.rest_api.config.client import Client
from analytics_assets.rest_api.config.model import Model, Problem, nearest, validation_error
from analytics_assets.rest_api.config.paginators import PAGINATORS
from analytics_assets.rest_api.config.resources import Defaults, Endpoint, ResolvedResource, Resource
from analytics_assets.rest_api.config.values import Flag, is_pattern

MERGED_BY_KEY = ("params", "headers")


def _start(data: Any) -> datetime:
    """A date or a time of day without offset: `timezone` says where. Dagster leaves both as text."""
    try:
        moment = data if isinstance(data, datetime) else datetime.fromisoformat(str(data))
    except ValueError:
        raise ValueError("must be a date such as 2026-10-01, or a time such as 2026-10-01T06:00") from None
    if moment.tzinfo:
        raise ValueError("must be without offset: `timezone` says where it is meant")
    if not 1970 <= moment.year < 2100:
        raise ValueError("must be between 1970 and 2100")
    return moment


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"must be a time zone such as Europe/Berlin{nearest(name, sorted(available_timezones()))}"
        ) from None
    return name


class Partitions(Model):
    """The time windows that incremental resources are loaded by."""

    cadence: Literal["hourly", "daily", "weekly", "monthly"]
    """Length of a window."""
    start: Annotated[datetime, PlainValidator(_start), WithJsonSchema({"type": "string", "examples": ["2026-10-01"]})]
    """Start of the first window: a date or a time, in `timezone`."""
    timezone: Annotated[str, AfterValidator(_timezone)] = "UTC"
    """Time zone of the windows and of the schedule."""
    chunk: Annotated[int, Field(strict=True, ge=1, le=100_000)] | None = None
    """Partitions of a range that are loaded and marked together; a retry continues after the last one that was loaded.
    By default hourly 168, daily 60, weekly 12, monthly 3."""

    @property
    def chunk_size(self) -> int:
        """Marking a partition takes Dagster a fifteenth of what a chunk costs besides its rows: about 20 ms."""
        return self.chunk or {"hourly": 168, "daily": 60, "weekly": 12, "monthly": 3}[self.cadence]


class Schedule(Model):
    """When the scheduled runs start, in the time zone of the partitions."""

    hour: Annotated[int, Field(strict=True, ge=0, le=23)] = 0
    """Hour of the day. Hourly schedules ignore it."""
    minute: Annotated[int, Field(strict=True, ge=0, le=59)] = 0
    """Minute of the hour."""


def _not_empty(resources: tuple[Resource, ...]) -> tuple[Resource, ...]:
    if not resources:  # `min_length` counts only the resources without a mistake
        raise ValueError("must have at least one resource")
    return resources


class RestApiConfig(Model):
    """An API and its resources."""

    client: Client
    """Base URL, authentication and rate limits."""
    sandbox: Flag = False
    """Whether the embedded API serves invented data while none of the API's variables is set. Built-in APIs only."""
    resource_defaults: Defaults = Field(default_factory=Defaults)
    """Defaults of all resources."""
    resources: Annotated[tuple[Resource, ...], AfterValidator(_not_empty), Field(json_schema_extra={"minItems": 1})]
    """The endpoints, each with its table and asset."""
    partitions: Partitions | None = None
    """The time windows of incremental resources."""
    schedule: Schedule | None = None
    """When scheduled runs start. By default at midnight."""

    def resolved_resources(self) -> tuple[ResolvedResource, ...]:
        """The resources with their defaults applied."""
        return tuple(_resolved(self._with_defaults(resource)) for resource in self.resources)

    def _with_defaults(self, resource: Resource) -> Resource:
        defaults, own = self.resource_defaults, resource.endpoint
        if resource.columns is not None or resource.schema_ is not None:
            defaults = defaults.model_copy(update={"columns": None, "schema_": None})
        endpoint = own.model_copy(update=_apply_defaults(defaults.endpoint, own))
        if endpoint.paginator is None:
            endpoint = endpoint.model_copy(update={"paginator": self.client.paginator})
        return resource.model_copy(update={**_apply_defaults(defaults, resource), "endpoint": endpoint})

    @model_validator(mode="after")
    def _validate_consistency(self) -> Self:
        """Refuse what is wrong only when defaults and resources are seen together."""
        problems: list[Problem] = [
            (("resources", index, *key), message)
            for index, resource in enumerate(self.resources)
            for key, message in consistency_problems(
                self._with_defaults(resource), partitioned=self.partitions is not None
            )
        ]
        first: dict[str, int] = {}
        for index, resource in enumerate(self.resources):
            if first.setdefault(resource.name, index) != index:
                message = f"is the name of resources[{first[resource.name]}] already"
                problems.append((("resources", index, "name"), message))
        if problems:
            raise validation_error(*problems)
        return self


def _apply_defaults(defaults: Model, own: Model) -> dict[str, Any]:
    """The fields of both: what the resource says wins, a null too; parameters and headers join by key."""
    resolved_resources: dict[str, Any] = {}
    for name in type(defaults).model_fields:
        if name in MERGED_BY_KEY:
            resolved_resources[name] = {**getattr(defaults, name), **getattr(own, name)}
        else:
            resolved_resources[name] = getattr(own if name in own.model_fields_set else defaults, name)
    return resolved_resources


def _resolved(resource: Resource) -> ResolvedResource:
    endpoint = resource.endpoint
    params = {name: value for name, value in endpoint.params.items() if value is not None}
    path = resource.name if endpoint.path is None else endpoint.path
    return ResolvedResource.model_validate(
        {
            **_set(resource, ResolvedResource),
            "endpoint": Endpoint.model_validate({**_set(endpoint, Endpoint), "params": params, "path": path}),
            "columns": resource.columns or resource.schema_ or {},
        }
    )


def _set(source: Model, target: type[Model]) -> dict[str, Any]:
    """The fields of `target` that have a value in `source`."""
    values = {name: getattr(source, name) for name in target.model_fields}
    return {name: value for name, value in values.items() if value is not None}


def consistency_problems(resource: Resource, *, partitioned: bool) -> Iterator[Problem]:
    """What a resource with its defaults lacks or contradicts: the key, and what to do."""
    endpoint, disposition = resource.endpoint, resource.write_disposition or "merge"
    incremental = endpoint.incremental
    if endpoint.paginator is None:
        yield ("endpoint", "paginator"), f"is required: a `type` of {', '.join(PAGINATORS.kinds)}"
    if endpoint.data_selector is None:
        yield ("endpoint", "data_selector"), "is required: where answers hold the records, `$` if they are a bare list"
    if disposition == "merge" and not resource.primary_key:
        yield (
            ("primary_key",),
            "is required, since rows are merged by it; without a key, write `write_disposition: replace`",
        )
    if disposition == "append" and (incremental is None or incremental.cursor_path is None):
        yield (
            ("write_disposition",),
            "append needs `endpoint.incremental` with a `cursor_path`: else a window loaded again doubles its rows",
        )
    if disposition == "replace" and incremental:
        yield (
            ("write_disposition",),
            "replace with `incremental` would keep the last window only: write merge or append",
        )
    if incremental and not partitioned:
        yield ("endpoint", "incremental"), "needs `partitions`, such as {cadence: daily, start: 2026-10-01}"
    yield from _window_problems(resource)


def _window_problems(resource: Resource) -> Iterator[Problem]:
    incremental, params = resource.endpoint.incremental, resource.endpoint.params
    templates = [name for name, value in params.items() if value and ("{start}" in value or "{end}" in value)]
    if incremental is None:
        for name in templates:
            yield ("endpoint", "params", name), "holds {start} or {end}, which `endpoint.incremental` would fill"
        return
    cursor = (resource.columns or resource.schema_ or {}).get(incremental.cursor_path or "")
    if cursor and cursor.data_type == "text" and is_pattern(incremental.format):
        yield (
            ("endpoint", "incremental", "cursor_path"),
            f"is declared as text, of which {incremental.format!r} does not tell the newest: declare its `format` too",
        )
    window_params = [name for name in (incremental.start_param, incremental.end_param) if name]
    if not window_params and not templates:
        yield (
            ("endpoint", "incremental"),
            "must say how the API is asked for a window: `start_param`, `end_param`, or {start} and {end} in `params`",
        )
    for name in window_params:
        if params.get(name) is not None:
            yield (
                ("endpoint", "params", name),
                "takes a bound of the window: remove it, or name another in `incremental`",
            )
