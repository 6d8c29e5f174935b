"""Each wrong setting but the paginator: its message, and a proposal that loads every row when it is pasted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from analytics_assets.rest_api.windows import Window
from analytics_assets_tests.fake_api import (
    Api,
    ApiKey,
    Bearer,
    Endpoint,
    FakeServer,
    OffsetPagination,
    TimeFilter,
    serve,
)
from analytics_assets_tests.support.loaders import day
from analytics_assets_tests.support.probing import Described

OFFSET = {"type": "offset", "limit": 50}
PARAMS = {"updated_from": "{start}", "updated_to": "{end}"}
ISO = [{"id": n, "at": f"2026-10-{n // 24 + 1:02}T{n % 24:02}:00:00Z", "name": f"row {n}"} for n in range(240)]
SECONDS = [{"id": n, "at": 1790812800 + 3600 * n} for n in range(240)]  # from 2026-10-01
MILLISECONDS = [{"id": n, "at": 1790812800000 + 3_600_000 * n} for n in range(240)]
INCREMENTAL = {"cursor_path": "at", "start_param": "updated_from", "end_param": "updated_to"}


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """A wrong setting.

    Attributes:
        name: What is wrong.
        message: What the problem says.
        fix: What the proposal changes.
        rows: The API's rows.
        api: Arguments of the API's endpoint.
        auth: The API's authentication.
        endpoint: Keys of the endpoint in the YAML.
        resource: Keys of the resource in the YAML.
        client: Keys of `client` in the YAML.
        window: The window to load with the proposal; None for all rows.
    """

    name: str
    message: str
    fix: Mapping[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=lambda: ISO)
    api: Mapping[str, Any] = field(default_factory=dict)
    auth: Any = ()
    endpoint: Mapping[str, Any] = field(default_factory=dict)
    resource: Mapping[str, Any] = field(default_factory=dict)
    client: Mapping[str, Any] = field(default_factory=dict)
    window: Window | None = None
    strict: bool = True

    def __str__(self) -> str:
        return self.name

    @contextmanager
    def described(self, folder: Path) -> Iterator[Described]:
        """The API, served, and its description."""
        pagination = OffsetPagination(default_limit=50, max_limit=50)
        endpoint = Endpoint(**{"path": "/v1/rows", "rows": self.rows, "pagination": pagination, **self.api})
        server = FakeServer([Api("shop", [endpoint], auth=self.auth, strict=self.strict)])
        with serve(server) as url:
            written = {"path": "/v1/rows", "data_selector": "data", "paginator": OFFSET, **self.endpoint}
            resource = {"primary_key": "id", "endpoint": written, **self.resource}
            yield Described(resource, server.variables(url), folder, self.client)


def endpoint(**keys: Any) -> dict[str, Any]:
    return {"endpoint": keys}


CASES = [
    Wrong(
        name="data_selector of another list",
        message="`data_selector: items` leads to nothing",
        fix=endpoint(data_selector="data"),
        endpoint={"data_selector": "items"},
    ),
    Wrong(
        name="data_selector one level too high",
        message="`data_selector: payload` leads to an object",
        fix=endpoint(data_selector="payload.list"),
        api={"selector": "payload.list"},
        endpoint={"data_selector": "payload"},
    ),
    Wrong(
        name="data_selector of a bare list",
        message="`data_selector: data` leads to nothing",
        fix=endpoint(data_selector="$"),
        api={"selector": "$"},
    ),
    Wrong(
        name="path that repeats a part of the base URL",
        message="the API returned 404. The API has /v1/rows",
        fix=endpoint(path="/v1/rows"),
        endpoint={"path": "/shop/v1/rows"},
    ),
    Wrong(
        name="path without the version",
        message="the API returned 404",
        fix=endpoint(path="/v1/rows"),
        endpoint={"path": "/rows"},
    ),
    Wrong(
        name="path in the singular",
        message="the API returned 404",
        fix=endpoint(path="/v1/rows"),
        endpoint={"path": "/v1/row"},
    ),
    Wrong(
        name="parameter that the API refuses",
        message="It refuses the parameter `expand`",
        fix=endpoint(params={"expand": None}),
        endpoint={"params": {"expand": "owner"}},
    ),
    Wrong(
        name="primary_key that no record has",
        message="'uuid' is null or missing in 100 of 100 rows",
        fix={"primary_key": "id"},
        resource={"primary_key": "uuid"},
    ),
    Wrong(
        name="primary_key that is not unique",
        message="kind has 2 values in 100 rows",
        fix={"primary_key": "id"},
        rows=[{"id": n, "kind": ("a", "b")[n % 2]} for n in range(240)],
        resource={"primary_key": "kind"},
    ),
    Wrong(
        name="primary_key of two fields",
        message="line has 2 values in 100 rows",
        fix={"primary_key": ["order", "line"]},
        rows=[{"id": n, "order": n // 2, "line": n % 2} for n in range(240)],
        resource={"primary_key": "line", "exclude": ["id"]},
    ),
    Wrong(
        name="cursor_path that no record has",
        message="`incremental.cursor_path: updatedAt`: no record has this field",
        fix=endpoint(incremental=INCREMENTAL),
        api={"updated": TimeFilter("at", PARAMS)},
        endpoint={"incremental": {**INCREMENTAL, "cursor_path": "updatedAt"}},
        window=day(2),
    ),
    Wrong(
        name="format of text where numbers are sent",
        message="the values of `at` are epoch_ms",
        fix=endpoint(incremental={**INCREMENTAL, "format": "epoch_ms"}),
        rows=MILLISECONDS,
        api={"updated": TimeFilter("at", PARAMS, format="epoch_ms")},
        endpoint={"incremental": INCREMENTAL},
        window=day(2),
    ),
    Wrong(
        name="unit of milliseconds where seconds are sent",
        message="the values of `at` are epoch_s",
        fix=endpoint(incremental={**INCREMENTAL, "format": "epoch_s"}),
        rows=SECONDS,
        api={"updated": TimeFilter("at", PARAMS, format="epoch_s")},
        endpoint={"incremental": {**INCREMENTAL, "format": "epoch_ms"}},
        window=day(2),
    ),
    Wrong(
        name="unit of seconds where milliseconds are sent",
        message="the values of `at` are epoch_ms",
        fix=endpoint(incremental={**INCREMENTAL, "format": "epoch_ms"}),
        rows=MILLISECONDS,
        api={"updated": TimeFilter("at", PARAMS, format="epoch_ms")},
        endpoint={"incremental": {**INCREMENTAL, "format": "epoch_s"}},
        window=day(2),
    ),
    Wrong(
        name="parameters in another format than the records",
        message="`endpoint.incremental`",
        fix={
            **endpoint(incremental={**INCREMENTAL, "format": "epoch_ms"}),
            "columns": {"at": {"data_type": "timestamp", "format": "iso8601"}},
        },
        api={"updated": TimeFilter("at", PARAMS, format="epoch_ms", field_format="iso8601")},
        endpoint={"incremental": INCREMENTAL},
        window=day(2),
    ),
    Wrong(
        name="parameters that the API ignores",
        message="the API ignores the parameters",
        fix=endpoint(incremental=INCREMENTAL),
        api={"updated": TimeFilter("at", PARAMS)},
        endpoint={"incremental": {**INCREMENTAL, "start_param": "changed_from", "end_param": "changed_to"}},
        strict=False,
        window=day(2),
    ),
    Wrong(
        name="bearer token that the API takes in a header of its own",
        message="The API accepts the key of SHOP_API_KEY in the header `X-API-Key`",
        fix={},
        auth=ApiKey(key="a-canary-key", name="X-API-Key", location="header"),
        client={"auth": {"type": "bearer", "token": {"env": "SHOP_API_KEY"}}},
    ),
    Wrong(
        name="header of its own where the API takes a bearer token",
        message="It asks for the scheme Bearer",
        fix={},
        auth=Bearer("a-canary-token"),
        client={"auth": {"type": "api_key", "name": "X-Token", "api_key": {"env": "SHOP_API_TOKEN"}}},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_proposal_loads_every_row(case: Wrong, tmp_path: Path) -> None:
    with case.described(tmp_path) as wrong:
        found = wrong.probe()
        assert [problem for problem in found.problems if case.message in problem.message], found.problems
        assert found.fix == case.fix
        right = wrong.pasted(found)
        assert right.probe().problems == []
        excluded = wrong.resource.get("exclude", ())
        rows = [{name: value for name, value in row.items() if name not in excluded} for row in case.rows]
        expected = rows[24:48] if case.window else rows
        loaded = right.load(window=case.window) if not excluded else []
    if not excluded:
        assert [row["id"] for row in loaded] == [row["id"] for row in expected]
