"""Against a GraphQL server that is not ours: Ariadne on a real socket, as the documents describe it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from ariadne import ObjectType, QueryType, make_executable_schema
from ariadne.asgi import GraphQL

from analytics_assets import sandbox
from analytics_assets.rest_api.config import Endpoint, RestApiConfig, parse_config
from analytics_assets.rest_api.errors import ResponseError
from analytics_assets.rest_api.extract.status_errors import is_graphql
from analytics_assets_tests.docs.markdown import blocks
from analytics_assets_tests.fake_api import Endpoint as ApiEndpoint
from analytics_assets_tests.fake_api import serve_endpoint
from analytics_assets_tests.support.loaders import Loader, day
from analytics_assets_tests.support.project import ROOT
from analytics_assets_tests.support.read_ids import read_ids

SCHEMA = """
type Query {
  issues(first: Int!, after: String, updatedSince: String, updatedUntil: String): IssueConnection
  viewer: Viewer
}
type Viewer { issues(first: Int!, after: String): IssueConnection }
type IssueConnection { totalCount: Int, nodes: [Issue], edges: [Edge], pageInfo: PageInfo! }
type Edge { cursor: String, node: Issue }
type PageInfo { hasNextPage: Boolean!, endCursor: String }
type Issue { id: ID!, title: String, updatedAt: String, number: Int, assignee: User, broken: String }
type User { name: String }
"""
ISSUES = [
    {
        "id": f"i{n:03}",
        "title": f'"{n}" {{end}} é',
        "updatedAt": f"2026-10-{n // 40 + 1:02}T{n % 24:02}:00:00Z",
        "number": n,
        "assignee": {"name": f"user {n % 3}"} if n % 4 else None,
    }
    for n in range(130)
]
TOKEN = "tracker-t0ken"
PAGE = {"nodes": "nodes { id number }", "pageInfo": "pageInfo { hasNextPage endCursor }"}


def connection(first: int, after: str | None, rows: Sequence[Any]) -> dict[str, Any]:
    """A Relay connection: one page of the rows, and where the next one begins."""
    start = 0 if after is None else 1 + next(n for n, row in enumerate(rows) if row["id"] == after)
    page = rows[start : start + min(first, 50)]  # as many servers do, without a word
    return {
        "totalCount": len(rows),
        "nodes": page,
        "edges": [{"cursor": row["id"], "node": row} for row in page],
        "pageInfo": {"hasNextPage": start + len(page) < len(rows), "endCursor": page[-1]["id"] if page else None},
    }


def application() -> Any:
    query, viewer, issue = QueryType(), ObjectType("Viewer"), ObjectType("Issue")

    @query.field("issues")
    def issues(
        _: Any,
        info: Any,
        *,
        first: int,
        after: str | None = None,
        updatedSince: str | None = None,  # noqa: N803
        updatedUntil: str | None = None,  # noqa: N803
    ) -> Any:
        if info.context["request"].headers.get("authorization") != f"Bearer {TOKEN}":
            raise ValueError("not authenticated")
        rows = [row for row in ISSUES if (updatedSince or "") <= cast("str", row["updatedAt"]) < (updatedUntil or "9")]
        return connection(first, after, rows)

    @query.field("viewer")
    def resolve_viewer(*_: Any) -> Any:
        return {}

    @viewer.field("issues")
    def viewer_issues(_: Any, __: Any, *, first: int, after: str | None = None) -> Any:
        return connection(first, after, ISSUES)

    @issue.field("broken")
    def broken(row: Any, _: Any) -> str:
        if row["number"] == 99:
            raise ValueError(f"no access to this field with {TOKEN}")
        return "whole"

    return GraphQL(make_executable_schema(SCHEMA, query, viewer, issue))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with sandbox.serve(cast(Any, application())) as url:
        yield url


@pytest.fixture
def loader(url: str, tmp_path: Path) -> Loader:
    return Loader("tracker", {"TRACKER_BASE_URL": url, "TRACKER_API_TOKEN": TOKEN}, tmp_path)


def described(query: str, connection: str, records: str = "nodes", **endpoint: Any) -> RestApiConfig:
    return parse_config(
        {
            "client": {
                "base_url": {"env": "TRACKER_BASE_URL"},
                "auth": {"type": "bearer", "token": {"env": "TRACKER_API_TOKEN"}},
            },
            "partitions": {"cadence": "daily", "start": "2026-10-01"},
            "resources": [
                {
                    "name": "issues",
                    "primary_key": "id",
                    "endpoint": {
                        "path": "/",
                        "method": "POST",
                        "json": {"query": query},
                        "data_selector": f"{connection}.{records}",
                        "paginator": {
                            "type": "cursor",
                            "limit": 40,
                            "limit_body_path": "variables.first",
                            "cursor_body_path": "variables.after",
                            "cursor_path": f"{connection}.pageInfo.endCursor",
                            "has_more_path": f"{connection}.pageInfo.hasNextPage",
                        },
                        "error_handler": {"max_retries": 0},
                        **endpoint,
                    },
                }
            ],
        }
    )


@pytest.fixture(scope="module")
def documented() -> RestApiConfig:
    """The example of the documents."""
    [example] = [block for block in blocks("yaml", ROOT / "docs" / "graphql.md") if "attributes:" in block.text]
    return parse_config(yaml.safe_load(example.text)["attributes"])


def expected(rows: Sequence[Any]) -> list[dict[str, Any]]:
    return [
        {
            "id": row["id"],
            "title": row["title"],
            "updated_at": datetime.fromisoformat(row["updatedAt"].replace("Z", "+00:00")),
            "assignee": row["assignee"],
        }
        for row in rows
    ]


def test_documented_example_loads_all_history(documented: RestApiConfig, loader: Loader) -> None:
    result = loader.load(documented, "issues", full_refresh=True)
    assert loader.rows("issues") == expected(ISSUES)
    assert result.metrics.requests == 3


@pytest.mark.parametrize("concurrency", [1, 4])
def test_documented_example_loads_windows(documented: RestApiConfig, loader: Loader, concurrency: int) -> None:
    client = documented.client.model_copy(update={"max_concurrency": concurrency})
    config = documented.model_copy(update={"client": client})
    result = loader.load(config, "issues", window=day(2, 3))
    assert loader.rows("issues") == expected(ISSUES[40:120])
    assert result.statistics.rows_outside_window == 0


@pytest.mark.parametrize("root", ["issues", "viewer"])
@pytest.mark.parametrize("records", ["nodes", "edges[*].node"])
def test_connections_at_any_depth(root: str, records: str, loader: Loader) -> None:
    rows = "edges { node { id number } }" if "edges" in records else "nodes { id number }"
    field = f"issues(first: $first, after: $after) {{ totalCount {rows} pageInfo {{ hasNextPage endCursor }} }}"
    query = f"query($first: Int!, $after: String) {{{f'viewer {{{field}}}' if root == 'viewer' else field}}}"
    place = "data.viewer.issues" if root == "viewer" else "data.issues"
    loader.load(described(query, place, records), "issues")
    assert [row["number"] for row in loader.rows("issues")] == list(range(130))


def test_connection_that_is_not_paged_is_an_error_at_any_depth(loader: Loader) -> None:
    query = "{viewer{issues(first: 40) {nodes {id} pageInfo {hasNextPage}}}}"
    config = described(query, "data.viewer.issues", paginator={"type": "single_page"})
    with pytest.raises(ResponseError, match=r"`data\.viewer\.issues\.pageInfo\.hasNextPage` is true"):
        loader.load(config, "issues")


def test_cursor_that_the_query_ignores_is_an_error(loader: Loader) -> None:
    query = "query($first: Int!) {issues(first: $first) {nodes {id} pageInfo {hasNextPage endCursor}}}"
    with pytest.raises(ResponseError, match=r"the API sent the same (cursor|page) twice"):
        loader.load(described(query, "data.issues"), "issues")


ISSUES_QUERY = "query($first: Int!, $after: String) {issues(first: $first, after: $after) {nodes {id %s} %s}}"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        # partial data: the field of one row on the third page
        ("broken", r"page 3: the response has GraphQL errors \(no access to this field with \*\*\*\)"),
        # no data
        ("absent", r"the API returned 400 .*Cannot query field 'absent' on type 'Issue'"),
    ],
)
def test_errors_fail_the_load_and_leave_the_table(fields: str, error: str, loader: Loader) -> None:
    good = described(ISSUES_QUERY % ("number", PAGE["pageInfo"]), "data.issues")
    loader.load(good, "issues")
    before = loader.rows("issues")
    with pytest.raises(ResponseError, match=error) as caught:
        loader.load(described(ISSUES_QUERY % (fields, PAGE["pageInfo"]), "data.issues"), "issues")
    assert TOKEN not in str(caught.value)
    assert loader.rows("issues") == before


def test_errors_without_data_fail_the_load(loader: Loader) -> None:
    config = described(ISSUES_QUERY % ("number", PAGE["pageInfo"]), "data.issues")
    stranger = Loader("tracker", {**loader.environ, "TRACKER_API_TOKEN": "another"}, loader.folder)
    with pytest.raises(ResponseError, match=r"page 1: the response has GraphQL errors \(not authenticated\)"):
        stranger.load(config, "issues")


def test_graphql_error_may_be_retried_by_its_text(loader: Loader) -> None:
    retried = {"response_actions": [{"content": "not authenticated", "action": "retry"}], "max_retries": 2}
    config = described(
        ISSUES_QUERY % ("number", PAGE["pageInfo"]), "data.issues", error_handler={**retried, "backoff_factor": 0}
    )
    stranger = Loader("tracker", {**loader.environ, "TRACKER_API_TOKEN": "another"}, loader.folder)
    with pytest.raises(ResponseError, match="after all retries"):
        stranger.load(config, "issues")


def test_bounds_inside_the_text_of_a_query(loader: Loader) -> None:
    query = (
        'query($first: Int!, $after: String) {issues(first: $first, after: $after, updatedSince: "{start}", '
        'updatedUntil: "{end}") {nodes {id number updatedAt} pageInfo {hasNextPage endCursor}}}'
    )
    config = described(query, "data.issues", incremental={"cursor_path": "updatedAt"})
    loader.load(config, "issues", window=day(1))
    assert [row["number"] for row in loader.rows("issues")] == list(range(40))


QUERY = "{ issues { id } }"
REQUESTS: list[tuple[dict[str, Any], bool]] = [
    ({"json_": {"query": QUERY}}, True),
    ({"data": {"query": QUERY}}, True),
    ({"params": {"query": QUERY}}, True),
    ({"path": "/api/GraphQL/", "data": "text"}, True),
    ({"path": "/graphql", "json_": {"extensions": {"persistedQuery": {}}}}, True),
    ({"json_": {"query": "status = open"}}, False),
    ({"json_": {"where": QUERY}}, False),
    ({"json_": [{"query": 1}]}, False),
    ({"params": {"query": "open"}}, False),
    ({}, False),
]


@pytest.mark.parametrize(("request_parts", "expected"), REQUESTS)
def test_requests_that_are_graphql(request_parts: dict[str, Any], expected: bool) -> None:
    assert is_graphql(Endpoint.model_validate({"path": "/issues", **request_parts})) is expected


@pytest.mark.parametrize("errors", [None, [], "absent"])
def test_response_without_errors_is_a_page(errors: Any) -> None:
    with serve_endpoint(server_endpoint({} if errors == "absent" else {"errors": errors})) as (_, url):
        assert read_ids(url, {"type": "single_page"}, method="POST", json_={"query": QUERY}) == [1]


@pytest.mark.parametrize(
    ("errors", "reason"),
    [
        ([{"message": "a"}, {"message": "b", "path": ["x", 1]}], r" \(a; b\)"),
        ([{"message": "m" * 500}], r" \(m{199}…\)"),
        ([{"message": f"{n}"} for n in range(50)], r" \(0; 1; 2; 3; 4; 5; 6; 7; 8; 9\)"),
        ([{"code": 7}], ""),
        (["text"], r" \(text\)"),
        ("text", r" \(text\)"),
        ({"message": "a"}, r" \(a\)"),
    ],
)
def test_errors_of_any_shape_are_found_and_bounded(errors: Any, reason: str) -> None:
    message = f"the response has GraphQL errors{reason}: correct the query"
    with serve_endpoint(server_endpoint({"errors": errors})) as (_, url), pytest.raises(ResponseError, match=message):
        read_ids(url, {"type": "single_page"}, method="POST", json_={"query": QUERY})


def test_key_named_errors_of_another_api_is_no_error() -> None:
    with serve_endpoint(server_endpoint({"errors": [{"message": "a"}]}, method="GET")) as (_, url):
        assert read_ids(url, {"type": "single_page"}) == [1]


def server_endpoint(fields: dict[str, Any], method: str = "POST") -> ApiEndpoint:
    """An endpoint with one row, and these fields beside it."""
    return ApiEndpoint("/rows", [{"id": 1}], extra=fields, method=method, params=frozenset({"query"}))
