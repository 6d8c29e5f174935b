"""Metadata, checks and log lines of a load."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import dagster as dg
import duckdb
import pytest

from analytics_assets.components.metadata.preview import markdown_table
from analytics_assets_tests.components.conftest import JobHarness, materializations
from analytics_assets_tests.fake_api import Api, Bearer, Endpoint, FakeServer, OffsetPagination, TimeFilter, faults

TOKEN = "HUSH-token"
ORDERS = """\
type: analytics_assets.components.RestApi
attributes:
  client:
    base_url: {env: SHOP_BASE_URL}
    auth: {type: bearer, token: {env: SHOP_API_TOKEN}}
    max_concurrency: 1
    max_requests_per_second: %(rate)s
  resources:
    - name: orders
      primary_key: id
      preview: %(preview)s
      schema_contract: %(contract)s
      columns:
        id: {type: integer, description: Its number.}
        updatedAt: {type: ["null", string], format: date-time}
      endpoint:
        path: /v1/orders
        data_selector: data
        paginator: {type: offset, limit: 2%(total)s}
        incremental: {cursor_path: updatedAt, start_param: since, end_param: until}
  partitions: {cadence: daily, start: 2026-10-01}
"""
SNAPSHOT = """\
type: analytics_assets.components.RestApi
attributes:
  client: {base_url: {env: SHOP_BASE_URL}}
  resources:
    - name: orders
      endpoint: {path: /v1/orders, data_selector: data, paginator: {type: offset, limit: 10}}
      %s
"""
TABLES = "SELECT schema_name, table_name FROM duckdb_tables()"
ROWS: list[dict[str, Any]] = [
    {"id": 1, "updatedAt": "2026-10-01T06:00:00Z", "amount": 5, "note": "a | b", "tags": ["x"]},
    {"id": 2, "updatedAt": "2026-10-01T07:00:00Z", "amount": 6, "note": None, "tags": []},
    {"id": 3, "updatedAt": "2026-10-02T00:00:00Z", "amount": 7, "note": "second day", "tags": None},
]
TIMED = {"seconds_waited", "api_seconds", "seconds", "rows_per_second"}
LINEAGE = {"id": ["id"], "updated_at": ["updatedAt"], "amount": ["amount"], "note": ["note"], "tags": ["tags"]}
COLUMNS = [
    ("id", "bigint", "Its number.", False, True),
    ("updated_at", "timestamp", None, True, False),
    ("amount", "bigint", None, True, False),
    ("note", "text", None, True, False),
    ("tags", "json", None, True, False),
    ("_dlt_load_id", "text", "The load that wrote the row, as in the metadata of its materialization.", True, False),
]


@pytest.fixture
def shop(build_harness: Callable[..., JobHarness]) -> Callable[..., JobHarness]:
    def build(
        rows: list[dict[str, Any]] = ROWS,
        *,
        preview: str = "true",
        rate: str = "null",
        total: str = "",
        contract: str = "evolve",
        **how: Any,
    ) -> JobHarness:
        updated = TimeFilter("updatedAt", {"since": "{start}", "until": "{end}"}, **how)
        pages = OffsetPagination(max_limit=100, total_path="total" if total else None)
        endpoint = Endpoint("/v1/orders", rows, pagination=pages, updated=updated)
        sandbox = FakeServer([Api("shop", [endpoint], auth=Bearer(TOKEN))])
        settings = {"preview": preview, "rate": rate, "total": total, "contract": contract}
        return build_harness(sandbox, {"shop": ORDERS % settings})

    return build


def metadata_of(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """The metadata of the last materialization."""
    return dict(list(materializations(result, "shop/orders").values())[-1])


def seen(schema: dg.TableSchema) -> list[tuple[str, str, str | None, bool, bool]]:
    return [
        (column.name, column.type, column.description, column.constraints.nullable, column.constraints.unique)
        for column in schema.columns
    ]


def test_metadata_of_a_first_load(shop: Callable[..., JobHarness]) -> None:
    harness = shop(end="inclusive")
    harness.server.faults.add(faults.status(503, headers={"Retry-After": "0"}), path="/v1/orders", page=2)
    metadata = metadata_of(harness.run("shop_incremental", partition="2026-10-01"))
    schema, preview = metadata.pop("dagster/column_schema"), metadata.pop("preview")
    lineage, load_id = metadata.pop("dagster/column_lineage"), metadata.pop("_dlt_load_id")
    with duckdb.connect(str(harness.folder / "warehouse.duckdb"), read_only=True) as connection:
        assert connection.sql("SELECT DISTINCT _dlt_load_id FROM shop.orders").fetchall() == [(load_id,)]
    assert {name: [dep.column_name for dep in deps] for name, deps in lineage.deps_by_column.items()} == LINEAGE
    host = metadata.pop("api_host")
    assert re.fullmatch(r"127\.0\.0\.1:\d+", host)
    timed = {name: metadata.pop(name) for name in TIMED}
    assert metadata == {
        "dagster/table_name": "shop.orders",
        "dagster/row_count": 2,
        "dagster/partition_row_count": 2,
        "rows_loaded": 2,
        "chunk_partitions": 1,
        "chunk_rows_loaded": 2,
        "newest_cursor": timestamp("2026-10-01T07:00:00Z"),
        "rows_outside_window": 1,
        "rows_without_key": 0,
        "ignored_reads": 0,
        "mode": "merge",
        "window": "[2026-10-01T00:00:00Z, 2026-10-02T00:00:00Z)",
        "pages": 3,
        "requests": 4,
        "retries": 1,
        "bytes_received": page_bytes(ROWS[:2]) + page_bytes(ROWS[2:]) + page_bytes([]) + len(b'{"error":"fault 503"}'),
        "new_columns": "amount, id, note, tags, updated_at",
        "changed_columns": "none",
        "source": "API",
        "api_path": "/shop/v1/orders",
        "warehouse": str(harness.folder / "warehouse.duckdb"),
        "dagster/uri": f"duckdb://{harness.folder / 'warehouse.duckdb'}",
    }
    assert seen(schema) == COLUMNS
    assert all(isinstance(seconds, float) and seconds >= 0 for seconds in timed.values())
    assert timed["api_seconds"] > 0
    assert timed["rows_per_second"] == pytest.approx(2 / timed["seconds"], rel=0.05)
    head, rule, *lines = preview.splitlines()
    assert head == "| id | updated_at | amount | note | tags |"
    assert rule == "| --- | --- | --- | --- | --- |"
    assert [line.removesuffix(" |").replace("\\", "") for line in sorted(lines)] == [
        '| 1 | 2026-10-01 06:00:00+00:00 | 5 | a | b | ["x"]',
        "| 2 | 2026-10-01 07:00:00+00:00 | 6 |  | []",
    ]
    assert TOKEN not in str((metadata, preview))


def timestamp(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def page_bytes(rows: list[dict[str, Any]]) -> int:
    """The size of a page with these rows, in bytes."""
    return len(json.dumps({"data": rows}, separators=(",", ":"), ensure_ascii=False).encode())


def test_changed_and_new_columns_are_named(shop: Callable[..., JobHarness]) -> None:
    harness = shop()
    harness.run("shop_incremental", partition="2026-10-01")
    changed = {"id": 3, "updatedAt": "2026-10-02T00:00:00Z", "amount": "seven", "discount": True}
    harness.server.set_rows("shop", "/v1/orders", [changed])
    result = harness.run("shop_incremental", partition="2026-10-02")
    metadata = metadata_of(result)
    assert metadata["new_columns"] == "amount__v_text, discount"
    assert metadata["changed_columns"] == "amount -> amount__v_text"
    assert (metadata["rows_loaded"], metadata["dagster/row_count"]) == (1, 3)
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert not checks["columns_keep_their_types"].passed
    assert checks["columns_keep_their_types"].metadata["amount"].value == "amount__v_text"
    assert checks["api_honours_the_window"].passed


def checks_of(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {check.check_name: check for check in result.get_asset_check_evaluations()}


def test_values_that_the_contract_discards_are_counted(shop: Callable[..., JobHarness]) -> None:
    harness = shop(contract="discard_value")
    harness.run("shop_incremental", partition="2026-10-01")
    changed = {"updatedAt": "2026-10-02T00:00:00Z", "amount": "much"}
    harness.server.set_rows("shop", "/v1/orders", [{**changed, "id": 3}, {**changed, "id": 4}])
    result = harness.run("shop_incremental", partition="2026-10-02")
    assert metadata_of(result)["changed_columns"] == "amount -> 2 values discarded"
    assert metadata_of(result)["new_columns"] == "none"
    check = checks_of(result)["columns_keep_their_types"]
    assert (check.passed, check.metadata["amount"].value) == (False, "2 values discarded")


def test_type_change_of_a_frozen_column_fails_run_and_check(shop: Callable[..., JobHarness]) -> None:
    harness = shop(contract="freeze")
    harness.run("shop_incremental", partition="2026-10-01")
    harness.server.set_rows("shop", "/v1/orders", [{"id": 3, "updatedAt": "2026-10-02T00:00:00Z", "amount": "much"}])
    result = harness.run("shop_incremental", partition="2026-10-02", ok=False)
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert "the field 'amount' changed its type" in str(failure.step_failure_data.error)
    check = checks_of(result)["columns_keep_their_types"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "the field 'amount' changed its type" in str(check.metadata["error"].value)
    assert "much" not in str(check.metadata)


@pytest.mark.parametrize(("before", "total"), [(None, 0), ("2026-10-01", 2)], ids=["no table yet", "a table"])
def test_metadata_of_a_load_without_rows(shop: Callable[..., JobHarness], before: str | None, total: int) -> None:
    harness = shop()
    if before:
        harness.run("shop_incremental", partition=before)
    metadata = metadata_of(harness.run("shop_incremental", partition="2026-10-05"))
    assert {
        name: metadata[name] for name in ("rows_loaded", "rows_outside_window", "pages", "requests", "retries")
    } == {
        "rows_loaded": 0,
        "rows_outside_window": 0,
        "pages": 1,
        "requests": 1,
        "retries": 0,
    }
    assert (metadata["dagster/row_count"], metadata["rows_per_second"]) == (total, 0)
    assert ("preview" in metadata) is bool(total)


@pytest.mark.parametrize("key", ["primary_key: id", "write_disposition: replace"])
def test_only_a_table_that_exists_is_named(build_harness: Callable[..., JobHarness], key: str) -> None:
    server = FakeServer([Api("shop", [Endpoint("/v1/orders", [], pagination=OffsetPagination(max_limit=100))])])
    harness = build_harness(server, {"shop": SNAPSHOT % key})
    result = harness.run("shop_snapshot")
    with duckdb.connect(str(harness.folder / "warehouse.duckdb"), read_only=True) as connection:
        tables = {f"{schema}.{table}" for schema, table in connection.sql(TABLES).fetchall()}
    [metadata] = materializations(result, "shop/orders").values()
    [_, line] = harness.log_lines(result)
    assert ("dagster/table_name" in metadata) is ("shop.orders" in tables)
    assert ("shop.orders" in line) is ("shop.orders" in tables)


def test_ignored_window_filter_fails_the_check(shop: Callable[..., JobHarness]) -> None:
    harness = shop(ignored=True)
    result = harness.run("shop_incremental", partition="2026-10-02")
    metadata = metadata_of(result)
    assert (metadata["rows_loaded"], metadata["rows_outside_window"]) == (1, 2)
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert not checks["api_honours_the_window"].passed
    assert checks["api_honours_the_window"].severity == dg.AssetCheckSeverity.WARN
    assert any(
        line.endswith("does the API ignore the parameters of `incremental`?") for line in harness.log_lines(result)
    )
    assert any(
        "1 row ([2026-10-02T00:00:00Z, 2026-10-03T00:00:00Z), 2 outside the window discarded)" in line
        for line in harness.log_lines(result)
    )


def test_rate_limit_waits_are_counted(shop: Callable[..., JobHarness]) -> None:
    metadata = metadata_of(shop(rate="50").run("shop_full_refresh"))
    assert metadata["requests"] == 3
    assert metadata["seconds_waited"] > 0


def test_preview_has_ten_rows(shop: Callable[..., JobHarness]) -> None:
    rows = [{"id": n, "updatedAt": "2026-10-01T06:00:00Z"} for n in range(30)]
    metadata = metadata_of(shop(rows).run("shop_incremental", partition="2026-10-01"))
    assert len(metadata["preview"].splitlines()) == 2 + 10


def test_preview_can_be_switched_off(shop: Callable[..., JobHarness]) -> None:
    """Dagster's history then holds no value of a record."""
    harness = shop(preview="false")
    result = harness.run("shop_incremental", partition="2026-10-01")
    assert "preview" not in metadata_of(result)
    assert "a | b" not in str(harness.instance.all_logs(result.run_id))


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (12, "12"),
        ("", ""),
        ("Zoë 🚀 محمد", "Zoë 🚀 محمد"),
        ("a|b", r"a\|b"),
        ("a\\|b", r"a\\\|b"),
        ("one\ntwo\r\nthree", "one two  three"),
        ("<script>alert(1)</script>", r"\<script\>alert(1)\</script\>"),
        ("![pixel](https://example.com/p.png)", r"\!\[pixel\](https://example.com/p.png)"),
        ("*a* _b_ `c` ~d~", r"\*a\* \_b\_ \`c\` \~d\~"),
        ("&lt;", r"\&lt;"),
        ("x" * 40, "x" * 40),
        ("x" * 41, "x" * 39 + "…"),
        ('{"name": "x", "tags": ["a", "b", "c", "d", "e", "f"]}', r'{"name": "x", "tags": \["a", "b", "c", "…'),
    ],
)
def test_preview_escapes_values(value: Any, cell: str) -> None:
    """Markdown and HTML in a value are not rendered and do not break the table."""
    assert markdown_table(["a"], [[value]]) == f"| a |\n| --- |\n| {cell} |"


@pytest.mark.parametrize(
    ("total", "shares"), [("", ["", "", ""]), (", total_path: total", [", 67% of 3 rows", ", 100% of 3 rows"])]
)
def test_run_log_shows_start_progress_and_result(
    shop: Callable[..., JobHarness], monkeypatch: pytest.MonkeyPatch, total: str, shares: list[str]
) -> None:
    monkeypatch.setattr("analytics_assets.rest_api.load.log.PROGRESS_SECONDS", 0.0)
    monkeypatch.setattr("analytics_assets.rest_api.extract.page_batches.MIN_BATCH_ROWS", 1)
    harness = shop(total=total)
    start, *lines, end, summary = harness.log_lines(harness.run("shop_full_refresh"))
    request = r"shop/orders: reading GET http://127.0.0.1:\d+/shop/v1/orders, all history, pages of 2 rows, "
    assert re.fullmatch(request + "one request at a time", start)
    found = [
        re.fullmatch(r"shop/orders: (\d+) rows in (\d+) pages?(|, \d+% of 3 rows), \d+ rows/s(, about 0 s left)?", line)
        for line in lines
    ]
    assert [line.groups()[:3] for line in found if line] == [
        (str(min(2 * page, 3)), str(page), share) for page, share in enumerate(shares, start=1)
    ]
    assert all(found)
    assert re.fullmatch(r"shop/orders: 3 rows in \d pages were read in 0 s; writing to shop.orders", end)
    assert summary.startswith("shop/orders: 3 rows (all history) into shop.orders, which has 3 rows; ")


def test_run_log_names_the_window(shop: Callable[..., JobHarness]) -> None:
    harness = shop()
    [start, summary] = harness.log_lines(harness.run("shop_incremental", partition="2026-10-01"))
    assert "/v1/orders, window [2026-10-01T00:00:00Z, 2026-10-02T00:00:00Z), " in start
    assert summary.startswith("shop/orders: 2 rows ([2026-10-01T00:00:00Z, 2026-10-02T00:00:00Z)) into ")
