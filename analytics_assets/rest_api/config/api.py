"""One API: client, resources with their defaults, partitions and schedule."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, PlainValidator, StrictBool, WithJsonSchema, model_validator
from typing_extensions import Self

from analytics_assets.rest_api.config.checks import Checks
from analytics_assets.rest_api.config.children import bind_resolve_params, parent_problems, resolve_parent
from analytics_assets.rest_api.config.client import Client
from analytics_assets.rest_api.config.consistency import consistency_problems
from analytics_assets.rest_api.config.endpoints import Endpoint, EndpointConfig
from analytics_assets.rest_api.config.error_handler import ErrorHandler
from analytics_assets.rest_api.config.parsing.model import Model
from analytics_assets.rest_api.config.parsing.validation import Problem, nearest, validation_error
from analytics_assets.rest_api.config.request import placeholders_in, position_name
from analytics_assets.rest_api.config.resources import Parent, ResolvedResource, Resource, ResourceDefaults
from analytics_assets.rest_api.config.values import Freshness, WebLink

MERGED_BY_KEY = ("params", "headers", "json_", "hash", "values")


def _validate_start(data: Any) -> datetime:
    """A date or a time without offset. Both are text in the YAML file, as Dagster reads it."""
    try:
        start = data if isinstance(data, datetime) else datetime.fromisoformat(str(data))
    except ValueError:
        raise ValueError("must be a date such as 2026-10-01, or a time such as 2026-10-01T06:00") from None
    if start.tzinfo:
        raise ValueError("must be without offset: the time is in `timezone`")
    if not 1970 <= start.year < 2100:
        raise ValueError("must be between 1970 and 2100")
    return start


def _validate_timezone(name: str) -> str:
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
    start: Annotated[
        datetime, PlainValidator(_validate_start), WithJsonSchema({"type": "string", "examples": ["2026-10-01"]})
    ]
    """Start of the first window: a date or a time, in `timezone`."""
    timezone: Annotated[str, AfterValidator(_validate_timezone)] = "UTC"
    """Time zone of the windows and of the schedule."""
    chunk: Annotated[int, Field(strict=True, ge=1, le=100_000)] | None = None
    """Partitions of a range that are loaded and marked together; a retry continues after the last one that was loaded.
    By default hourly 168, daily 60, weekly 12, monthly 3."""

    per_run: Annotated[int, Field(strict=True, ge=1, le=100_000)] | None = None
    """Partitions of one run of a backfill. The runs may execute on different machines. By default one run loads all."""

    @property
    def chunk_size(self) -> int:
        """Partitions per chunk. A chunk costs about 0.3 s besides its rows, and each of its partitions 20 ms."""
        return self.chunk or {"hourly": 168, "daily": 60, "weekly": 12, "monthly": 3}[self.cadence]


class Schedule(Model):
    """When the scheduled runs start, in the time zone of the partitions."""

    hour: Annotated[int, Field(strict=True, ge=0, le=23)] = 0
    """Hour of the day. Hourly schedules ignore it."""
    minute: Annotated[int, Field(strict=True, ge=0, le=59)] = 0
    """Minute of the hour."""
    catch_up: Annotated[int, Field(strict=True, ge=0, le=10_000)] = 31
    """How many missed partitions before the newest one a scheduled run also loads. 0 loads the newest one only."""
    freshness: Freshness | None = None
    """How long after its last load an asset is late in the UI, such as `PT27H` or `2 days`; `false` for never. By
    default the time between two scheduled runs plus 3 hours; hourly, plus 30 minutes."""


def _validate_not_empty(resources: tuple[Resource, ...]) -> tuple[Resource, ...]:
    if not resources:  # `min_length` would count only the valid resources
        raise ValueError("must have at least one resource")
    return resources


class RestApiConfig(Model):
    """An API and its resources."""

    client: Client
    """Base URL, authentication and rate limits."""
    sandbox: StrictBool = False
    """Whether the sandbox API serves invented data while none of the API's variables is set. Built-in APIs only."""
    docs_url: WebLink | None = None
    """URL of the API's documentation, which the UI links to from its endpoints."""
    resource_defaults: ResourceDefaults = Field(default_factory=ResourceDefaults)
    """Defaults of all resources."""
    resources: Annotated[
        tuple[Resource, ...], AfterValidator(_validate_not_empty), Field(json_schema_extra={"minItems": 1})
    ]
    """The endpoints, each with its table and asset."""
    checks: Checks = Field(default_factory=Checks)
    """Severity of each asset check of all resources, or `off`. `resource_defaults` and resources may change it."""
    partitions: Partitions | None = None
    """The time windows of incremental resources."""
    schedule: Schedule | None = None
    """When scheduled runs start. By default at midnight."""

    def resolved_resources(self) -> tuple[ResolvedResource, ...]:
        """The resources with their defaults applied."""
        resources = [self._with_defaults(resource) for resource in self.resources]
        return tuple(
            _resolve(own, resource, parent=resolve_parent(resource, resources))
            for own, resource in zip(self.resources, resources, strict=True)
        )

    def _with_defaults(self, resource: Resource) -> Resource:
        defaults, own = self.resource_defaults, resource.endpoint
        defaults = defaults.model_copy(update={"checks": defaults.checks.over(self.checks)})
        if resource.columns is not None or resource.schema_ is not None:
            defaults = defaults.model_copy(update={"columns": None, "schema_": None})
        endpoint = own.model_copy(update=_apply_defaults(defaults.endpoint, own))
        if endpoint.paginator is None:
            endpoint = endpoint.model_copy(update={"paginator": self.client.paginator})
        endpoint = _with_response_actions(endpoint, own)
        endpoint = bind_resolve_params(endpoint)
        fields = {**_apply_defaults(defaults, resource), "docs_url": resource.docs_url or self.docs_url}
        return resource.model_copy(update={**fields, "endpoint": endpoint})

    @model_validator(mode="after")
    def _validate_consistency(self) -> Self:
        """Report problems that only the resources with their defaults show."""
        resources = [self._with_defaults(resource) for resource in self.resources]
        problems: list[Problem] = [
            (("resources", index, *key), message)
            for index, resource in enumerate(resources)
            for key, message in consistency_problems(
                resource,
                auths=self.client.auth if resource.endpoint.auth is None else resource.endpoint.auth,
                partitioned=self.partitions is not None,
            )
        ]
        problems += [(("resources", *key), message) for key, message in parent_problems(resources)]
        first: dict[str, int] = {}
        for index, resource in enumerate(self.resources):
            if first.setdefault(resource.name, index) != index:
                message = f"is already the name of resources[{first[resource.name]}]"
                problems.append((("resources", index, "name"), message))
        if problems:
            raise validation_error(*problems)
        return self


def _apply_defaults(defaults: Model, own: Model) -> dict[str, Any]:
    """The fields of both. A value of the resource wins, also null; MERGED_BY_KEY and `exclude` are merged."""
    fields: dict[str, Any] = {}
    for name in type(defaults).model_fields:
        default, value = getattr(defaults, name), getattr(own, name)
        if name == "checks":
            fields[name] = value.over(default)
        elif name in MERGED_BY_KEY and isinstance(default, dict) and isinstance(value, dict):
            fields[name] = {**default, **value}
        elif name == "exclude":  # a field that the defaults exclude is not loaded by mistake
            fields[name] = tuple(dict.fromkeys((*default, *value)))
        else:
            fields[name] = value if name in own.model_fields_set else default
    return fields


def _with_response_actions(endpoint: EndpointConfig, own: EndpointConfig) -> EndpointConfig:
    """The endpoint with dlt's `response_actions` in its `error_handler`, unless the resource's own handler has some."""
    own_handler = own.error_handler is not None and "response_actions" in own.error_handler.model_fields_set
    if endpoint.response_actions is None or (own_handler and own.response_actions is None):
        return endpoint
    handler = (endpoint.error_handler or ErrorHandler()).model_copy(
        update={"response_actions": endpoint.response_actions}
    )
    return endpoint.model_copy(update={"error_handler": handler})


def _resolve(own: Resource, resource: Resource, *, parent: Parent | None) -> ResolvedResource:
    """The resource with its defaults applied; `own` is the same without them."""
    return ResolvedResource.model_validate(
        {
            **_fields_set(resource, ResolvedResource),
            "parent": parent,
            "endpoint": _resolve_endpoint(resource.endpoint, default_path=resource.name),
            "columns": resource.columns or resource.schema_ or {},
            "optional_fields": tuple(sorted({*resource.exclude, *resource.hash} - {*own.exclude, *own.hash})),
        }
    )


def _resolve_endpoint(endpoint: EndpointConfig, *, default_path: str) -> Endpoint:
    fields = {"path": default_path, **_fields_set(endpoint, Endpoint)}
    for name in ("params", "data"):
        if isinstance(value := fields.get(name), dict):
            fields[name] = {key: text for key, text in value.items() if text is not None}
    resolved = Endpoint.model_validate(fields)
    position = position_name(resolved.paginator)
    if position in placeholders_in(resolved) and f"{position}_param" not in resolved.paginator.model_fields_set:
        # The placeholder takes the place of the parameter that is sent by default.
        paginator = resolved.paginator.model_copy(update={f"{position}_param": None})
        return resolved.model_copy(update={"paginator": paginator})
    return resolved


def _fields_set(source: Model, target: type[Model]) -> dict[str, Any]:
    """The fields of `target` that are not None in `source`."""
    values = {name: getattr(source, name, None) for name in target.model_fields}
    return {name: value for name, value in values.items() if value is not None}
