"""Small manifests of different shapes, with the rows that their server has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Component = dict[str, Any]
KEY = "{{ config['api_key'] }}"
BEARER: Component = {"type": "BearerAuthenticator", "api_token": KEY}
PARAM = "request_parameter"


def option(name: str, place: str = PARAM) -> Component:
    """A request option."""
    return {"type": "RequestOption", "inject_into": place, "field_name": name}


def paginator(strategy: Component, token: Component | None = None, size: str | None = "limit") -> Component:
    """A paginator."""
    parts: Component = {"type": "DefaultPaginator", "pagination_strategy": strategy}
    parts |= {"page_token_option": token} if token else {}
    return parts | ({"page_size_option": option(size)} if size else {})


def cursor(
    value: str, stop: str | None = None, token: Component | None = None, size: str | None = "limit"
) -> Component:
    """A paginator by cursor."""
    strategy: Component = {"type": "CursorPagination", "cursor_value": value, "page_size": 2}
    return paginator(strategy | ({"stop_condition": stop} if stop else {}), token, size)


def stream(
    name: str,
    path: str,
    *,
    fields: tuple[str, ...] = ("data",),
    auth: Component | None = BEARER,
    pages: Component | None = None,
    router: Any = None,
    requester: Component | None = None,
    key: Any = "id",
    **parts: Any,
) -> Component:
    """A stream."""
    request: Component = {
        "type": "HttpRequester",
        "url_base": "{{ config['url'] }}/v1",
        "path": path,
        "authenticator": auth,
    }
    retriever: Component = {
        "type": "SimpleRetriever",
        "requester": request | (requester or {}),
        "record_selector": {
            "type": "RecordSelector",
            "extractor": {"type": "DpathExtractor", "field_path": list(fields)},
        },
    }
    retriever |= {"paginator": pages} if pages else {}
    retriever |= {"partition_router": router} if router else {}
    return {"type": "DeclarativeStream", "name": name, "primary_key": key, "retriever": retriever, **parts}


@dataclass(frozen=True)
class Shape:
    """A manifest.

    Attributes:
        streams: The streams, parents first.
    """

    streams: list[Component]


PAGES = paginator(
    {"type": "PageIncrement", "page_size": 2, "start_from_page": 1, "inject_on_first_request": True}, option("page")
)
PROJECTS = stream("projects", "/projects")


def child_of(parent: Component, field_name: str, **parts: Any) -> Component:
    """A partition router."""
    config = {
        "type": "ParentStreamConfig",
        "stream": parent,
        "parent_key": "id",
        "partition_field": field_name,
        **parts,
    }
    return {"type": "SubstreamPartitionRouter", "parent_stream_configs": [config]}


def added(name: str, value: str) -> Component:
    """A transformation that adds a field."""
    field = {"type": "AddedFieldDefinition", "path": [name], "value": value}
    return {"type": "AddFields", "fields": [field]}


TASKS = stream("tasks", "/projects/{{ stream_partition['project'] }}/tasks", router=child_of(PROJECTS, "project"))
TASKS_OF_PROJECT = TASKS | {"transformations": [added("project_id", "{{ stream_partition['project'] }}")]}
NOTES = stream(
    "notes",
    "/projects/{{ stream_partition.parent_slice.project }}/tasks/{{ stream_partition.task }}/notes",
    router=child_of(TASKS, "task"),
)
USERS = stream("users", "/users") | {"transformations": [added("user_id", "{{ record['profile']['number'] }}")]}
REGIONS: Component = {"type": "ListPartitionRouter", "cursor_field": "region", "values": ["eu", "us"]}
SYNC: Component = {
    "type": "DatetimeBasedCursor",
    "cursor_field": "updated_at",
    "datetime_format": "%Y-%m-%dT%H:%M:%SZ",
    "start_datetime": {"type": "MinMaxDatetime", "datetime": "2026-10-01T00:00:00Z"},
    "start_time_option": option("since"),
    "end_time_option": option("until"),
    "step": "P1D",
}
NEXT = "{{ response.get('meta', {}).get('next') }}"
OAUTH: Component = {
    "type": "OAuthAuthenticator",
    "client_id": "{{ config['client_id'] }}",
    "client_secret": "{{ config['client_secret'] }}",
    "token_refresh_endpoint": "{{ config['url'] }}/login",
    "grant_type": "client_credentials",
}
SESSION: Component = {
    "type": "SessionTokenAuthenticator",
    "login_requester": {
        "type": "HttpRequester",
        "url_base": "{{ config['url'] }}",
        "path": "/login",
        "http_method": "POST",
        "request_body_json": {"password": "{{ config['password'] }}"},
    },
    "session_token_path": ["auth", "token"],
    "request_authentication": {"type": "ApiKey", "inject_into": option("X-Session", "header")},
}

SHAPES: dict[str, Shape] = {
    "bearer, one page": Shape([stream("items", "/items")]),
    "key in a header": Shape(
        [
            stream(
                "items",
                "/items",
                auth={"type": "ApiKeyAuthenticator", "api_token": KEY, "inject_into": option("X-Key", "header")},
            )
        ]
    ),
    "key with a prefix": Shape(
        [
            stream(
                "items",
                "/items",
                auth={
                    "type": "ApiKeyAuthenticator",
                    "api_token": f"Token {KEY}",
                    "inject_into": option("Authorization", "header"),
                },
            )
        ]
    ),
    "key in the query": Shape(
        [
            stream(
                "items", "/items", auth={"type": "ApiKeyAuthenticator", "api_token": KEY, "inject_into": option("key")}
            )
        ]
    ),
    "basic": Shape(
        [stream("items", "/items", auth={"type": "BasicHttpAuthenticator", "username": KEY, "password": ""})]
    ),
    "client credentials": Shape([stream("items", "/items", auth=OAUTH)]),
    "session token": Shape([stream("items", "/items", auth=SESSION)]),
    "offset": Shape(
        [stream("items", "/items", pages=paginator({"type": "OffsetIncrement", "page_size": 2}, option("offset")))]
    ),
    "page number": Shape([stream("items", "/items", pages=PAGES)]),
    "cursor in the body": Shape([stream("items", "/items", pages=cursor(NEXT, token=option("after")))]),
    "cursor with a flag": Shape(
        [
            stream(
                "items",
                "/items",
                pages=cursor("{{ response.next }}", "{{ not response.has_more }}", option("after")),
            )
        ]
    ),
    "last record": Shape(
        [
            stream(
                "items", "/items", pages=cursor("{{ last_record['id'] }}", "{{ last_page_size < 2 }}", option("after"))
            )
        ]
    ),
    "link in the body": Shape(
        [stream("items", "/items", pages=cursor("{{ response['links']['next_url'] }}", token={"type": "RequestPath"}))]
    ),
    "link in a header": Shape(
        [
            stream(
                "items",
                "/items",
                pages=cursor(
                    "{{ headers['link']['next']['url'] }}",
                    "{{ 'next' not in headers['link'] }}",
                    {"type": "RequestPath"},
                ),
            )
        ]
    ),
    "search by POST": Shape(
        [
            stream(
                "items",
                "/search",
                requester={"http_method": "POST", "request_body_json": {"state": "all"}},
                pages=paginator({"type": "OffsetIncrement", "page_size": 2}, option("offset", "body_json"), None),
            )
        ]
    ),
    "search by GET with a body": Shape(
        [
            stream(
                "items",
                "/search",
                requester={"http_method": "GET", "request_body_json": {"state": "all"}},
                pages=paginator({"type": "OffsetIncrement", "page_size": 2}, option("offset", "body_json"), None),
            )
        ]
    ),
    "form by GET": Shape(
        [
            stream(
                "items",
                "/items",
                pages=paginator({"type": "PageIncrement", "page_size": 2}, option("page", "body_data"), None),
            )
        ]
    ),
    "bare list, no key": Shape([stream("items", "/items", fields=(), key=None)]),
    "settings in path and parameters": Shape(
        [
            stream(
                "items",
                "/accounts/{{ config['account'] }}/items",
                requester={"request_parameters": {"kind": "{{ config['kind'] }}"}},
            )
        ]
    ),
    "list of values": Shape([stream("items", "/{{ stream_partition['region'] }}/items", router=REGIONS)]),
    "child with pages": Shape([PROJECTS, TASKS | {"retriever": TASKS["retriever"] | {"paginator": PAGES}}]),
    "grandchild": Shape([PROJECTS, TASKS, NOTES]),
    "child by a copy of a field of the parent": Shape(
        [
            USERS,
            stream(
                "posts", "/users/{{ stream_slice.user }}/posts", router=child_of(USERS, "user", parent_key="user_id")
            ),
        ]
    ),
    "child by a parameter that is a value of the parent's slice": Shape(
        [
            PROJECTS,
            TASKS_OF_PROJECT,
            stream(
                "notes",
                "/projects/{{ stream_slice.p }}/notes",
                router=child_of(TASKS_OF_PROJECT, "p", parent_key="project_id"),
            ),
        ]
    ),
    "child by a parameter": Shape(
        [
            PROJECTS,
            stream(
                "tasks",
                "/tasks",
                router=child_of(PROJECTS, "project"),
                requester={"request_parameters": {"project": "{{ stream_partition.project }}"}},
            ),
        ]
    ),
    "windows": Shape([stream("items", "/items", incremental_sync=SYNC)]),
    "windows with pages": Shape([stream("items", "/items", pages=PAGES, incremental_sync=SYNC)]),
    "windows in a body, as numbers": Shape(
        [
            stream(
                "items",
                "/items",
                requester={
                    "http_method": "POST",
                    "request_body_json": {
                        "range": {
                            "from": "{{ timestamp(stream_interval.start_time) | int }}",
                            "to": "{{ timestamp(stream_interval.end_time) | int }}",
                        }
                    },
                },
                incremental_sync={key: SYNC[key] for key in SYNC if "option" not in key},
            )
        ]
    ),
    "windows of children": Shape(
        [
            PROJECTS,
            stream(
                "tasks",
                "/projects/{{ stream_slice.project }}/tasks",
                router=child_of(PROJECTS, "project"),
                pages=PAGES,
                incremental_sync=SYNC,
            ),
        ]
    ),
    "error handlers": Shape(
        [
            stream(
                "items",
                "/items",
                requester={
                    "error_handler": {
                        "type": "DefaultErrorHandler",
                        "response_filters": [{"type": "HttpResponseFilter", "http_codes": [404], "action": "IGNORE"}],
                        "backoff_strategies": [{"type": "ExponentialBackoffStrategy", "factor": 1}],
                    }
                },
            )
        ]
    ),
}
