"""Loads from a faulty API: each one must load exactly the right rows, or fail and leave the table unchanged."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from analytics_assets.rest_api.destination.warehouse import Warehouse
from analytics_assets.rest_api.errors import RestApiError
from analytics_assets.rest_api.load.table import load_table
from analytics_assets_tests.fake_api import (
    Api,
    Bearer,
    CursorPagination,
    Endpoint,
    FakeServer,
    Fault,
    HeaderLinkPagination,
    OffsetPagination,
    PageNumberPagination,
    Pagination,
    Row,
    serve,
)
from analytics_assets_tests.support.shop import Shop

TOKEN = "t0ken-of-this-api"
PERSON = "ada@example.com"  # in each row; error messages must not contain it
PAGE_SIZE = 4
PAGES = {"first": 1, "middle": 3, "last": -1}  # of five, the last of which is short
ROWS: list[Row] = [{"id": n, "amount": 10 * n, "email": PERSON, "tags": [n]} for n in range(18)]
STORED_ROWS: list[Row] = [{**row, "amount": -1} for row in ROWS[:16]] + [{**ROWS[0], "id": 99, "amount": -1}]
# The pagination of each endpoint, and its configuration.
PAGINATIONS: Mapping[str, tuple[Pagination, Mapping[str, Any]]] = {
    "offset": (OffsetPagination(total_path="total"), {"type": "offset", "limit": PAGE_SIZE, "total_path": "total"}),
    "offset_alone": (OffsetPagination(), {"type": "offset", "limit": PAGE_SIZE}),
    "pages": (
        PageNumberPagination(pages_path="pages", default_limit=PAGE_SIZE),
        {"type": "page_number", "total_path": "pages"},
    ),
    "page_rows": (
        PageNumberPagination(total_path="total", default_limit=PAGE_SIZE),
        {"type": "page_number", "total_rows_path": "total"},
    ),
    "cursor": (
        CursorPagination(),
        {"type": "cursor", "limit": PAGE_SIZE, "cursor_param": "cursor", "cursor_path": "next"},
    ),
    # by POST, with the page in the body
    "search": (
        OffsetPagination(offset_param="page.offset", limit_param="page.size", total_path="total"),
        {
            "type": "offset",
            "limit": PAGE_SIZE,
            "offset_body_path": "page.offset",
            "limit_body_path": "page.size",
            "total_path": "total",
        },
    ),
    "search_cursor": (
        CursorPagination(cursor_param="page.after", default_limit=PAGE_SIZE),
        {"type": "cursor", "cursor_body_path": "page.after", "cursor_path": "next"},
    ),
    "link": (HeaderLinkPagination(default_limit=PAGE_SIZE), {"type": "header_link"}),
}
BY_POST = ("search", "search_cursor")
Table = Mapping[Any, Mapping[str, Any]]  # rows by id
ALWAYS = None  # how often a fault occurs


@dataclass(frozen=True)
class FaultyPage:
    """The page in which a fault occurs: its number from 1, or -1 for the last page."""

    number: int

    @property
    def first_id(self) -> int:
        """The id of the page's first row."""
        return ((self.number if self.number > 0 else 5) - 1) * PAGE_SIZE


@dataclass(frozen=True, kw_only=True)
class FaultCase:
    """A fault, and the expected outcome of a load.

    Attributes:
        fault: The fault.
        fault_with_other_host: Builds the fault from the URL of another server, in place of `fault`.
        times: How often the fault occurs.
        error: A pattern of the error message. Without one, the load succeeds with all rows.
        may_succeed: Success with all rows is right as well, depending on which requests run in parallel.
        row: Columns that the first row of the faulty page has besides its own.
        change_rows: Further changes of the expected table.
        paginations: The endpoints of the case.
        pages: The pages of the case.
        client: Keys of the YAML's `client`.
        endpoint: Keys of the resource's `endpoint`.
        resource: Other keys of the resource.
    """

    name: str
    fault: Fault | None = None
    fault_with_other_host: Callable[[str], Fault] | None = None
    times: int | None = 1
    error: str = ""
    may_succeed: bool = False
    row: Mapping[str, Any] = field(default_factory=dict)
    change_rows: Callable[[FaultyPage, dict[Any, dict[str, Any]]], object] | None = None
    paginations: tuple[str, ...] = ("offset",)
    pages: tuple[str, ...] = tuple(PAGES)
    client: Mapping[str, Any] = field(default_factory=dict)
    endpoint: Mapping[str, Any] = field(default_factory=dict)
    resource: Mapping[str, Any] = field(default_factory=dict)

    def build_fault(self, other_url: str) -> Fault:
        fault = self.fault_with_other_host(other_url) if self.fault_with_other_host else self.fault
        assert fault is not None
        return fault

    def expected_table(self, page: FaultyPage) -> Table:
        """The table after a successful load."""
        rows: dict[Any, dict[str, Any]] = {row["id"]: dict(row) for row in [*STORED_ROWS, *ROWS]}
        rows[page.first_id].update(self.row)
        if self.change_rows:
            self.change_rows(page, rows)
        return as_stored(rows)


@dataclass(frozen=True)
class Trial:
    """A case at one page of one endpoint."""

    case: FaultCase
    pagination: str
    page: str


@dataclass(frozen=True)
class TrialCounts:
    """What a trial has done."""

    requests: int
    rows_compared: int


@dataclass(frozen=True)
class FaultyApi:
    """The API with faults, another server without credentials, and a table that was loaded without faults."""

    server: FakeServer
    other_server: FakeServer
    url: str
    other_url: str
    good_file: Path
    folder: Path

    def copy_good_table(self, name: str) -> Shop:
        """A warehouse that holds the table loaded without faults."""
        folder = self.folder / hashlib.sha256(name.encode()).hexdigest()[:16]
        folder.mkdir()
        shutil.copy(self.good_file, folder / "warehouse.duckdb")
        return shop_in(folder)

    def load(self, shop: Shop, pagination: str, case: FaultCase | None = None, *, concurrency: int = 4) -> None:
        """Load one endpoint, with the case's configuration."""
        client, endpoint, resource = (case.client, case.endpoint, case.resource) if case else ({}, {}, {})
        request = shop.request(
            f"{self.url}/shop/{pagination}",
            client={
                "auth": {"type": "bearer", "token": {"env": "SHOP_API_TOKEN"}},
                "max_concurrency": concurrency,
                "read_timeout": 0.3,
                **client,
            },
            endpoint={"paginator": PAGINATIONS[pagination][1], "method": method_of(pagination), **endpoint},
            **{"name": "orders", **resource},
        )
        load_table(replace(request, environ={"SHOP_API_TOKEN": TOKEN}))

    def attempt(self, trial: Trial, *, concurrency: int = 4) -> TrialCounts:
        """Load while the fault occurs, and compare the whole table.

        Raises:
            AssertionError: The table is neither the expected nor the former one, or the error message is wrong.
        """
        case, pagination, page = trial.case, trial.pagination, FaultyPage(PAGES[trial.page])
        shop = self.copy_good_table(f"{case.name} {pagination} {trial.page} {concurrency}")
        before = table_contents(shop)
        self.server.requests.clear()
        self.other_server.requests.clear()
        self.server.faults.clear()
        self.server.set_rows("shop", f"/{pagination}", ROWS)
        fault = case.build_fault(self.other_url)
        self.server.faults.add(fault, path=f"/{pagination}", page=page.number, times=case.times)
        try:
            self.load(shop, pagination, case, concurrency=concurrency)
        except RestApiError as error:
            message = str(error)
            assert case.error, f"the load failed: {message}"
            assert re.search(case.error, message), message
            assert PERSON not in message, message
            assert TOKEN not in message, message
            assert table_contents(shop) == before, "the load failed, but the table was changed"
        else:
            assert case.may_succeed or not case.error, f"the load succeeded instead of failing with {case.error!r}"
            found, expected = rows_by_id(shop), case.expected_table(page)
            assert found.keys() == expected.keys(), "the load succeeded with other rows"
            for key, row in found.items():
                assert row == expected[key], (row, expected[key])
        assert not self.server.faults.unused(), "the fault did not occur"
        assert not self.other_server.requests, "a request was sent to another host"
        assert shop.tables() == {"shop.orders"}
        return TrialCounts(len(self.server.requests), len(before))


def method_of(pagination: str) -> str:
    return "POST" if pagination in BY_POST else "GET"


def shop_in(folder: Path) -> Shop:
    return Shop(Warehouse(duckdb_path=folder / "warehouse.duckdb", state_dir=folder / "state", lock_seconds=10))


def table_contents(shop: Shop) -> list[Any]:
    """The columns and types of the table, and all its rows with their load ids."""
    columns = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'orders' ORDER BY ALL"
    return [*shop.query(columns), *shop.query("SELECT * FROM shop.orders ORDER BY id")]


def rows_by_id(shop: Shop) -> Table:
    """The rows of the table without their load ids."""
    names = [name for name, *_ in shop.query("DESCRIBE shop.orders")]
    found = [dict(zip(names, row, strict=True)) for row in shop.query("SELECT * FROM shop.orders")]
    assert len({row["id"] for row in found}) == len(found), "a key occurs twice"
    return {row["id"]: {name: value for name, value in row.items() if name != "_dlt_load_id"} for row in found}


def as_stored(table: Table) -> Table:
    """Rows as the table holds them: all columns in each row, lists as JSON text."""
    columns = dict.fromkeys(name for row in table.values() for name in row)
    return {
        key: {name: f"[{row[name][0]}]" if isinstance(row.get(name), list) else row.get(name) for name in columns}
        for key, row in table.items()
    }


@contextmanager
def serve_faulty_api(folder: Path) -> Iterator[FaultyApi]:
    """Serve the API and the other server, with the table already loaded once."""
    endpoints = [
        Endpoint(f"/{name}", STORED_ROWS, pagination=pages, method=method_of(name))
        for name, (pages, _) in PAGINATIONS.items()
    ]
    server = FakeServer([Api("shop", endpoints, auth=Bearer(TOKEN))])
    other_server = FakeServer([Api("shop", [replace(endpoint, rows=ROWS) for endpoint in endpoints])])
    good = folder / "good"
    good.mkdir()
    with serve(server) as url, serve(other_server) as other_url:
        faulty_api = FaultyApi(server, other_server, url, other_url, good / "warehouse.duckdb", folder)
        faulty_api.load(shop_in(good), "offset")
        assert len(rows_by_id(shop_in(good))) == len(STORED_ROWS)
        yield faulty_api


def trials(cases: Sequence[FaultCase]) -> dict[str, Trial]:
    """Each case at each of its pages and endpoints, by name."""
    return {
        f"{case.name} | {pagination} | {page}": Trial(case, pagination, page)
        for case in cases
        for pagination in case.paginations
        for page in case.pages
    }
