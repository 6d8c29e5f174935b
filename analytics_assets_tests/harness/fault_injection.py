"""An API that misbehaves, and what loads from it have to do: bring exactly the right rows, or change nothing."""

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
from analytics_assets.rest_api.load import load_table
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
    faults,
    serve,
)
from analytics_assets_tests.support.shop import Shop

TOKEN = "t0ken-of-this-api"
PERSON = "ada@example.com"  # stands in each row; errors must not repeat it
PAGE = 4
PAGES = {"first": 1, "middle": 3, "last": -1}  # of five, the last of which is short
ROWS: list[Row] = [{"id": n, "amount": 10 * n, "email": PERSON, "tags": [n]} for n in range(18)]
BEFORE: list[Row] = [{**row, "amount": -1} for row in ROWS[:16]] + [{**ROWS[0], "id": 99, "amount": -1}]
# How the endpoint is paged, and how the configuration says so.
PAGINATIONS: Mapping[str, tuple[Pagination, Mapping[str, Any]]] = {
    "offset": (OffsetPagination(total_path="total"), {"type": "offset", "limit": PAGE, "total_path": "total"}),
    "offset_alone": (OffsetPagination(), {"type": "offset", "limit": PAGE}),
    "pages": (
        PageNumberPagination(pages_path="pages", default_limit=PAGE),
        {"type": "page_number", "total_path": "pages"},
    ),
    "page_rows": (
        PageNumberPagination(total_path="total", default_limit=PAGE),
        {"type": "page_number", "total_rows_path": "total"},
    ),
    "cursor": (CursorPagination(), {"type": "cursor", "limit": PAGE, "cursor_param": "cursor", "cursor_path": "next"}),
    "link": (HeaderLinkPagination(default_limit=PAGE), {"type": "header_link"}),
}
Table = Mapping[Any, Mapping[str, Any]]  # rows by id
DROPPED = object()


@dataclass(frozen=True)
class KeyPath:
    """Where a fault is: the page, from 1, or -1 for the last."""

    page: int

    @property
    def first_row(self) -> int:
        """The id of the page's first row."""
        return ((self.page if self.page > 0 else 5) - 1) * PAGE


@dataclass(frozen=True)
class Case:
    """A fault, and what a load has to make of it.

    With `error` the load fails, saying so. Else the table holds all rows; the page's first has the columns of `row`
    besides, and `rows` are further changes. With `either` it depends on what else is under way, and both are right.
    """

    name: str
    fault: Fault | Callable[[str], Fault]
    error: str = ""
    times: int | None = 1
    either: bool = False
    row: Mapping[str, Any] = field(default_factory=dict)
    rows: Callable[[KeyPath, dict[Any, dict[str, Any]]], object] | None = None
    paginations: tuple[str, ...] = ("offset",)
    pages: tuple[str, ...] = tuple(PAGES)
    client: Mapping[str, Any] = field(default_factory=dict)
    endpoint: Mapping[str, Any] = field(default_factory=dict)
    resource: Mapping[str, Any] = field(default_factory=dict)
    elsewhere: bool = False  # `fault` is made from the URL of another server

    def table(self, place: KeyPath) -> Table:
        """What the table has to hold."""
        rows: dict[Any, dict[str, Any]] = {row["id"]: dict(row) for row in [*BEFORE, *ROWS]}
        rows[place.first_row].update(self.row)
        if self.rows:
            self.rows(place, rows)
        return rows


@dataclass(frozen=True)
class Trial:
    """A case at a page of an endpoint."""

    case: Case
    pagination: str
    page: str


@dataclass(frozen=True)
class Attempt:
    """What a trial cost."""

    requests: int
    rows_compared: int


@dataclass(frozen=True)
class FaultyApi:
    """The misbehaving API, a server that hears no credentials, and a table that was loaded when all was well."""

    sandbox: FakeServer
    other: FakeServer
    url: str
    other_url: str
    good: Path
    folder: Path

    def shop(self, name: str) -> Shop:
        """A warehouse that holds the good table."""
        folder = self.folder / hashlib.sha256(name.encode()).hexdigest()[:16]
        folder.mkdir()
        shutil.copy(self.good, folder / "warehouse.duckdb")
        return shop_in(folder)

    def load(self, shop: Shop, pagination: str, case: Case, concurrency: int = 4) -> None:
        resource = {"name": "orders", **case.resource}
        request = shop.request(
            f"{self.url}/shop/{pagination}",
            client={
                "auth": {"type": "bearer", "token": {"env": "SHOP_API_TOKEN"}},
                "max_concurrency": concurrency,
                "read_timeout": 0.3,
                **case.client,
            },
            endpoint={"paginator": PAGINATIONS[pagination][1], **case.endpoint},
            **resource,
        )
        load_table(replace(request, environ={"SHOP_API_TOKEN": TOKEN}))

    def attempt(self, trial: Trial, concurrency: int = 4) -> Attempt:
        """Loads while the fault is there, and compares the whole table.

        Raises:
            AssertionError: the table is neither what it has to be nor as it was, or the error tells too little or much.
        """
        case, pagination, place = trial.case, trial.pagination, KeyPath(PAGES[trial.page])
        shop = self.shop(f"{case.name} {pagination} {trial.page} {concurrency}")
        before = held(shop)
        self.sandbox.requests.clear()
        self.other.requests.clear()
        self.sandbox.faults.clear()
        self.sandbox.set_rows("shop", f"/{pagination}", ROWS)
        kind: Any = case.fault(self.other_url) if case.elsewhere else case.fault  # type: ignore[arg-type]
        self.sandbox.faults.add(kind, path=f"/{pagination}", page=place.page, times=case.times)
        try:
            self.load(shop, pagination, case, concurrency)
        except RestApiError as error:
            said = str(error)
            assert case.error, f"the load failed: {said}"
            assert re.search(case.error, said), said
            assert PERSON not in said, said
            assert TOKEN not in said, said
            assert held(shop) == before, "the load failed, and yet the table is another"
        else:
            assert case.either or not case.error, f"the load succeeded where it has to fail with {case.error!r}"
            found, expected = rows_by_id(shop), with_nulls(case.table(place))
            assert found.keys() == expected.keys(), "the load succeeded with other rows"
            for key, row in found.items():
                assert row == expected[key], (row, expected[key])
        assert not self.sandbox.faults.unused(), "the fault did not occur"
        assert not self.other.requests, "another host was asked"
        assert shop.tables() == {"shop.orders"}
        return Attempt(len(self.sandbox.requests), len(before))


def shop_in(folder: Path) -> Shop:
    return Shop(Warehouse(duckdb_path=folder / "warehouse.duckdb", state_dir=folder / "state", lock_seconds=10))


def held(shop: Shop) -> list[Any]:
    """All that the table is: its columns and types, and all of its rows, with the load that each came with."""
    columns = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'orders' ORDER BY ALL"
    return [*shop.query(columns), *shop.query("SELECT * FROM shop.orders ORDER BY id")]


def rows_by_id(shop: Shop) -> Table:
    names = [name for name, *_ in shop.query("DESCRIBE shop.orders")]
    found = [dict(zip(names, row, strict=True)) for row in shop.query("SELECT * FROM shop.orders")]
    assert len({row["id"] for row in found}) == len(found), "a key is there twice"
    return {row["id"]: {name: value for name, value in row.items() if name != "_dlt_load_id"} for row in found}


def with_nulls(table: Table) -> Table:
    """The rows with all columns, and nested values as the JSON text that the table holds."""
    columns = dict.fromkeys(name for row in table.values() for name in row if row[name] is not DROPPED)
    return {
        key: {name: f"[{row[name][0]}]" if isinstance(row.get(name), list) else row.get(name) for name in columns}
        for key, row in table.items()
    }


@contextmanager
def misbehaving(folder: Path) -> Iterator[FaultyApi]:
    """The API and the server beside it, served, and the good table loaded once."""
    endpoints = [Endpoint(f"/{name}", BEFORE, pagination=pages) for name, (pages, _) in PAGINATIONS.items()]
    sandbox = FakeServer([Api("shop", endpoints, auth=Bearer(TOKEN))])
    other = FakeServer([Api("shop", [replace(endpoint, rows=ROWS) for endpoint in endpoints])])
    good = folder / "good"
    good.mkdir()
    with serve(sandbox) as url, serve(other) as other_url:
        world = FaultyApi(sandbox, other, url, other_url, good / "warehouse.duckdb", folder)
        world.load(shop_in(good), "offset", Case("all is well", faults.status(500)))
        assert len(rows_by_id(shop_in(good))) == len(BEFORE)
        yield world


def each(cases: Sequence[Case]) -> dict[str, Trial]:
    """Each case at each of its pages and paginations, by name."""
    return {
        f"{case.name} | {pagination} | {page}": Trial(case, pagination, page)
        for case in cases
        for pagination in case.paginations
        for page in case.pages
    }
