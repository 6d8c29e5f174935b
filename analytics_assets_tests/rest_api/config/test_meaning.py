"""Configurations are read as they are meant: the seeds, defaults, aliases, columns."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from analytics_assets.rest_api.config import (
    ApiKeyConfig,
    BearerConfig,
    Column,
    CursorConfig,
    Endpoint,
    ErrorHandler,
    HeaderLinkConfig,
    Incremental,
    JsonLinkConfig,
    LoadTime,
    LoginConfig,
    OAuth2Config,
    OffsetConfig,
    PageNumberConfig,
    ResolvedResource,
    RestApiConfig,
    SecretRef,
    SinglePageConfig,
    StopCondition,
    load_config,
    parse_config,
)
from analytics_assets_tests.support.config_samples import EVERY_KEY, FIXTURES, INCREMENTAL, PATH, edited, write


def env(name: str) -> SecretRef:
    return SecretRef(env=name)


def oauth2(seed: str, refresh_token: SecretRef | None = None) -> OAuth2Config:
    return OAuth2Config(
        client_id=env(f"{seed}_CLIENT_ID"),
        client_secret=env(f"{seed}_CLIENT_SECRET"),
        token_url=env(f"{seed}_TOKEN_URL"),
        refresh_token=refresh_token,
    )


def resource(name: str, path: str, paginator: Any, **endpoint: Any) -> ResolvedResource:
    endpoint = {"data_selector": "data", "error_handler": ErrorHandler(), **endpoint}
    return ResolvedResource(
        name=name,
        primary_key=("id",),
        write_disposition="merge",
        endpoint=Endpoint(path=path, paginator=paginator, **endpoint),
    )


CURSOR = CursorConfig(
    limit=50, cursor_param="offset", cursor_path="next", stop_condition=StopCondition(path="hasNext", operator="false")
)
OPPORTUNITY = {name: Column(data_type="text") for name in ("id", "name", "contact")} | {
    name: Column(data_type="bigint") for name in ("createdAt", "updatedAt")
}
SEEDS = {
    "seed_000": (oauth2("SEED_000"), [resource("resource_name", "/v1/resource", OffsetConfig(limit=100))]),
    "seed_001": (
        ApiKeyConfig(name="api_key", api_key=env("SEED_001_API_KEY"), location="query"),
        [resource("resource_name", "/v1/resource", OffsetConfig(limit=100))],
    ),
    "seed_002": (
        oauth2("SEED_002", refresh_token=env("SEED_002_REFRESH_TOKEN")),
        [
            resource("opportunities", "/v1/opportunities", CURSOR).model_copy(update={"columns": OPPORTUNITY}),
            resource("users", "/v1/users", CURSOR),
        ],
    ),
    "seed_003": (
        oauth2("SEED_003"),
        [resource(name, f"/v1/{name}", OffsetConfig(limit=100)) for name in ("cash_drawers", "bank_accounts")],
    ),
    "seed_004": (
        BearerConfig(token=env("SEED_004_API_TOKEN")),
        [
            resource(
                "resource_name",
                "/v1/resource",
                PageNumberConfig(limit=2, page_param="page", start_from_page=1),
                data_selector="items.*.data",
                params={"per_page": "2"},
            )
        ],
    ),
}


@pytest.mark.parametrize("name", SEEDS)
def test_seed_is_read_exactly(name: str) -> None:
    seed = load_config(FIXTURES / "seeds" / name / "defs.yaml")
    auth, resources = SEEDS[name]
    assert seed.client.base_url == env(f"{name.upper()}_BASE_URL")
    assert seed.client.auth == (auth,)
    assert list(seed.resolved_resources()) == resources
    assert (seed.partitions, seed.schedule, seed.sandbox) == (None, None, False)


def test_every_key_is_read() -> None:
    config = load_config(EVERY_KEY)
    offsets, pages, cursors, json_links, header_links, _, children, followers, *others = config.resolved_resources()
    singles, public, key_in_body, alternatives = others
    assert children.parent
    assert children.parent.fields == ("id", "owner.id")
    assert children.endpoint.path == "/v1/offsets/{resources.offsets.id}/{resources.offsets.owner.id}"
    assert children.endpoint.for_each == {"region": ("eu", "us"), "code": (env("CODES"),)}
    assert children.replaces_parents
    assert followers.replaces_parents
    assert [auth.type for auth in config.client.auth] == [
        "oauth2",
        "api_key",
        "api_key",
        "bearer",
        "http_basic",
        "oauth2",
        *["login"] * 3,
    ]
    assert offsets.endpoint.auth is None, "that of the client"
    assert singles.endpoint.auth == (BearerConfig(token=env("F")),)
    assert key_in_body.endpoint.auth == (ApiKeyConfig(name="key", api_key=env("F"), location="body"),)
    assert (public.endpoint.auth, [auth.type for auth in alternatives.endpoint.auth or ()]) == (
        (),
        ["bearer", "http_basic"],
    )
    assert offsets.endpoint.params == {"a": "1", "b": "true", "c": "text", "filter[x][_gte]": "{start}"}
    assert offsets.endpoint.headers == {"X-A": "b"}
    assert offsets.endpoint.ignore_hints == ("meta.count", "X-Total-Count")
    assert header_links.endpoint.ignore_hints == ("@odata.nextLink",)
    assert offsets.endpoint.incremental == Incremental(
        cursor_path="meta.updatedAt",
        start_param="s",
        end_param="e",
        format="%Y-%m-%d",
        start="exclusive",
        end="inclusive",
        lookback=timedelta(days=2),
    )
    assert offsets.columns == {
        "createdAt": Column(data_type="timestamp", format="epoch_ms", description="When it was made."),
        "amount": Column(data_type="decimal", precision=38, scale=9, nullable=False),
    }
    assert (offsets.primary_key, offsets.null_key, offsets.owners, offsets.tags, offsets.preview) == (
        ("id", "region"),
        "skip",
        ("team:data",),
        {"domain": "hr"},
        False,
    )
    assert (offsets.schema_contract.data_type, pages.schema_contract.data_type) == ("discard_value", "freeze")
    assert isinstance(pages.endpoint.paginator, PageNumberConfig)
    assert (pages.endpoint.paginator.start_from_page, pages.endpoint.paginator.first_page) == (1, 2)
    assert pages.columns == {"a": Column(data_type="text"), "b": Column(data_type="timestamp", format="epoch_s")}
    assert cursors.columns == {
        "id": Column(data_type="bigint", nullable=False),
        "at": Column(data_type="timestamp", format="iso8601"),
        "tags": Column(data_type="json"),
    }
    assert isinstance(json_links.endpoint.paginator, JsonLinkConfig)
    assert isinstance(header_links.endpoint.paginator, HeaderLinkConfig)
    assert singles.endpoint.paginator == SinglePageConfig(), "the default of `client.paginator`"
    assert singles.endpoint.path == "singles", "the resource's name, as in dlt"
    assert singles.endpoint.values == {
        "since": LoadTime(now="date", minus=timedelta(days=30)),
        "until": LoadTime(now="epoch_s", plus=timedelta(days=1)),
    }
    assert (singles.endpoint.format, offsets.endpoint.format) == ("csv", "json")
    assert (singles.exclude, offsets.exclude) == (("ssn", "contact.phone"), ("ssn",))
    assert singles.hash == {"email": env("SALT"), "contact.name": SecretRef(secret="sources.x.salt")}
    assert (singles.optional_fields, offsets.optional_fields) == (("email", "ssn"), ("email", "ssn"))
    assert config.partitions is not None
    assert config.partitions.start == datetime(2026, 10, 1, 6)


def test_values_of_a_resource_override_the_defaults() -> None:
    config = parse_config(
        {
            "client": {"base_url": "https://api.example.com", "paginator": "header_link"},
            "resource_defaults": {
                "primary_key": "id",
                "columns": {"a": {"type": "string"}},
                "tags": {"a": "1"},
                "endpoint": {
                    "data_selector": "data",
                    "params": {"a": 1, "b": 2, "c": 3},
                    "headers": {"X-A": "1", "X-B": "1"},
                    "paginator": {"type": "offset", "limit": 1, "total_path": "total"},
                    "incremental": {"cursor_path": "at", "start_param": "since"},
                    "error_handler": {"max_retries": 9},
                },
            },
            "resources": [
                {
                    "name": "other",
                    "primary_key": ["x", "y"],
                    "schema": {"properties": {"b": {"type": "number"}}},
                    "tags": {"b": "2"},
                    "endpoint": {
                        "params": {"b": "two", "c": None},
                        "headers": {"X-B": "2"},
                        "paginator": {"type": "offset", "limit": 2},
                        "incremental": {"end_param": "until"},
                        "error_handler": {"backoff_factor": 1},
                    },
                },
                {"name": "plain", "write_disposition": "replace", "endpoint": {"incremental": None}},
                {"name": "linked", "endpoint": {"paginator": None}},
            ],
            "partitions": {"cadence": "daily", "start": date(2026, 10, 1)},
        }
    )
    other, plain, linked = config.resolved_resources()
    assert other == ResolvedResource(
        name="other",
        primary_key=("x", "y"),
        columns={"b": Column(data_type="double")},
        tags={"b": "2"},
        endpoint=Endpoint(
            path="other",
            params={"a": "1", "b": "two"},
            headers={"X-A": "1", "X-B": "2"},
            data_selector="data",
            paginator=OffsetConfig(limit=2),
            incremental=Incremental(end_param="until"),
            error_handler=ErrorHandler(backoff_factor=1),
        ),
    )
    assert (plain.endpoint.incremental, plain.write_disposition) == (None, "replace"), "null removes a default"
    assert linked.endpoint.paginator == HeaderLinkConfig()


def test_auth_of_a_resource_replaces_that_of_the_defaults() -> None:
    def auth(default: object, own: object) -> object:
        config = parse(endpoint={"auth": own} if own is not MISSING else {}, defaults={"auth": default})
        return config.resolved_resources()[0].endpoint.auth

    first, second = ({"type": "bearer", "token": {"env": name}} for name in "AB")
    assert auth(first, MISSING) == (BearerConfig(token=env("A")),)
    assert auth(first, second) == (BearerConfig(token=env("B")),)
    assert auth(first, None) == auth(None, MISSING) == auth(first, []) == ()


LOGIN = {"type": "login", "request": "/login", "token_path": "token"}
PLACES = [
    ({}, ("header", "Authorization", "Bearer ")),
    ({"header": "authorization"}, ("header", "authorization", "Bearer ")),
    ({"header": "X-Token"}, ("header", "X-Token", "")),
    ({"header": "X-Token", "prefix": "T "}, ("header", "X-Token", "T ")),
    ({"prefix": ""}, ("header", "Authorization", "")),
    ({"param": "token"}, ("query", "token", "")),
    ({"cookie": "session"}, ("cookie", "session", "")),
]


@pytest.mark.parametrize(("written", "place"), PLACES)
def test_place_of_a_login_token(written: dict[str, Any], place: tuple[str, str, str]) -> None:
    (auth,) = parse(auth={**LOGIN, **written}).client.auth
    assert isinstance(auth, LoginConfig)
    assert (auth.location, auth.name, auth.token_prefix) == place
    assert (auth.request.method, auth.request.path) == ("POST", "/login")


def test_ignored_hints_of_a_resource_replace_those_of_the_defaults() -> None:
    def ignored(default: object, own: object) -> tuple[str, ...]:
        config = parse(endpoint={"ignore_hints": own} if own is not MISSING else {}, defaults={"ignore_hints": default})
        return config.resolved_resources()[0].endpoint.ignore_hints

    assert ignored("count", MISSING) == ("count",)
    assert ignored(["count"], ["next", "X-Total"]) == ("next", "X-Total")
    assert ignored(["count"], []) == ()
    assert ignored(["count"], None) == ()


def test_response_actions_of_dlt_are_those_of_error_handler() -> None:
    """dlt has the key at `endpoint`. The resource's own actions replace those of the defaults, wherever they stand."""
    ignore, retry = ({"status_code": 404, "action": action} for action in ("ignore", "retry"))

    def resolved(defaults: dict[str, Any], own: dict[str, Any]) -> ErrorHandler:
        return parse(endpoint=own, defaults=defaults).resolved_resources()[0].endpoint.error_handler

    at_endpoint, in_handler = {"response_actions": [ignore]}, {"error_handler": {"response_actions": [ignore]}}
    expected = ErrorHandler.model_validate({"response_actions": [ignore]})
    for other in ({"response_actions": [retry]}, {"error_handler": {"response_actions": [retry]}}, {}):
        assert resolved(other, at_endpoint) == resolved(other, in_handler) == expected
        if not other:
            assert resolved(at_endpoint, other) == resolved(in_handler, other) == expected
    retries = {"error_handler": {"max_retries": 9}}
    assert resolved(retries, at_endpoint) == resolved(at_endpoint, retries)
    assert resolved(retries, at_endpoint) == expected.model_copy(update={"max_retries": 9})
    assert resolved(at_endpoint, {"response_actions": []}).response_actions == ()


ALIASES = [
    ({"type": "oauth2_client_credentials", "access_token_url": "https://a.b/t"}, {"token_url": "https://a.b/t"}),
    ({"type": "oauth2", "token_url": {"env": "U"}}, {"token_url": SecretRef(env="U")}),
]


@pytest.mark.parametrize(("written", "read"), ALIASES)
def test_dlt_names_of_auth(written: dict[str, Any], read: dict[str, Any]) -> None:
    auth = {"client_id": "me", "client_secret": {"env": "S"}, **written}
    (found,) = parse(auth=auth).client.auth
    assert {name: getattr(found, name) for name in read} == read


PAGINATORS = [
    ({"type": "page_number", "base_page": 1}, PageNumberConfig(start_from_page=1)),
    ({"type": "json_response", "next_url_path": "next"}, JsonLinkConfig(type="json_response", next_url_path="next")),
    ("single_page", SinglePageConfig()),
    ({"type": "header_link", "total_rows_header": "X-Total"}, HeaderLinkConfig(total_rows_header="X-Total")),
    (
        {"type": "cursor", "cursor_path": "$.meta['next.at']", "cursor_param": "c", "stop_condition": "a.b IS empty"},
        CursorConfig(
            cursor_path="$.meta['next.at']",
            cursor_param="c",
            stop_condition=StopCondition(path="a.b", operator="empty"),
        ),
    ),
]


@pytest.mark.parametrize(("written", "read"), PAGINATORS)
def test_paginators(written: object, read: object) -> None:
    assert parse(endpoint={"paginator": written}).resolved_resources()[0].endpoint.paginator == read


MISSING = object()
CONDITIONS = [
    ("false", [False, "false", "False"], [True, None, MISSING, 0, ""]),
    ("true", [True, "true"], [False, None, MISSING, 1]),
    ("null", [None, MISSING], [False, "", 0, []]),
    ("empty", [None, MISSING, "", [], {}], [False, 0, "x", [1]]),
]


@pytest.mark.parametrize(("operator", "ends", "goes_on"), CONDITIONS)
def test_stop_conditions(operator: Any, ends: list[object], goes_on: list[object]) -> None:
    condition = StopCondition(path="hasNext", operator=operator)
    assert [condition.holds(value, MISSING) for value in ends] == [True] * len(ends)
    assert [condition.holds(value, MISSING) for value in goes_on] == [False] * len(goes_on)


COLUMNS = [
    ({"type": "boolean"}, Column(data_type="bool")),
    ({"type": ["null", "integer"]}, Column(data_type="bigint")),
    ({"type": "integer", "format": "epoch_s"}, Column(data_type="timestamp", format="epoch_s")),
    ({"type": "number", "format": "epoch_ms"}, Column(data_type="timestamp", format="epoch_ms")),
    ({"type": "string", "format": "date-time"}, Column(data_type="timestamp", format="iso8601")),
    ({"type": "string", "format": "%d.%m.%Y %H:%M"}, Column(data_type="timestamp", format="%d.%m.%Y %H:%M")),
    ({"type": "string", "format": "date"}, Column(data_type="date")),
    ({"type": ["object", "array", "null"]}, Column(data_type="json")),
    ({"data_type": "timestamp"}, Column(data_type="timestamp", format="iso8601")),
    ({"data_type": "timestamp", "format": "date"}, Column(data_type="timestamp", format="date")),
    ({"data_type": "date"}, Column(data_type="date")),
    ({"data_type": "decimal", "precision": 10, "scale": 2}, Column(data_type="decimal", precision=10, scale=2)),
    ({"data_type": "text", "nullable": False}, Column(data_type="text", nullable=False)),
]


@pytest.mark.parametrize(("written", "read"), COLUMNS)
def test_columns(written: dict[str, Any], read: Column) -> None:
    by_name = parse(columns={"a": written}).resolved_resources()[0].columns
    in_list = parse(columns=[{"name": "a", **written}]).resolved_resources()[0].columns
    assert by_name == in_list == {"a": read}


def test_json_schema_with_other_keywords_is_accepted() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A record",
        "type": "object",
        "additionalProperties": True,
        "required": ["id", "mail"],
        "properties": {
            "id": {"type": "integer", "minimum": 0, "description": "The key."},
            "mail": {"type": ["string", "null"], "format": "email"},
            "seen": {"type": "string", "format": "date-time"},
            "born": {"type": "string", "format": "date", "examples": ["1990-01-01"]},
            "parent": {"type": "object", "properties": {"id": {"type": "anything"}}},
        },
    }
    assert parse(schema=schema).resolved_resources()[0].columns == {
        "id": Column(data_type="bigint", nullable=False, description="The key."),
        "mail": Column(data_type="text"),
        "seen": Column(data_type="timestamp", format="iso8601"),
        "born": Column(data_type="date"),
        "parent": Column(data_type="json"),
    }


LOOKBACKS = [("2 days", 48), ("P2D", 48), ("PT6H", 6), ("6:00:00", 6), ("1 day, 12:00:00", 36)]


@pytest.mark.parametrize(("written", "hours"), LOOKBACKS)
def test_lookback(written: str, hours: int) -> None:
    endpoint = (
        parse(endpoint={"incremental": {"start_param": "s", "lookback": written}}).resolved_resources()[0].endpoint
    )
    assert endpoint.incremental is not None
    assert endpoint.incremental.lookback == timedelta(hours=hours)


LITERAL_BRACES = [
    "{start} {{ 1/0 }}",
    '{"updated": {"gte": "{start}", "lt": "{end}"}}',
    '{"size":{"a":1}}',
    "owner{name},teams{id,name}",
    "{users { name }}",
    "{} { name } {1} {a.b}",
]


@pytest.mark.parametrize("text", LITERAL_BRACES)
def test_braces_that_are_not_a_placeholder_are_literal(text: str, tmp_path: Path) -> None:
    written = f"{{cursor_path: $.at, start_param: s}}\n        params: {{q: {json.dumps(text)}, l: 'a,b'}}"
    (users,) = load_config(write(tmp_path, edited(PATH, INCREMENTAL + written))).resolved_resources()
    assert users.endpoint.params == {"q": text, "l": "a,b"}
    assert users.endpoint.incremental == Incremental(cursor_path="at", start_param="s")


def parse(
    *,
    auth: object = None,
    endpoint: dict[str, Any] | None = None,
    defaults: dict[str, Any] | None = None,
    **resource: Any,
) -> RestApiConfig:
    client = {"base_url": "https://api.example.com", **({"auth": auth} if auth else {})}
    endpoint = {"data_selector": "data", "paginator": "single_page", **(endpoint or {})}
    return parse_config(
        {
            "client": client,
            "resource_defaults": {"endpoint": defaults or {}},
            "resources": [{"name": "users", "primary_key": "id", "endpoint": endpoint, **resource}],
            "partitions": {"cadence": "daily", "start": "2026-10-01"},
        }
    )
