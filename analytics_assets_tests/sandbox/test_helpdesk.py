"""The helpdesk of the sandbox: the worked example of the documents loads it exactly."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
import urllib3
import yaml

from analytics_assets.rest_api.config import RestApiConfig, parse_config
from analytics_assets.sandbox.helpdesk import data
from analytics_assets.sandbox.helpdesk.api import helpdesk
from analytics_assets.sandbox.helpdesk.endpoints import RateLimit
from analytics_assets.sandbox.http import HTTPError
from analytics_assets_tests.docs.markdown import blocks
from analytics_assets_tests.fake_api import FakeServer, serve
from analytics_assets_tests.support.config_samples import DatesAsText
from analytics_assets_tests.support.loaders import Loader, day
from analytics_assets_tests.support.project import ROOT

SALT = "a salt of the tests"


@pytest.fixture(scope="module")
def config() -> RestApiConfig:
    [example] = blocks("yaml", ROOT / "docs" / "helpdesk.md")
    return parse_config(yaml.load(example.text, DatesAsText)["attributes"])


@pytest.fixture
def loader(tmp_path: Path) -> Iterator[tuple[Loader, FakeServer]]:
    server = FakeServer([helpdesk()])
    with serve(server) as url:
        yield Loader("helpdesk", {**server.variables(url), "HASH_SALT": SALT}, tmp_path), server


def hashed(text: str) -> str:
    return hmac.new(SALT.encode(), text.encode(), hashlib.sha256).hexdigest()


def test_the_worked_example_loads_exactly(config: RestApiConfig, loader: tuple[Loader, FakeServer]) -> None:
    load, server = loader
    results = {
        resource.name: load.load(config, resource.name, full_refresh=True) for resource in config.resolved_resources()
    }
    tickets = data.tickets()
    for ticket in tickets:
        requester = ticket["requester"]
        ticket["requester"] = {"name": requester["name"], "email": hashed(requester["email"])}
    stored = load.rows("tickets")
    assert [{**row, "updated_at": row["updated_at"].isoformat().replace("+00:00", "Z")} for row in stored] == tickets
    comments = {(row["_tickets_id"], row["id"]): row["body"] for row in load.rows("comments")}
    assert comments == {
        (ticket["id"], comment["id"]): comment["body"]
        for ticket in tickets
        if ticket["id"] != data.DELETED_TICKET
        for comment in data.comments(ticket["id"])
    }
    counts = results["comments"].statistics.parents
    assert counts is not None
    assert (counts.read, counts.ignored) == (60, 1)
    assert {(row["_region"], row["name"]) for row in load.rows("queues")} == {
        (region, row["name"]) for region in data.REGIONS for row in data.queues(region)
    }
    assert load.rows("articles") == [row for row in data.articles() if row["status"] == "published"]
    assert sorted(load.rows("agents"), key=str) == sorted(data.agents(), key=str)
    with duckdb.connect(str(load.file), read_only=True) as connection:
        ratings = connection.execute(
            "FROM helpdesk.ratings SELECT ticket_id, score, remark ORDER BY ticket_id"
        ).fetchall()
    assert ratings == [tuple(row.values()) for row in data.ratings()]
    assert [record.status for record in server.requests].count(404) == 1


def test_comments_follow_their_tickets(config: RestApiConfig, loader: tuple[Loader, FakeServer]) -> None:
    load, server = loader
    window = day(2)
    tickets = load.load(config, "tickets", window=window)
    before = len(server.requests)
    comments = load.load(config, "comments", window=window)
    assert 0 < tickets.rows < 60
    assert comments.statistics.parents is not None
    assert comments.statistics.parents.read == tickets.rows
    assert len(server.requests) - before >= tickets.rows


def test_one_login_serves_all_loads(config: RestApiConfig, loader: tuple[Loader, FakeServer]) -> None:
    load, server = loader
    for name in ("queues", "articles", "agents", "ratings"):
        load.load(config, name)
    assert [record.request.path for record in server.requests].count("/helpdesk/auth/login") == 1


def test_requests_above_the_rate_limit_are_rejected() -> None:
    limit = RateLimit(2, 1_000_000_000)  # one period of thirty years
    assert [limit.headers()["RateLimit-Remaining"] for _ in range(2)] == ["1", "0"]
    with pytest.raises(HTTPError) as caught:
        limit.headers()
    assert caught.value.status == 429
    assert caught.value.headers is not None
    assert caught.value.headers["Retry-After"] == caught.value.headers["RateLimit-Reset"]


@pytest.mark.parametrize(
    "query", ["", "{ users { id } }", "query A { agents(first: $first, after: $after) { nodes { x } } }"]
)
def test_an_unknown_query_is_an_error_with_status_200(query: str) -> None:
    server = FakeServer([replace(helpdesk(), auth=())])
    with serve(server) as url:
        body = json.dumps({"query": query, "variables": {"first": 5}})
        response = urllib3.request(
            "POST", f"{url}/helpdesk/graphql", body=body, headers={"Content-Type": "application/json"}
        )
    assert response.status == 200
    assert response.json() == {"errors": [{"message": "unknown query: try agents(first: $first, after: $after)"}]}
