"""A wrong setting fails the load and leaves the table as it is; the right one beside it loads every row."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from analytics_assets.rest_api.config import RestApiConfig, parse_config
from analytics_assets.rest_api.errors import RestApiError
from analytics_assets_tests.cases.wrong_settings import CASES, ROWS, WrongSetting, cursor, number, offset
from analytics_assets_tests.fake_api import (
    Api,
    CursorPagination,
    Endpoint,
    FakeServer,
    OffsetPagination,
    PageNumberPagination,
    Pagination,
    TimeFilter,
    serve,
)
from analytics_assets_tests.support.loaders import Loader, day

NUMBERED = ("offset", "page_number")


def configuration(
    paginator: Mapping[str, Any],
    threads: int,
    *,
    selector: str = "data",
    endpoint: Mapping[str, Any] | None = None,
    resource: Mapping[str, Any] | None = None,
) -> RestApiConfig:
    described = {"path": "/rows", "data_selector": selector, "paginator": paginator, **(endpoint or {})}
    keys = {"name": "rows", "primary_key": "id", **(resource or {}), "endpoint": described}
    return parse_config(
        {
            "client": {"base_url": {"env": "SHOP_BASE_URL"}, "max_concurrency": threads},
            "resources": [{key: value for key, value in keys.items() if value is not None}],
        }
    )


# Only numbered pages are read by several threads.
RUNS = [(case, threads) for case in CASES for threads in ((1, 4) if case.wrong["type"] in NUMBERED else (4,))]


@pytest.mark.parametrize(("case", "threads"), RUNS, ids=[f"{case}, {threads} threads" for case, threads in RUNS])
def test_a_wrong_setting_fails_and_changes_nothing(case: WrongSetting, threads: int, tmp_path: Path) -> None:
    endpoint = Endpoint("/rows", ROWS, pagination=case.api, selector=case.selector, extra=case.extra)
    server = FakeServer([Api("shop", [endpoint], strict=False)])
    with serve(server) as url:
        loader = Loader("shop", server.variables(url), tmp_path)
        keys: dict[str, Any] = {"selector": case.selector, "resource": case.resource}
        right = configuration(case.right, threads, endpoint=case.endpoint, **keys)
        wrong = configuration(case.wrong, threads, endpoint={**case.endpoint, **case.wrong_endpoint}, **keys)
        loader.load(right, "rows", full_refresh=True)
        assert loader.rows("rows") == list(ROWS)
        with pytest.raises(RestApiError, match=rf"(?s){case.error}"):
            loader.load(wrong, "rows", full_refresh=True)
        assert loader.rows("rows") == list(ROWS)


def test_the_table_of_wrong_settings_is_large() -> None:
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)


OFFSETS = OffsetPagination(max_limit=50)
NUMBERS = PageNumberPagination(default_limit=50, base=1)


@dataclass(frozen=True, kw_only=True)
class HarmlessField:
    """A field that looks like a hint and is not one, with the configuration that loads all rows."""

    name: str
    api: Pagination = OFFSETS
    paginator: Mapping[str, Any] = field(default_factory=offset)
    extra: Mapping[str, Any] = field(default_factory=dict)
    endpoint: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


HARMLESS = [
    HarmlessField(name="a count of the page", extra={"count": 50}),
    HarmlessField(name="a total under an ignored name", extra={"total": 999}, endpoint={"ignore_hints": "total"}),
    HarmlessField(
        name="a token under an ignored path",
        api=NUMBERS,
        paginator=number(start_from_page=1),
        extra={"meta": {"next": "x"}},
        endpoint={"ignore_hints": ["meta.next"]},
    ),
    HarmlessField(name="a total that is not a number of rows", extra={"total": 12345.5}),
    HarmlessField(name="a total in an object of another name", extra={"facets": {"total": 999}}),
    HarmlessField(name="empty links to a next page", extra={"next": "", "links": {"next": None}}),
    HarmlessField(name="a token beside a flag that is false", extra={"next_cursor": "x", "has_more": False}),
    HarmlessField(
        name="a total of all rows beside one of the filtered rows",
        api=OffsetPagination(max_limit=50, total_path="meta.filter_count"),
        extra={"meta.total_count": 999},
    ),
    HarmlessField(name="a number of pages", api=NUMBERS, paginator=number(start_from_page=1), extra={"pages": 4}),
    HarmlessField(
        name="a cursor that the last page lacks",
        api=CursorPagination(default_limit=50, last="absent"),
        paginator=cursor("next"),
    ),
]


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("case", HARMLESS, ids=str)
def test_fields_that_are_not_hints_do_not_fail_a_load(case: HarmlessField, threads: int, tmp_path: Path) -> None:
    server = FakeServer([Api("shop", [Endpoint("/rows", ROWS, pagination=case.api, extra=case.extra)], strict=False)])
    with serve(server) as url:
        loader = Loader("shop", server.variables(url), tmp_path)
        loader.load(configuration(case.paginator, threads, endpoint=case.endpoint), "rows")
        assert loader.rows("rows") == list(ROWS)


@pytest.mark.parametrize("hint", ["next", "next_page_token", "links.next"])
def test_a_path_that_no_response_has_fails_where_the_api_names_its_next_page_otherwise(
    hint: str, tmp_path: Path
) -> None:
    """All rows are on the only page: the misspelt path would lose rows as soon as there are two."""
    api = CursorPagination(default_limit=500, cursor_path=hint)
    server = FakeServer([Api("shop", [Endpoint("/rows", ROWS, pagination=api)], strict=False)])
    with serve(server) as url:
        loader = Loader("shop", server.variables(url), tmp_path)
        with pytest.raises(RestApiError, match=rf"no response has `paginator.cursor_path: nxt`.*`{hint}`"):
            loader.load(configuration(cursor("nxt"), 1), "rows")
        assert loader.types("rows") == {}


def test_a_bounded_read_is_exempt_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    api = OffsetPagination(max_limit=50, total_path="total")
    server = FakeServer([Api("shop", [Endpoint("/rows", ROWS, pagination=api)])])
    with serve(server) as url, caplog.at_level(logging.INFO, "analytics_assets"):
        loader = Loader("shop", server.variables(url), tmp_path)
        loader.load(configuration(offset(maximum_offset=100), 1), "rows")
        assert loader.rows("rows") == list(ROWS[:100])
    assert any("ended at the bound that the paginator sets, after 100 rows" in message for message in caplog.messages)


WINDOWED = [{"id": hour, "at": f"2026-10-{1 + hour // 24:02}T{hour % 24:02}:00:00Z"} for hour in range(240)]


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("proven", [True, False])
def test_a_total_that_does_not_count_the_window(
    proven: bool, threads: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the cursor proves the end it is a warning, else an error."""
    api: Pagination = CursorPagination(default_limit=10) if proven else OffsetPagination(max_limit=10)
    time_filter = TimeFilter("at", {"since": "{start}", "until": "{end}"})
    endpoint = Endpoint("/rows", WINDOWED, pagination=api, updated=time_filter, extra={"total": 240})
    server = FakeServer([Api("shop", [endpoint])])
    described = {
        "path": "/rows",
        "data_selector": "data",
        "paginator": cursor("next") if proven else offset(limit=10),
        "incremental": {"cursor_path": "at", "start_param": "since", "end_param": "until"},
    }
    config = parse_config(
        {
            "client": {"base_url": {"env": "SHOP_BASE_URL"}, "max_concurrency": threads},
            "resources": [{"name": "rows", "primary_key": "id", "endpoint": described}],
            "partitions": {"cadence": "daily", "start": "2026-10-01"},
        }
    )
    with serve(server) as url, caplog.at_level(logging.WARNING, "analytics_assets"):
        loader = Loader("shop", server.variables(url), tmp_path)
        if proven:
            loader.load(config, "rows", window=day(2))
            assert [row["id"] for row in loader.rows("rows")] == list(range(24, 48))
            assert sum("the total does not count the window" in message for message in caplog.messages) == 1
        else:
            with pytest.raises(RestApiError, match="`total` is 240"):
                loader.load(config, "rows", window=day(2))
