"""Faults of records: wrong cursors and totals, and unexpected keys, types, names and values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from analytics_assets_tests.fake_api import Fault, faults
from analytics_assets_tests.harness.fault_injection import ALWAYS, PAGE_SIZE, STORED_ROWS, FaultCase, FaultyPage

LONG_NAME = "long_" * 2_000
Rows = dict[Any, dict[str, Any]]


def member(text: str) -> Fault:
    """The page's first record has one more member, which need not be valid JSON."""
    added = text.encode("utf-8", "surrogatepass")
    return faults.change_body(lambda body: body.replace(b'{"id":', b"{" + added + b',"id":', 1))


def first(change: Callable[[dict[str, Any]], object]) -> Fault:
    """The page's first record is changed."""
    return faults.edit(lambda body: change(body["data"][0]))


def total(value: Any, path: str = "total") -> Fault:
    """The body has another total."""
    return faults.edit(lambda body: body.update({path: value}))


def adds(name: str, text: str, row: Mapping[str, Any], error: str = "") -> FaultCase:
    """The first record of the page has one more member."""
    return FaultCase(name=name, fault=member(text), error=error, times=ALWAYS, row=row)


def named(field: str, column: str) -> FaultCase:
    """The first record of the page has one more field, stored in this column."""
    fault = first(lambda row: row.update({field: 1}))
    return FaultCase(name=f"a field named {field[:40]!r}", fault=fault, times=ALWAYS, row={column: 1})


def becomes(value: Any, row: Mapping[str, Any], contract: str = "evolve", error: str = "") -> FaultCase:
    """The amount of the page's first record has another value."""
    return FaultCase(
        name=f"amount becomes {str(value)[:30]!r}, {contract}",
        fault=first(lambda found: found.update(amount=value)),
        error=error,
        times=ALWAYS,
        row=row,
        resource={"schema_contract": contract},
    )


def keyed(name: str, change: Callable[[dict[str, Any]], object], error: str) -> FaultCase:
    """A change of the page's first record fails the load."""
    return FaultCase(name=name, fault=first(change), error=error, times=ALWAYS)


def page_is_missing(page: FaultyPage, rows: Rows) -> None:
    """The rows of the page are those stored before, if there are any."""
    stored = {row["id"]: row for row in STORED_ROWS}
    for number in range(page.first_id, page.first_id + PAGE_SIZE):
        rows.pop(number, None)
        if number in stored:
            rows[number] = dict(stored[number])


def first_row_is_missing(page: FaultyPage, rows: Rows) -> None:
    """The page's first row is the one stored before, if there is one."""
    rows.pop(page.first_id)
    rows.update({row["id"]: dict(row) for row in STORED_ROWS if row["id"] == page.first_id})


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


PAGINATION: list[FaultCase] = [
    FaultCase(
        name="repeated cursor",
        fault=faults.repeated_cursor(),
        error="twice",
        times=ALWAYS,
        paginations=("cursor", "link"),
    ),
    FaultCase(
        name="cursors in a circle",
        fault=faults.next_page(0),
        error="twice",
        times=ALWAYS,
        paginations=("cursor", "link"),
    ),
    FaultCase(
        name="a cursor that is a list",
        fault=faults.edit(lambda body: body.update(next=[1])),
        error="cursor .* is a list",
        times=ALWAYS,
        paginations=("cursor",),
    ),
    FaultCase(
        name="an empty page with a pointer to the next",
        fault=faults.empty_page(),
        times=ALWAYS,
        change_rows=page_is_missing,
        paginations=("cursor", "link"),
        pages=("first", "middle"),
    ),
    FaultCase(name="an empty page, once", fault=faults.empty_page()),
    FaultCase(name="an empty page, always", fault=faults.empty_page(), error="empty", times=ALWAYS),
    FaultCase(
        name="an empty page before the last, once",
        fault=faults.empty_page(),
        paginations=("pages",),
        pages=("first", "middle"),
    ),
    FaultCase(
        name="an empty page before the last, always",
        fault=faults.empty_page(),
        error="empty",
        times=ALWAYS,
        paginations=("pages",),
        pages=("first", "middle"),
    ),
    FaultCase(
        name="an empty page without a total, once",
        fault=faults.empty_page(),
        paginations=("offset_alone",),
        pages=("middle",),
    ),
    FaultCase(
        name="an empty page without a total, always",
        fault=faults.empty_page(),
        error="empty",
        times=ALWAYS,
        paginations=("offset_alone",),
        pages=("middle",),
    ),
    FaultCase(name="a row too few, once", fault=faults.edit(lambda body: body["data"].pop())),
    FaultCase(name="each row twice, once", fault=faults.edit(lambda body: body["data"].extend(body["data"]))),
    FaultCase(name="total too high, once", fault=total(40)),
    FaultCase(name="total too high, always", fault=total(40), error="`total`", times=ALWAYS, may_succeed=True),
    FaultCase(name="total too low, once", fault=total(1)),
    FaultCase(name="total too low, always", fault=total(1), error="total", times=ALWAYS, may_succeed=True),
    FaultCase(name="too many pages, once", fault=total(40, "pages"), paginations=("pages",)),
    FaultCase(name="too few pages, once", fault=total(1, "pages"), paginations=("pages",), pages=("middle", "last")),
    *(
        FaultCase(name=f"total is {value!r}", fault=total(value), error="not a whole number", times=ALWAYS)
        for value in (None, "many", -1, 1.5, True, [18])
    ),
]
KEYS: list[FaultCase] = [
    keyed("no key", lambda row: row.pop("id"), "'id' is null or missing in 1 of"),
    keyed("a null key", lambda row: row.update(id=None), "'id' is null or missing in 1 of"),
    keyed("a key as text", lambda row: row.update(id=str(row["id"])), "'id' changed its type"),
    keyed("a key as a double", lambda row: row.update(id=row["id"] + 0.5), "'id' changed its type"),
    keyed("a key as a boolean", lambda row: row.update(id=True), "'id' changed its type"),
    keyed("a key as a list", lambda row: row.update(id=[1]), "'id' changed its type"),
    keyed("a key beyond 64 bits", lambda row: row.update(id=2**70), "'id' changed its type"),
    keyed("a record of nothing", lambda row: row.clear(), "'id' is null or missing in 1 of"),
    FaultCase(
        name="a null key that may be skipped",
        fault=first(lambda row: row.update(id=None)),
        times=ALWAYS,
        change_rows=first_row_is_missing,
        resource={"null_key": "skip"},
    ),
]  # fmt: skip
TYPES: list[FaultCase] = [
    becomes("much", {"amount": None, "amount__v_text": "much"}),
    becomes(True, {"amount": None, "amount__v_bool": True}),
    becomes(1.5, {"amount": 1.5}),
    becomes({"eur": 1}, {"amount": None, "amount__v_json": '{"eur":1}'}),
    becomes([], {"amount": None, "amount__v_json": "[]"}),
    becomes(2**64, {"amount": Decimal(2**64)}),
    becomes(10**60, {"amount": None, "amount__v_text": str(10**60)}),
    becomes(None, {"amount": None}),
    *(becomes(value, {}, "freeze", "'amount' changed its type: .* bigint, but .* in 1 of .* is freeze")
      for value in ("much", True, 1.5, {"eur": 1}, 2**64)),
    *(becomes(value, {"amount": None}, "discard_value") for value in ("much", True, {"eur": 1})),
    *(becomes(value, {"amount": value}, "discard_value") for value in (1.5, 2**64)),
    becomes(None, {"amount": None}, "freeze"),
    FaultCase(
        name="a field vanishes", fault=first(lambda row: row.pop("amount")), times=ALWAYS, row={"amount": None}
    ),
    FaultCase(
        name="all fields but the key vanish",
        fault=first(lambda row: [row.pop(name) for name in list(row) if name != "id"]),
        times=ALWAYS,
        row={"amount": None, "email": None, "tags": None},
    ),
    FaultCase(
        name="a field appears", fault=first(lambda row: row.update(new=True)), times=ALWAYS, row={"new": True}
    ),
    FaultCase(
        name="two hundred fields appear",
        fault=first(lambda row: row.update({f"new_{n}x": n for n in range(200)})),
        times=ALWAYS,
        row={f"new_{n}x": n for n in range(200)},
    ),
]  # fmt: skip
NAMES: list[FaultCase] = [
    named("x'; DROP TABLE shop.orders; --", "x_drop_table_shop_ordersxxx"),
    named('x"); DROP TABLE shop.orders; --', "x_drop_table_shop_ordersxxx"),
    named('say "hi"', "say_hix"),
    named("select", "select"),
    named("order", "order"),
    named("null", "null"),
    named("__proto__", "_protoxx"),
    named("", "x"),
    named("日本", "x"),
    named("🙂", "x"),
    named("\u202eevil", "_evil"),
    named("a\x00b", "a_b"),
    named("%s{0}${x}", "_s_0_xx"),
    named("../../etc/passwd", "_etc_passwd"),
    named("file_row_number", "file_row_number"),
    named("rank_", "rankx"),
    named("s.id", "s_id"),
    named("1", "_1"),
    named(LONG_NAME, LONG_NAME.rstrip("_") + "x"),
    keyed("a field named _dlt_load_id", lambda row: row.update(_dlt_load_id="1"), "which dlt writes itself"),
    keyed("a field named _dlt_id", lambda row: row.update(_dlt_id="1"), "which dlt writes itself"),
    keyed("a field named ID", lambda row: row.update(ID=1), "would both become the column 'id'"),
    keyed("a field named 'amount '", lambda row: row.update({"amount ": 1}), "would both become the column 'amount'"),
]
VALUES: list[FaultCase] = [
    adds("NaN", '"x":NaN', {}, "NaN, which is not a JSON number"),
    adds("Infinity", '"x":-Infinity', {}, "-Infinity, which is not a JSON number"),
    adds("beyond a double", '"x":1e400', {}, "beyond the range of a double"),
    adds("the greatest double", '"x":1.7976931348623157e308', {"x": 1.7976931348623157e308}),
    adds("more digits than a double has", '"x":0.12345678901234567890123', {"x": 0.12345678901234568}),
    adds("an integer of 5,000 digits", f'"x":{"9" * 5000}', {}, "more than 4300 digits"),
    adds("an integer of 4,000 digits", f'"x":{"9" * 4000}', {"x": None, "x__v_text": "9" * 4000}),
    adds("a member twice", '"x":1,"x":2', {"x": 2}),  # as in JavaScript, Python and PostgreSQL: the last one counts
    adds("half a surrogate pair", r'"x":"\ud800"', {"x": None, "x__v_text": r'"\ud800"'}),
    adds("a surrogate pair", r'"x":"\ud83d\ude42"', {"x": "🙂"}),
    adds("a zero byte in text", r'"x":"a\u0000b"', {"x": "a\x00b"}),
    adds("a control character", '"x":"a\nb"', {}, "not valid JSON"),
    adds("a megabyte of text", f'"x":"{"é" * 500_000}"', {"x": "é" * 500_000}),
    adds("SQL in text", "\"x\":\"'); DROP TABLE shop.orders; --\"", {"x": "'); DROP TABLE shop.orders; --"}),
    adds("900 levels", f'"x":{nested(900)}', {"x": nested(900)}),
    adds("1,000 levels", f'"x":{nested(1000)}', {}, "nested deeper than can be"),
    adds("100,000 levels", f'"x":{nested(100_000)}', {}, "nested deeper than can be"),
    adds("100,000 lists", f'"x":{"[" * 100_000}', {}, "nested deeper than can be|not valid JSON"),
]  # fmt: skip
CASES: list[FaultCase] = [*PAGINATION, *KEYS, *TYPES, *NAMES, *VALUES]
