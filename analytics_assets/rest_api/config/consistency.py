"""Problems of a resource with its defaults: required keys that are missing, and keys that contradict each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from analytics_assets.rest_api.config.auth import ApiKeyConfig, Auth
from analytics_assets.rest_api.config.paginators import PAGINATORS
from analytics_assets.rest_api.config.parsing.validation import Problem
from analytics_assets.rest_api.config.request import (
    WINDOW_PLACEHOLDERS,
    placeholder_problems,
    placeholders_in,
    position_name,
)
from analytics_assets.rest_api.config.resources import Resource, contains

BODY_PATHS = (
    "cursor_path",
    "has_more_path",
    "next_url_path",
    "stop_condition",
    "total_path",
    "total_rows_path",
)
TIMES, NUMBERS, EPOCHS = ("timestamp", "date"), ("bigint", "double", "decimal"), ("epoch_s", "epoch_ms")


def consistency_problems(resource: Resource, *, auths: Sequence[Auth], partitioned: bool) -> Iterator[Problem]:
    """The problems of a resource with its defaults.

    Args:
        resource: The resource, with its defaults applied.
        auths: The alternatives of its authentication.
        partitioned: Whether the API has `partitions`.
    """
    endpoint, disposition = resource.endpoint, resource.write_disposition or "merge"
    incremental = endpoint.incremental
    if endpoint.paginator is None:
        yield ("endpoint", "paginator"), f"is required: a `type` of {', '.join(PAGINATORS.types)}"
    if endpoint.data_selector is None and endpoint.format in (None, "json"):
        yield (
            ("endpoint", "data_selector"),
            "is required: the path of the records in a response, or `$` for a bare list",
        )
    if disposition == "merge" and not resource.primary_key:
        yield (
            ("primary_key",),
            "is required, since rows are merged by it; without a key, write `write_disposition: replace`",
        )
    if disposition == "append" and (incremental is None or incremental.cursor_path is None):
        yield (
            ("write_disposition",),
            "append needs `endpoint.incremental` with a `cursor_path`: otherwise a window that is loaded twice has "
            "duplicate rows",
        )
    if disposition == "replace" and incremental:
        yield (
            ("write_disposition",),
            "replace with `incremental` would keep the last window only: write merge or append",
        )
    if any(isinstance(auth, ApiKeyConfig) and auth.location == "body" for auth in auths):
        body = endpoint.data if endpoint.json_ is None else endpoint.json_
        if not isinstance(body, Mapping):
            yield (
                ("endpoint", "json"),
                "must be a mapping (or `data`, with `method: POST`), since `auth` adds the API key to the body",
            )
    if incremental and not partitioned:
        yield ("endpoint", "incremental"), "needs `partitions`, such as {cadence: daily, start: 2026-10-01}"
    yield from _request_problems(resource)
    yield from _format_problems(resource)
    yield from _masking_problems(resource)
    yield from _window_problems(resource)


def _request_problems(resource: Resource) -> Iterator[Problem]:
    endpoint, paginator = resource.endpoint, resource.endpoint.paginator
    bodies = [key for key, value in (("json", endpoint.json_), ("data", endpoint.data)) if value is not None]
    paths = paginator.body_paths if paginator else {}
    if endpoint.method is None:
        message = "needs `method: POST` or `method: PUT`, or `method: GET` if the API reads the body of a GET"
        yield from ((("endpoint", key), message) for key in bodies)
        yield from ((("endpoint", "paginator", key), message) for key in paths)
    elif len(bodies) > 1:
        yield ("endpoint", "data"), "is the body, and `json` is too: remove one of the two"
    elif paths and isinstance(endpoint.data if endpoint.json_ is None else endpoint.json_, (str, list)):
        message = "needs a body that is a mapping, to set the value in"
        yield from ((("endpoint", "paginator", key), message) for key in paths)
    for key, problem in placeholder_problems(endpoint):
        yield ("endpoint", *key), problem
    position = position_name(paginator)
    sent = getattr(paginator, f"{position}_param", None) or f"{position}_body_path" in paths
    if position and not sent and position not in placeholders_in(endpoint):
        yield ("endpoint", "paginator", f"{position}_param"), f"is null, and nothing else sends the {position}"


def _format_problems(resource: Resource) -> Iterator[Problem]:
    """Lines are records: a body of them has no place for a selector's path, a total or a next page."""
    endpoint = resource.endpoint
    if endpoint.format in (None, "json"):
        return
    if endpoint.data_selector not in (None, "$"):
        yield ("endpoint", "data_selector"), f"must be `$` with `format: {endpoint.format}`: each line is a record"
    paginator = endpoint.paginator
    for key in BODY_PATHS:
        value = getattr(paginator, key, None)
        is_last_record = key == "cursor_path" and str(value).startswith(("$[", "["))
        if value and not is_last_record:
            yield (
                ("endpoint", "paginator", key),
                f"cannot be read from `format: {endpoint.format}`, which has records only: page by numbers or headers",
            )


def _masking_problems(resource: Resource) -> Iterator[Problem]:
    incremental = resource.endpoint.incremental
    cursor = incremental.cursor_path if incremental else None
    declared = resource.columns or resource.schema_ or {}
    for path in resource.exclude:
        if keys := [key for key in resource.primary_key or () if contains(path, key)]:
            yield ("exclude",), f"{path!r} holds the primary key {keys[0]!r}: `hash` it instead"
        if path in declared:
            yield ("exclude",), f"{path!r} is declared as a column: remove one of the two"
    for path in resource.hash:
        if path in declared and declared[path].data_type != "text":
            yield ("hash", path), f"is declared as {declared[path].data_type}, but a hash is text: declare it as string"
        if other := _overlap(path, (*resource.exclude, *(name for name in resource.hash if name != path))):
            yield ("hash", path), f"overlaps with {other!r} of `exclude` or `hash`: keep one of the two"
    if cursor:
        for key in ("exclude", "hash"):
            if path_of_cursor := _overlap(cursor, getattr(resource, key)):
                yield (
                    (key,),
                    f"{path_of_cursor!r} holds the cursor {cursor!r} of `incremental`, which must be loaded as it is",
                )


def _overlap(path: str, others: Iterable[str]) -> str | None:
    """The first of the others that holds the path, or is inside of it."""
    return next((other for other in others if contains(path, other) or contains(other, path)), None)


def _window_problems(resource: Resource) -> Iterator[Problem]:
    incremental, params = resource.endpoint.incremental, resource.endpoint.params
    if incremental is None or incremental.from_parent:
        return
    cursor = (resource.columns or resource.schema_ or {}).get(incremental.cursor_path or "")
    if cursor and cursor.data_type not in (*TIMES, *(NUMBERS if incremental.format in EPOCHS else ())):
        yield (
            ("endpoint", "incremental", "cursor_path"),
            f"is declared as {cursor.data_type}, which does not sort by time: declare its `format` too",
        )
    window_params = [name for name in (incremental.start_param, incremental.end_param) if name]
    if not window_params and placeholders_in(resource.endpoint).isdisjoint(WINDOW_PLACEHOLDERS):
        yield (
            ("endpoint", "incremental"),
            "must say how the API filters by time: `start_param`, `end_param`, or {start} and {end} in `params`, the "
            "path or the body",
        )
    for name in window_params:
        if params.get(name) is not None:
            yield (
                ("endpoint", "params", name),
                "is set to a bound of the window by `incremental`: remove it here, or there",
            )
