"""A wrong setting fails the load and leaves the table as it is; the right one beside it loads every row."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from analytics_assets.rest_api.config import RestApiConfig, parse_config
from analytics_assets.rest_api.errors import RestApiError
from analytics_assets.sandbox import (
    Api,
    CursorPagination,
    Endpoint,
    OffsetPagination,
    PageNumberPagination,
    Sandbox,
    TimeFilter,
    serve,
)
from analytics_assets.sandbox.pagination import Pagination
from analytics_assets_tests.cases.wrong_settings import CASES, ROWS, WrongSetting, cursor, number, offset
from analytics_assets_tests.support.loaders import Loader, day


def configuration(case: WrongSetting, paginator: Any, threads: int, **endpoint: Any) -> RestApiConfig:
    described = {"path": "/rows", "data_selector": case.selector, "paginator": paginator, **case.endpoint, **endpoint}
    resource = {"name": "rows", "primary_key": "id", **case.resource, "endpoint": described}
    return parse_config(
        {
            "client": {"base_url": {"env": "SHOP_BASE_URL"}, "max_concurrency": threads},
            "resources": [{key: value for key, value in resource.items() if value is not None}],
        }
    )


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_wrong_setting_fails_and_changes_nothing(case: WrongSetting, threads: int, tmp_path: Path) -> None:
    endpoint = Endpoint("/rows", ROWS, pagination=case.api, selector=case.selector, extra=case.extra)
    sandbox = Sandbox([Api("shop", [endpoint], strict=False)])
    with serve(sandbox) as url:
        loader = Loader("shop", sandbox.variables(url), tmp_path)
        right = configuration(case, case.right, threads)
        loader.load(right, "rows", full_refresh=True)
        assert loader.rows("rows") == list(ROWS)
        with pytest.raises(RestApiError, match=rf"(?s){case.error}"):
            loader.load(configuration(case, case.wrong, threads, **case.wrong_endpoint), "rows", full_refresh=True)
        assert loader.rows("rows") == list(ROWS)


def test_the_table_of_wrong_settings_is_large() -> None:
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)


# What looks like a hint and is none, with the configuration that loads all rows.
HARMLESS: list[tuple[str, Pagination, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ("a count of the page", OffsetPagination(max_limit=50), {"count": 50}, offset(), {}),
    (
        "a total under an ignored name",
        OffsetPagination(max_limit=50),
        {"total": 999},
        offset(),
        {"ignore_hints": "total"},
    ),
    (
        "a token under an ignored name",
        PageNumberPagination(default_limit=50, base=1),
        {"meta": {"next": "x"}},
        number(start_from_page=1),
        {"ignore_hints": ["meta.next"]},
    ),
    ("a total of another kind", OffsetPagination(max_limit=50), {"total": 12345.5}, offset(), {}),
    ("a total in an unknown object", OffsetPagination(max_limit=50), {"facets": {"total": 999}}, offset(), {}),
    ("an empty next link", OffsetPagination(max_limit=50), {"next": "", "links": {"next": None}}, offset(), {}),
    (
        "a token beside a flag that is false",
        OffsetPagination(max_limit=50),
        {"next_cursor": "x", "has_more": False},
        offset(),
        {},
    ),
    (
        "all rows counted beside the filtered ones",
        OffsetPagination(max_limit=50, total_path="meta.filter_count"),
        {"meta.total_count": 999},
        offset(),
        {},
    ),
    (
        "a page count that was read",
        PageNumberPagination(default_limit=50, base=1),
        {"pages": 4},
        number(start_from_page=1),
        {},
    ),
    ("a cursor that the last page lacks", CursorPagination(default_limit=50, last="absent"), {}, cursor("next"), {}),
]


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize(
    ("api", "extra", "paginator", "keys"), [case[1:] for case in HARMLESS], ids=[case[0] for case in HARMLESS]
)
def test_what_is_no_hint_does_not_fail_a_load(
    api: Pagination,
    extra: dict[str, Any],
    paginator: dict[str, Any],
    keys: dict[str, Any],
    threads: int,
    tmp_path: Path,
) -> None:
    sandbox = Sandbox([Api("shop", [Endpoint("/rows", ROWS, pagination=api, extra=extra)], strict=False)])
    case = WrongSetting(name="", api=api, wrong={}, right={}, error="")
    with serve(sandbox) as url:
        loader = Loader("shop", sandbox.variables(url), tmp_path)
        loader.load(configuration(case, paginator, threads, **keys), "rows")
        assert loader.rows("rows") == list(ROWS)


@pytest.mark.parametrize("hint", ["next", "next_page_token", "links.next"])
def test_a_path_that_no_response_has_fails_where_the_api_names_its_next_page_otherwise(
    hint: str, tmp_path: Path
) -> None:
    """All rows are on the only page: the misspelt path would lose rows as soon as there are two."""
    api = CursorPagination(default_limit=500, cursor_path=hint)
    sandbox = Sandbox([Api("shop", [Endpoint("/rows", ROWS, pagination=api)], strict=False)])
    case = WrongSetting(name="", api=api, wrong={}, right={}, error="")
    with serve(sandbox) as url:
        loader = Loader("shop", sandbox.variables(url), tmp_path)
        with pytest.raises(RestApiError, match=rf"no response has `paginator.cursor_path: nxt`.*`{hint}`"):
            loader.load(configuration(case, cursor("nxt"), 1), "rows")
        assert loader.types("rows") == {}


def test_a_bounded_read_is_exempt_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    api = OffsetPagination(max_limit=50, total_path="total")
    sandbox = Sandbox([Api("shop", [Endpoint("/rows", ROWS, pagination=api)])])
    case = WrongSetting(name="", api=api, wrong={}, right={}, error="")
    with serve(sandbox) as url, caplog.at_level(logging.INFO, "analytics_assets"):
        loader = Loader("shop", sandbox.variables(url), tmp_path)
        loader.load(configuration(case, offset(maximum_offset=100), 1), "rows")
        assert loader.rows("rows") == list(ROWS[:100])
    assert any("`maximum_offset`" in message for message in caplog.messages)


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
    sandbox = Sandbox([Api("shop", [endpoint])])
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
    with serve(sandbox) as url, caplog.at_level(logging.WARNING, "analytics_assets"):
        loader = Loader("shop", sandbox.variables(url), tmp_path)
        if proven:
            loader.load(config, "rows", window=day(2))
            assert [row["id"] for row in loader.rows("rows")] == list(range(24, 48))
            assert sum("the total does not count the window" in message for message in caplog.messages) == 1
        else:
            with pytest.raises(RestApiError, match="`total` is 240"):
                loader.load(config, "rows", window=day(2))
