"""What a configuration means: the user's own ones exactly, defaults, synonyms, columns."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from analytics_assets.rest_api.config import (
    ApiKey,
    Bearer,
    Column,
    Cursor,
    Endpoint,
    ErrorHandler,
    HeaderLink,
    Incremental,
    JsonLink,
    OAuth2,
    Offset,
    PageNumber,
    ResolvedResource,
    RestApiConfig,
    SecretRef,
    SinglePage,
    StopCondition,
    load_config,
    parse_config,
)
from analytics_assets_tests.rest_api.config.sample import EVERY_KEY, FIXTURES, INCREMENTAL, PATH, edited, write


def env(name: str) -> SecretRef:
    return SecretRef(env=name)


def oauth2(seed: str, **more: SecretRef) -> OAuth2:
    return OAuth2(
        client_id=env(f"{seed}_CLIENT_ID"),
        client_secret=env(f"{seed}_CLIENT_SECRET"),
        token_url=env(f"{seed}_TOKEN_URL"),
        **more,
    )


def resource(name: str, path: str, paginator: Any, **endpoint: Any) -> ResolvedResource:
    endpoint = {"data_selector": "data", "error_handler": ErrorHandler(), **endpoint}
    return ResolvedResource(
        name=name,
        primary_key=("id",),
        write_disposition="merge",
        endpoint=Endpoint(path=path, paginator=paginator, **endpoint),
    )


CURSOR = Cursor(
    limit=50, cursor_param="offset", cursor_path="next", stop_condition=StopCondition(path="hasNext", operator="false")
)
OPPORTUNITY = {name: Column(kind="text") for name in ("id", "name", "contact")} | {
    name: Column(kind="bigint") for name in ("createdAt", "updatedAt")
}
SEEDS = {
    "seed_000": (oauth2("SEED_000"), [resource("resource_name", "/v1/resource", Offset(limit=100))]),
    "seed_001": (
        ApiKey(name="api_key", api_key=env("SEED_001_API_KEY"), location="query"),
        [resource("resource_name", "/v1/resource", Offset(limit=100))],
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
        [resource(name, f"/v1/{name}", Offset(limit=100)) for name in ("cash_drawers", "bank_accounts")],
    ),
    "seed_004": (
        Bearer(token=env("SEED_004_API_TOKEN")),
        [
            resource(
                "resource_name",
                "/v1/resource",
                PageNumber(limit=2, page_param="page", start_from_page=1),
                data_selector="items.*.data",
                params={"per_page": "2"},
            )
        ],
    ),
}


@pytest.mark.parametrize("name", SEEDS)
def test_a_seed_means_exactly_what_it_says(name: str) -> None:
    seed = load_config(FIXTURES / "seeds" / name / "defs.yaml")
    auth, resources = SEEDS[name]
    assert seed.client.base_url == env(f"{name.upper()}_BASE_URL")
    assert seed.client.auth == (auth,)
    assert list(seed.merged()) == resources
    assert (seed.partitions, seed.schedule, seed.sandbox) == (None, None, False)


# What is right


def test_every_key_is_read() -> None:
    config = load_config(EVERY_KEY)
    offsets, pages, cursors, json_links, header_links, _, singles = config.merged()
    assert [auth.type for auth in config.client.auth] == ["oauth2", "api_key", "bearer", "http_basic"]
    assert offsets.endpoint.params == {"a": "1", "b": "true", "c": "text", "filter[x][_gte]": "{start}"}
    assert offsets.endpoint.headers == {"X-A": "b"}
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
        "createdAt": Column(kind="timestamp", format="epoch_ms", description="When it was made."),
        "amount": Column(kind="decimal", precision=38, scale=9, nullable=False),
    }
    assert (offsets.primary_key, offsets.null_key, offsets.owners, offsets.tags, offsets.preview) == (
        ("id", "region"),
        "skip",
        ("team:data",),
        {"domain": "hr"},
        False,
    )
    assert (offsets.schema_contract.data_type, pages.schema_contract.data_type) == ("discard_value", "freeze")
    assert isinstance(pages.endpoint.paginator, PageNumber)
    assert (pages.endpoint.paginator.start_from_page, pages.endpoint.paginator.first_page) == (1, 2)
    assert pages.columns == {"a": Column(kind="text"), "b": Column(kind="timestamp", format="epoch_s")}
    assert cursors.columns == {
        "id": Column(kind="bigint", nullable=False),
        "at": Column(kind="timestamp", format="iso8601"),
        "tags": Column(kind="json"),
    }
    assert isinstance(json_links.endpoint.paginator, JsonLink)
    assert isinstance(header_links.endpoint.paginator, HeaderLink)
    assert singles.endpoint.paginator == SinglePage(), "as `client.paginator` says"
    assert singles.endpoint.path == "singles", "the resource's name, as in dlt"
    assert config.partitions is not None
    assert config.partitions.start == datetime(2026, 10, 1, 6)


def test_a_resource_wins_over_the_defaults() -> None:
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
    other, plain, linked = config.merged()
    assert other == ResolvedResource(
        name="other",
        primary_key=("x", "y"),
        columns={"b": Column(kind="double")},
        tags={"b": "2"},
        endpoint=Endpoint(
            path="other",
            params={"a": "1", "b": "two"},
            headers={"X-A": "1", "X-B": "2"},
            data_selector="data",
            paginator=Offset(limit=2),
            incremental=Incremental(end_param="until"),
            error_handler=ErrorHandler(backoff_factor=1),
        ),
    )
    assert (plain.endpoint.incremental, plain.write_disposition) == (None, "replace"), "null takes a default away"
    assert linked.endpoint.paginator == HeaderLink()


SYNONYMS = [
    ({"type": "oauth2_client_credentials", "access_token_url": "https://a.b/t"}, {"token_url": "https://a.b/t"}),
    ({"type": "oauth2", "token_url": {"env": "U"}}, {"token_url": SecretRef(env="U")}),
]


@pytest.mark.parametrize(("written", "read"), SYNONYMS)
def test_dlt_names_of_auth(written: dict[str, Any], read: dict[str, Any]) -> None:
    auth = {"client_id": "me", "client_secret": {"env": "S"}, **written}
    (found,) = parse(auth=auth).client.auth
    assert {name: getattr(found, name) for name in read} == read


PAGINATORS = [
    ({"type": "page_number", "base_page": 1}, PageNumber(start_from_page=1)),
    ({"type": "json_response", "next_url_path": "next"}, JsonLink(type="json_response", next_url_path="next")),
    ("single_page", SinglePage()),
    ({"type": "header_link", "total_rows_header": "X-Total"}, HeaderLink(total_rows_header="X-Total")),
    (
        {"type": "cursor", "cursor_path": "$.meta['next.at']", "cursor_param": "c", "stop_condition": "a.b IS empty"},
        Cursor(
            cursor_path="$.meta['next.at']",
            cursor_param="c",
            stop_condition=StopCondition(path="a.b", operator="empty"),
        ),
    ),
]


@pytest.mark.parametrize(("written", "read"), PAGINATORS)
def test_paginators(written: object, read: object) -> None:
    assert parse(endpoint={"paginator": written}).merged()[0].endpoint.paginator == read


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
    ({"type": "boolean"}, Column(kind="bool")),
    ({"type": ["null", "integer"]}, Column(kind="bigint")),
    ({"type": "integer", "format": "epoch_s"}, Column(kind="timestamp", format="epoch_s")),
    ({"type": "number", "format": "epoch_ms"}, Column(kind="timestamp", format="epoch_ms")),
    ({"type": "string", "format": "date-time"}, Column(kind="timestamp", format="iso8601")),
    ({"type": "string", "format": "%d.%m.%Y %H:%M"}, Column(kind="timestamp", format="%d.%m.%Y %H:%M")),
    ({"type": "string", "format": "date"}, Column(kind="date")),
    ({"type": ["object", "array", "null"]}, Column(kind="json")),
    ({"data_type": "timestamp"}, Column(kind="timestamp", format="iso8601")),
    ({"data_type": "timestamp", "format": "date"}, Column(kind="timestamp", format="date")),
    ({"data_type": "date"}, Column(kind="date")),
    ({"data_type": "decimal", "precision": 10, "scale": 2}, Column(kind="decimal", precision=10, scale=2)),
    ({"data_type": "text", "nullable": False}, Column(kind="text", nullable=False)),
]


@pytest.mark.parametrize(("written", "read"), COLUMNS)
def test_columns(written: dict[str, Any], read: Column) -> None:
    by_name = parse(columns={"a": written}).merged()[0].columns
    in_list = parse(columns=[{"name": "a", **written}]).merged()[0].columns
    assert by_name == in_list == {"a": read}


def test_a_json_schema_is_taken_as_it_is_found() -> None:
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
    assert parse(schema=schema).merged()[0].columns == {
        "id": Column(kind="bigint", nullable=False, description="The key."),
        "mail": Column(kind="text"),
        "seen": Column(kind="timestamp", format="iso8601"),
        "born": Column(kind="date"),
        "parent": Column(kind="json"),
    }


LOOKBACKS = [("2 days", 48), ("P2D", 48), ("PT6H", 6), ("6:00:00", 6), ("1 day, 12:00:00", 36)]


@pytest.mark.parametrize(("written", "hours"), LOOKBACKS)
def test_lookback(written: str, hours: int) -> None:
    endpoint = parse(endpoint={"incremental": {"start_param": "s", "lookback": written}}).merged()[0].endpoint
    assert endpoint.incremental is not None
    assert endpoint.incremental.lookback == timedelta(hours=hours)


def test_braces_and_templates_are_text(tmp_path: Path) -> None:
    text = edited(
        PATH, INCREMENTAL + "{cursor_path: $.at}\n        params: {q: '{start} {x} {{ 1/0 }} ${HOME}', l: 'a,b'}"
    )
    (users,) = load_config(write(tmp_path, text)).merged()
    assert users.endpoint.params == {"q": "{start} {x} {{ 1/0 }} ${HOME}", "l": "a,b"}
    assert users.endpoint.incremental == Incremental(cursor_path="at")


def parse(*, auth: object = None, endpoint: dict[str, Any] | None = None, **resource: Any) -> RestApiConfig:
    client = {"base_url": "https://api.example.com", **({"auth": auth} if auth else {})}
    endpoint = {"data_selector": "data", "paginator": "single_page", **(endpoint or {})}
    return parse_config(
        {
            "client": client,
            "resources": [{"name": "users", "primary_key": "id", "endpoint": endpoint, **resource}],
            "partitions": {"cadence": "daily", "start": "2026-10-01"},
        }
    )
