"""Against dlt's own `rest_api_source`: the same description and the same server lead to the same table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest
from dlt.sources.rest_api import rest_api_source

from analytics_assets.rest_api.config import parse_config
from analytics_assets_tests.fake_api import (
    AfterIdPagination,
    Api,
    ApiKey,
    Auth,
    Bearer,
    CursorPagination,
    Endpoint,
    FakeServer,
    HeaderCursorPagination,
    HeaderLinkPagination,
    HttpBasic,
    JsonLinkPagination,
    OAuth2,
    OffsetPagination,
    PageNumberPagination,
    Pagination,
    SinglePagePagination,
    serve,
)
from analytics_assets_tests.support.loaders import Loader, table_types

ROWS = [
    {
        "id": n,
        "fullName": ("Zoë Müller", "Олена", "田中 さくら", 'Ana "Nana"\n', None)[n % 5],
        "ledger number": 2**53 + 1 + n,
        "balance": n * 0.1 if n % 4 else None,
        "open": (True, False, None)[n % 3],
        "owner": {"id": n, "teams": [n, None, {"é": 1.5}], "createdAt": "2026-10-01"} if n % 6 else None,
        "tags": ["référence", "新卒"][: n % 3],
        "updated_at": f"2026-10-{n:02}T12:00:00.25Z" if n % 7 else None,
        "day": f"2026-10-{n:02}",
        "always_null": None,
    }
    for n in range(1, 26)
]
COLUMNS = {
    "id": "bigint",
    "full_name": "text",
    "ledger_number": "bigint",
    "balance": "double",
    "open": "bool",
    "owner": "json",
    "tags": "json",
    "updated_at": "timestamp",
    "day": "date",
    "always_null": "text",
}
TYPES = {
    "id": "BIGINT",
    "full_name": "VARCHAR",
    "ledger_number": "BIGINT",
    "balance": "DOUBLE",
    "open": "BOOLEAN",
    "owner": "JSON",
    "tags": "JSON",
    "updated_at": "TIMESTAMP WITH TIME ZONE",
    "day": "DATE",
    "always_null": "VARCHAR",
}


@dataclass(frozen=True)
class Case:
    """One kind of credentials and of pagination: what the server does, and how a client is told."""

    pagination: Pagination = field(default_factory=SinglePagePagination)
    paginator: Mapping[str, Any] = field(default_factory=lambda: {"type": "single_page"})
    auth: Auth | tuple[Auth, ...] = ()
    client_auth: Mapping[str, Any] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    selector: str = "data"
    request: Mapping[str, Any] = field(default_factory=dict)

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(
            "/v1/orders",
            ROWS,
            pagination=self.pagination,
            selector=self.selector,
            params=(frozenset(self.params) | {"where.q"}) - self.pagination.params,
            method=self.request.get("method", "GET"),
        )


PAGINATORS = {
    "single_page": Case(),
    "bare_array": Case(selector="$"),
    "nested_selector": Case(selector="answer.items"),
    "offset_total": Case(
        OffsetPagination(total_path="meta.total"), {"type": "offset", "limit": 4, "total_path": "meta.total"}
    ),
    "offset_no_total": Case(OffsetPagination(), {"type": "offset", "limit": 4, "total_path": None}),
    "offset_names": Case(
        OffsetPagination(offset_param="skip", limit_param="take"),
        {"type": "offset", "limit": 5, "offset_param": "skip", "limit_param": "take", "total_path": None},
    ),
    "offset_has_more": Case(
        OffsetPagination(has_more_path="more"),
        {"type": "offset", "limit": 4, "total_path": None, "has_more_path": "more"},
    ),
    "offset_maximum": Case(
        OffsetPagination(), {"type": "offset", "limit": 4, "total_path": None, "offset": 4, "maximum_offset": 12}
    ),
    "page_number_total": Case(
        PageNumberPagination(default_limit=4, pages_path="pages"),
        {"type": "page_number", "base_page": 0, "total_path": "pages"},
    ),
    "page_number_total_from_1": Case(
        PageNumberPagination(default_limit=4, base=1, pages_path="pages"),
        {"type": "page_number", "base_page": 1, "total_path": "pages"},
    ),
    "page_number_no_total": Case(
        PageNumberPagination(base=1, limit_param="per_page"),
        {"type": "page_number", "base_page": 1, "page_param": "page", "total_path": None},
        params={"per_page": 5},
    ),
    "page_number_from_the_middle": Case(
        PageNumberPagination(default_limit=5, base=1),
        {"type": "page_number", "base_page": 1, "page": 3, "total_path": None},
    ),
    "page_number_maximum": Case(
        PageNumberPagination(default_limit=5), {"type": "page_number", "maximum_page": 2, "total_path": None}
    ),
    "cursor": Case(
        CursorPagination(cursor_path="meta.next"),
        {"type": "cursor", "cursor_path": "meta.next", "cursor_param": "cursor"},
        params={"limit": 4},
    ),
    "cursor_absent_at_the_end": Case(
        CursorPagination(default_limit=4, last="absent", integers=True),
        {"type": "cursor", "cursor_path": "next", "cursor_param": "cursor"},
    ),
    "cursor_has_more": Case(
        CursorPagination(default_limit=4, has_more_path="hasNext"),
        {"type": "cursor", "cursor_path": "next", "cursor_param": "cursor", "has_more_path": "hasNext"},
    ),
    "json_link": Case(
        JsonLinkPagination(default_limit=4, link_path="paging.next"),
        {"type": "json_link", "next_url_path": "paging.next"},
    ),
    "json_link_relative": Case(
        JsonLinkPagination(relative=True), {"type": "json_link", "next_url_path": "next"}, params={"limit": 6}
    ),
    "header_link": Case(HeaderLinkPagination(default_limit=4), {"type": "header_link"}),
    "header_link_relation": Case(
        HeaderLinkPagination(default_limit=4, rel="onwards"), {"type": "header_link", "links_next_key": "onwards"}
    ),
    "header_cursor": Case(
        HeaderCursorPagination(default_limit=4, header="X-Next", cursor_param="after"),
        {"type": "header_cursor", "cursor_key": "X-Next", "cursor_param": "after"},
    ),
}
BODIES = {
    "post_json": Case(
        CursorPagination(cursor_param="page.after"),
        {"type": "cursor", "cursor_path": "next", "cursor_body_path": "page.after"},
        request={"method": "POST", "json": {"limit": 4, "where": {"q": "{{a}} b"}}},
    ),
    "post_form": Case(
        PageNumberPagination(default_limit=4, pages_path="pages"),
        {"type": "page_number", "base_page": 0, "total_path": "pages"},
        request={"method": "POST", "data": {"where.q": "a b&c"}},
    ),
    "post_page": Case(
        PageNumberPagination(page_param="page.number", base=1),
        {"type": "page_number", "base_page": 1, "page_body_path": "page.number", "total_path": None},
        request={"method": "POST", "json": {"limit": 4, "page": {}}},
    ),
    "post_offset": Case(
        OffsetPagination(offset_param="at.offset", limit_param="at.limit", total_path="total"),
        {
            "type": "offset",
            "limit": 4,
            "offset_body_path": "at.offset",
            "limit_body_path": "at.limit",
            "total_path": "total",
        },
        request={"method": "POST"},
    ),
    "post_header_cursor": Case(
        HeaderCursorPagination(default_limit=4, header="X-Next", cursor_param="after"),
        {"type": "header_cursor", "cursor_key": "X-Next", "cursor_param": "after"},
        request={"method": "POST", "json": {"where": {"q": "x"}}},
    ),
    "post_json_link": Case(
        JsonLinkPagination(default_limit=4, link_path="paging.next"),
        {"type": "json_link", "next_url_path": "paging.next"},
        request={"method": "POST", "json": {"where": {"q": "x"}}},
    ),
    "last_record": Case(
        AfterIdPagination(default_limit=4, first=1),
        {"type": "cursor", "cursor_path": "data[-1].id", "cursor_param": "after"},
    ),
}
PAGED: tuple[Pagination, Mapping[str, Any]] = (
    CursorPagination(default_limit=4),
    {"type": "cursor", "cursor_path": "next", "cursor_param": "cursor"},
)
AUTHS = {
    "bearer": Case(*PAGED, Bearer("token+/="), {"type": "bearer", "token": {"env": "API_TOKEN"}}),
    "api_key_query": Case(
        *PAGED,
        ApiKey("key +&/é", name="key", location="query"),
        {"type": "api_key", "name": "key", "api_key": {"env": "API_KEY"}, "location": "query"},
    ),
    "api_key_header": Case(
        *PAGED,
        ApiKey("key", name="X-Api-Key", location="header"),
        {"type": "api_key", "name": "X-Api-Key", "api_key": {"env": "API_KEY"}, "location": "header"},
    ),
    "http_basic": Case(
        *PAGED,
        HttpBasic("user", "pass:word"),
        {"type": "http_basic", "username": {"env": "USERNAME"}, "password": {"env": "PASSWORD"}},
    ),
    "oauth2_client_credentials": Case(
        *PAGED,
        OAuth2("client", "client secret", fields={"scope": "read"}),
        {
            "type": "oauth2_client_credentials",
            "access_token_url": {"env": "TOKEN_URL"},
            "client_id": {"env": "CLIENT_ID"},
            "client_secret": {"env": "CLIENT_SECRET"},
            "access_token_request_data": {"scope": "read"},
        },
    ),
}
CASES = {**PAGINATORS, **BODIES, **AUTHS}


@dataclass(frozen=True)
class Server:
    """One API a case, all on one server, and the DuckDB file that dlt has loaded them into, a table a case."""

    sandbox: FakeServer
    url: str
    dlt_file: Path

    def variables(self, case: str) -> dict[str, str]:
        """What a client of a case's API needs, by names without the API's."""
        found = self.sandbox.apis[case].variables(self.url)
        return {name.removeprefix(f"{case.upper()}_"): value for name, value in found.items()}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    sandbox = FakeServer([Api(name, [case.endpoint], auth=case.auth) for name, case in CASES.items()])
    folder = tmp_path_factory.mktemp("dlt")
    with serve(sandbox) as url:
        server = Server(sandbox, url, folder / "dlt.duckdb")
        pipeline = dlt.pipeline(
            "differential",
            pipelines_dir=str(folder),
            destination=dlt.destinations.duckdb(str(server.dlt_file)),
            dataset_name="shop",
        )
        try:
            sources = [resolved(described(name), server.variables(name)) for name in CASES]
            pipeline.run([rest_api_source(source) for source in sources])
        finally:
            pipeline.deactivate()
        yield server


@pytest.mark.parametrize("name", CASES)
def test_table_is_that_of_dlt(name: str, server: Server, tmp_path: Path) -> None:
    loader = Loader("shop", server.variables(name), tmp_path)
    loader.load(parse_config(described(name)), name)

    assert loader.types(name) == table_types(server.dlt_file, "shop", name) == TYPES
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{loader.file}' AS ours (READ_ONLY); ATTACH '{server.dlt_file}' AS dlt (READ_ONLY)")
        ours, theirs = (f"SELECT {', '.join(TYPES)} FROM {file}.shop.{name}" for file in ("ours", "dlt"))
        assert connection.sql(ours).fetchall()
        assert connection.sql(f"{ours} EXCEPT ALL {theirs}").fetchall() == []
        assert connection.sql(f"{theirs} EXCEPT ALL {ours}").fetchall() == []


def described(name: str) -> dict[str, Any]:
    """A case's API in words that both understand."""
    case = CASES[name]
    return {
        "client": {
            "base_url": {"env": "BASE_URL"},
            **({"auth": dict(case.client_auth)} if case.client_auth else {}),
        },
        "resources": [
            {
                "name": name,
                "primary_key": "id",
                "write_disposition": "merge",
                "columns": {column: {"data_type": kind} for column, kind in COLUMNS.items()},
                "endpoint": {
                    "path": case.endpoint.path,
                    "params": dict(case.params),
                    **case.request,
                    "data_selector": case.selector,
                    "paginator": dict(case.paginator),
                },
            }
        ],
    }


def resolved(config: Any, variables: Mapping[str, str]) -> Any:
    """The description as dlt takes it: values in place of their names, and nested values kept in their columns."""
    if isinstance(config, list):
        return [resolved(value, variables) for value in config]
    if not isinstance(config, dict):
        return config
    if config.keys() == {"env"}:
        return variables[config["env"]]
    found = {name: resolved(value, variables) for name, value in config.items()}
    return {**found, "max_table_nesting": 0} if "primary_key" in found else found
