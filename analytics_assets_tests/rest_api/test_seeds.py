"""The five configurations that this project began with, as their users wrote them: from YAML to table, exact rows."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from analytics_assets.rest_api.config import load_config
from analytics_assets.sandbox import data
from analytics_assets_tests.fake_api import (
    Api,
    ApiKey,
    Bearer,
    CursorPagination,
    Endpoint,
    FakeServer,
    OAuth2,
    OffsetPagination,
    PageNumberPagination,
    serve,
)
from analytics_assets_tests.support.loaders import Loader, table_rows
from analytics_assets_tests.support.project import Project

FOLDER = Path(__file__).parent.parent / "fixtures" / "seeds"
BEYOND_DOUBLE = 2**53 + 1
THREADS = 4  # as many requests as are under way at once, if the YAML does not say
PAGED = frozenset({"limit", "offset"})

READINGS = [
    {
        "id": n,
        "data": {"reading": n / 4, "site": ("Łódź", "Ōsaka", None)[n % 3], "flags": [n % 2 == 0]} if n % 9 else None,
    }
    for n in range(1, 251)
]
EVENTS = [
    {
        "id": BEYOND_DOUBLE + n,
        "customer_id": f"customer-{n % 20:02}" if n % 6 else None,
        "event_type": ("signed up", "ordered", "解約")[n % 3],
        "event_timestamp": f"2026-10-{n % 28 + 1:02}T0{n % 10}:00:00Z",
        "amount": n * 0.25 if n % 4 else None,
    }
    for n in range(230)
]
ITEMS = [{"id": f"item {n:02}", "created_at": f"2026-10-{n:02}", "Owner": {"name": "Zoë"}} for n in range(1, 10)]


@dataclass(frozen=True)
class Seed:
    """An API that fits a seed, and what reading all of it takes: query parameters, and pages with rows."""

    api: Api
    types: Mapping[str, Mapping[str, str]]
    params: frozenset[str]
    pages: int


SEEDS = [
    Seed(
        Api(
            "seed_000",
            [Endpoint("/v1/resource", READINGS, pagination=OffsetPagination(max_limit=10))],
            auth=OAuth2("client", "client secret", token_uses=10, status=201, lifetime_as="text"),
        ),
        {"resource_name": {"id": "BIGINT", "data": "JSON"}},
        params=PAGED,
        pages=25,
    ),
    Seed(
        Api(
            "seed_001",
            [Endpoint("/v1/resource", EVENTS, pagination=OffsetPagination(max_limit=100))],
            auth=ApiKey("key + / & secret", name="api_key", location="query"),
        ),
        {
            "resource_name": {
                "id": "BIGINT",
                "customer_id": "VARCHAR",
                "event_type": "VARCHAR",
                "event_timestamp": "VARCHAR",
                "amount": "DOUBLE",
            }
        },
        params=PAGED | {"api_key"},
        pages=3,
    ),
    Seed(
        Api(
            "seed_002",
            [
                Endpoint(
                    f"/v1/{name}",
                    rows,
                    pagination=CursorPagination(cursor_param="offset", has_more_path="hasNext", max_limit=30),
                )
                for name, rows in (("opportunities", data.opportunities()), ("users", data.users()))
            ],
            auth=OAuth2(
                "client", "client secret", refresh_token="refresh", rotate=True, token_uses=9, lifetime_as="absent"
            ),
        ),
        {
            "opportunities": {
                "id": "VARCHAR",
                "name": "VARCHAR",
                "contact": "VARCHAR",
                "created_at": "BIGINT",
                "updated_at": "BIGINT",
                "stage": "VARCHAR",
                "owner": "JSON",
                "tags": "JSON",
                "salary": "DOUBLE",
                "archived": "BOOLEAN",
                "candidate_number": "BIGINT",
            },
            "users": {
                "id": "VARCHAR",
                "name": "VARCHAR",
                "email": "VARCHAR",
                "access_role": "VARCHAR",
                "active": "BOOLEAN",
                "manager": "JSON",
                "external_id": "BIGINT",
                "created_at": "BIGINT",
                "updated_at": "BIGINT",
            },
        },
        params=PAGED,
        pages=34 + 8,
    ),
    Seed(
        Api(
            "seed_003",
            [
                Endpoint(f"/v1/{name}", rows, pagination=OffsetPagination(max_limit=20))
                for name, rows in (("cash_drawers", data.cash_drawers()), ("bank_accounts", data.bank_accounts()))
            ],
            auth=OAuth2("client", "client secret", token_uses=12),
        ),
        {
            "cash_drawers": {
                "id": "BIGINT",
                "name": "VARCHAR",
                "currency": "VARCHAR",
                "balance": "DOUBLE",
                "open": "BOOLEAN",
                "last_count": "JSON",
                "ledger_number": "BIGINT",
                "created_at": "VARCHAR",
                "updated_at": "VARCHAR",
            },
            "bank_accounts": {
                "id": "BIGINT",
                "name": "VARCHAR",
                "account_number": "VARCHAR",
                "currency": "VARCHAR",
                "balance_minor": "BIGINT",
                "interest_rate": "DOUBLE",
                "bank": "JSON",
                "holders": "JSON",
                "closed_at": "VARCHAR",
                "created_at": "VARCHAR",
                "updated_at": "VARCHAR",
            },
        },
        params=PAGED,
        pages=9 + 21,
    ),
    Seed(
        Api(
            "seed_004",
            [
                Endpoint(
                    "/v2/v1/resource",
                    ITEMS,
                    pagination=PageNumberPagination(base=1, limit_param="per_page", default_limit=9, max_limit=2),
                    selector=("items.*.data", "items[*].data", "items.*.data[*]", "items[*].data[*]"),
                )
            ],
            auth=Bearer("token"),
        ),
        {"resource_name": {"id": "VARCHAR", "created_at": "VARCHAR", "owner": "JSON"}},
        params=frozenset({"page", "per_page"}),
        pages=5,
    ),
]


def environ(sandbox: FakeServer, url: str) -> dict[str, str]:
    return {**sandbox.variables(url), "SEED_004_BASE_URL": f"{url}/seed_004/v2"}


def rows_of(api: Api, resource: str) -> Iterable[Mapping[str, Any]]:
    return next(endpoint.rows for endpoint in api.endpoints if endpoint.path.endswith((f"/{resource}", "/v1/resource")))


def as_stored(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows as their table must hold them: names in snake_case, in the order of the ids."""
    return sorted(
        ({re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower(): value for name, value in row.items()} for row in rows),
        key=lambda row: row["id"],
    )


def check_requests(sandbox: FakeServer, seed: Seed) -> None:
    """Each page was read once, few were asked for beyond the end, and a token was renewed only when it was used up."""
    records = [record for record in sandbox.requests if record.request.path.startswith(f"/{seed.api.name}/")]
    read = [record.request for record in records if record.request.method == "GET" and record.status == 200]
    assert len({(request.path, *request.query.items()) for request in read}) == len(read)
    # Each thread may ask for a page beyond the end, and one more looks for rows after an empty page.
    assert seed.pages <= len(read) <= seed.pages + (THREADS + 1) * len(seed.types)
    assert {name for request in read for name in request.query} == seed.params

    [auth] = seed.api.auths
    tokens = sum(record.request.method == "POST" for record in records)
    assert tokens == (math.ceil(len(read) / auth.token_uses) if isinstance(auth, OAuth2) and auth.token_uses else 0)
    refused = [record.status for record in records if record.status not in (200, 201)]
    assert set(refused) <= {401}
    assert max(tokens - 1, 0) <= len(refused) <= THREADS * tokens


@pytest.mark.parametrize("seed", SEEDS, ids=[seed.api.name for seed in SEEDS])
def test_from_yaml_to_table(seed: Seed, tmp_path: Path) -> None:
    sandbox = FakeServer([seed.api])
    with serve(sandbox) as url:
        config = load_config(FOLDER / seed.api.name / "defs.yaml")
        loader = Loader(seed.api.name, environ(sandbox, url), tmp_path)
        for resource in seed.types:
            loader.load(config, resource)
    for resource, types in seed.types.items():
        assert loader.rows(resource) == as_stored(rows_of(seed.api, resource))
        assert loader.types(resource) == types
    check_requests(sandbox, seed)


@pytest.mark.e2e
def test_all_five_in_one_job(project: Project) -> None:
    """As their users run them: a folder of five APIs, the command line, and tokens that expire in the middle."""
    sandbox = FakeServer([seed.api for seed in SEEDS])
    with serve(sandbox) as url:
        project.execute("full_refresh", env={**environ(sandbox, url), "ANALYTICS_DEFS_DIR": str(FOLDER)})
    for seed in SEEDS:
        for resource in seed.types:
            loaded = table_rows(project.warehouse, seed.api.name, resource)
            assert loaded == as_stored(rows_of(seed.api, resource)), f"{seed.api.name}.{resource}"
        check_requests(sandbox, seed)
