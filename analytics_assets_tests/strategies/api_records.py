"""Faults of what a page holds: cursors and totals that lie, keys, types, names and numbers that nobody expects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from analytics_assets_tests.fake_api import Fault, faults
from analytics_assets_tests.harness.fault_injection import BEFORE, PAGE, Case, KeyPath

LONG = "long_" * 2_000
Rows = dict[Any, dict[str, Any]]


def member(text: str) -> Fault:
    """The page's first record has one more member, which need not be JSON."""
    added = text.encode("utf-8", "surrogatepass")
    return faults.change_body(lambda body: body.replace(b'{"id":', b"{" + added + b',"id":', 1))


def first(change: Callable[[dict[str, Any]], object]) -> Fault:
    """The page's first record, changed."""
    return faults.edit(lambda body: change(body["data"][0]))


def total(value: Any, path: str = "total") -> Fault:
    return faults.edit(lambda body: body.update({path: value}))


def adds(name: str, text: str, row: Mapping[str, Any], error: str = "") -> Case:
    return Case(name, member(text), error, times=None, row=row)


def named(field: str, column: str) -> Case:
    kind = first(lambda row: row.update({field: 1}))
    return Case(f"a field named {field[:40]!r}", kind, times=None, row={column: 1})


def becomes(value: Any, row: Mapping[str, Any], contract: str = "evolve", error: str = "") -> Case:
    kind = first(lambda found: found.update(amount=value))
    contracted = {"schema_contract": contract}
    return Case(f"amount becomes {str(value)[:30]!r}, {contract}", kind, error, None, row=row, resource=contracted)


def keyed(name: str, change: Callable[[dict[str, Any]], object], error: str) -> Case:
    return Case(name, first(change), error, times=None)


def as_before(place: KeyPath, rows: Rows) -> None:
    """The page's rows did not come: they are as they were loaded before, if they were."""
    held = {row["id"]: row for row in BEFORE}
    for number in range(place.first_row, place.first_row + PAGE):
        rows.pop(number, None)
        if number in held:
            rows[number] = dict(held[number])


def first_as_before(place: KeyPath, rows: Rows) -> None:
    number = place.first_row
    rows.pop(number)
    rows.update({row["id"]: dict(row) for row in BEFORE if row["id"] == number})


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


WALKS: list[Case] = [
    Case("repeated cursor", faults.repeated_cursor(), "had sent before|came twice", None,
         paginations=("cursor", "link")),
    Case("cursors in a circle", faults.next_page(0), "had sent before|came twice", None,
         paginations=("cursor", "link")),
    Case("a cursor that is a list", faults.edit(lambda b: b.update(next=[1])), "cursor .* is a list", None,
         paginations=("cursor",)),
    Case("an empty page that points on", faults.empty_page(), times=None, rows=as_before,
         paginations=("cursor", "link"), pages=("first", "middle")),
    Case("an empty page, once", faults.empty_page()),
    Case("an empty page, for good", faults.empty_page(), "empty", None),
    Case("an empty page of several, once", faults.empty_page(), paginations=("pages",), pages=("first", "middle")),
    Case("an empty page of several, for good", faults.empty_page(), "empty", None, paginations=("pages",),
         pages=("first", "middle")),
    Case("an empty page and no total, once", faults.empty_page(), paginations=("offset_alone",), pages=("middle",)),
    Case("an empty page and no total, for good", faults.empty_page(), "empty", None, paginations=("offset_alone",),
         pages=("middle",)),
    Case("a row too few, once", faults.edit(lambda body: body["data"].pop())),
    Case("the page again, once", faults.edit(lambda body: body["data"].extend(body["data"]))),
    Case("total too high, once", total(40)),
    Case("total too high, for good", total(40), "`total` says", None, either=True),
    Case("total too low, once", total(1)),
    Case("total too low, for good", total(1), "total", None, either=True),
    Case("pages too many, once", total(40, "pages"), paginations=("pages",)),
    Case("pages too few, once", total(1, "pages"), paginations=("pages",), pages=("middle", "last")),
    *(Case(f"total is {value!r}", total(value), "no whole number", times=None)
      for value in (None, "many", -1, 1.5, True, [18])),
]  # fmt: skip
KEYS: list[Case] = [
    keyed("no key", lambda row: row.pop("id"), "'id' is null or missing in 1 of"),
    keyed("a null key", lambda row: row.update(id=None), "'id' is null or missing in 1 of"),
    keyed("a key as text", lambda row: row.update(id=str(row["id"])), "'id' changed its type"),
    keyed("a key as a double", lambda row: row.update(id=row["id"] + 0.5), "'id' changed its type"),
    keyed("a key as a boolean", lambda row: row.update(id=True), "'id' changed its type"),
    keyed("a key as a list", lambda row: row.update(id=[1]), "'id' changed its type"),
    keyed("a key beyond 64 bits", lambda row: row.update(id=2**70), "'id' changed its type"),
    keyed("a record of nothing", lambda row: row.clear(), "'id' is null or missing in 1 of"),
    Case("a null key that may be skipped", first(lambda row: row.update(id=None)), times=None, rows=first_as_before,
         resource={"null_key": "skip"}),
]  # fmt: skip
TYPES: list[Case] = [
    becomes("much", {"amount": None, "amount__v_text": "much"}),
    becomes(True, {"amount": None, "amount__v_bool": True}),
    becomes(1.5, {"amount": None, "amount__v_double": 1.5}),
    becomes({"eur": 1}, {"amount": None, "amount__v_json": '{"eur":1}'}),
    becomes([], {"amount": None, "amount__v_json": "[]"}),
    becomes(2**64, {"amount": None, "amount__v_decimal": Decimal(2**64)}),
    becomes(10**60, {"amount": None, "amount__v_text": str(10**60)}),
    becomes(None, {"amount": None}),
    *(becomes(value, {}, "freeze", "'amount' changed its type: .* bigint, but 1 records hold .* is freeze")
      for value in ("much", True, 1.5, {"eur": 1}, 2**64)),
    *(becomes(value, {"amount": None}, "discard_value") for value in ("much", True, 1.5, {"eur": 1}, 2**64)),
    becomes(None, {"amount": None}, "freeze"),
    Case("a field vanishes", first(lambda row: row.pop("amount")), times=None, row={"amount": None}),
    Case("all fields but the key vanish", first(lambda row: [row.pop(name) for name in list(row) if name != "id"]),
         times=None, row={"amount": None, "email": None, "tags": None}),
    Case("a field appears", first(lambda row: row.update(new=True)), times=None, row={"new": True}),
    Case("two hundred fields appear", first(lambda row: row.update({f"new_{n}x": n for n in range(200)})), times=None,
         row={f"new_{n}x": n for n in range(200)}),
]  # fmt: skip
NAMES: list[Case] = [
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
    named(LONG, LONG.rstrip("_") + "x"),
    keyed("a field named _dlt_load_id", lambda row: row.update(_dlt_load_id="1"), "which dlt writes itself"),
    keyed("a field named _dlt_id", lambda row: row.update(_dlt_id="1"), "which dlt writes itself"),
    keyed("a field named ID", lambda row: row.update(ID=1), "would both be column 'id'"),
    keyed("a field named 'amount '", lambda row: row.update({"amount ": 1}), "would both be column 'amount'"),
]
VALUES: list[Case] = [
    adds("NaN", '"x":NaN', {}, "NaN, which is no JSON number"),
    adds("Infinity", '"x":-Infinity', {}, "-Infinity, which is no JSON number"),
    adds("beyond a double", '"x":1e400', {}, "beyond the range of a double"),
    adds("the greatest double", '"x":1.7976931348623157e308', {"x": 1.7976931348623157e308}),
    adds("more digits than a double has", '"x":0.12345678901234567890123', {"x": 0.12345678901234568}),
    adds("an integer of 5,000 digits", f'"x":{"9" * 5000}', {}, "more than 4300 digits"),
    adds("an integer of 4,000 digits", f'"x":{"9" * 4000}', {"x": "9" * 4000}),
    adds("a member twice", '"x":1,"x":2', {"x": 2}),  # as in JavaScript, Python and PostgreSQL: the last one counts
    adds("half a surrogate pair", r'"x":"\ud800"', {"x": None, "x__v_text": r'"\ud800"'}),
    adds("a surrogate pair", r'"x":"\ud83d\ude42"', {"x": "🙂"}),
    adds("a zero byte in text", r'"x":"a\u0000b"', {"x": "a\x00b"}),
    adds("a control character", '"x":"a\nb"', {}, "no valid JSON"),
    adds("a megabyte of text", f'"x":"{"é" * 500_000}"', {"x": "é" * 500_000}),
    adds("SQL in text", "\"x\":\"'); DROP TABLE shop.orders; --\"", {"x": "'); DROP TABLE shop.orders; --"}),
    adds("900 levels", f'"x":{nested(900)}', {"x": nested(900)}),
    adds("1,000 levels", f'"x":{nested(1000)}', {}, "nested deeper than can be"),
    adds("100,000 levels", f'"x":{nested(100_000)}', {}, "nested deeper than can be"),
    adds("100,000 lists", f'"x":{"[" * 100_000}', {}, "nested deeper than can be|no valid JSON"),
]  # fmt: skip
CASES: list[Case] = [*WALKS, *KEYS, *TYPES, *NAMES, *VALUES]
