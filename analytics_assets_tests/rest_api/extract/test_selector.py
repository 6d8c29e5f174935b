"""Pages: which records a selector finds, what is an error instead, how exact the reading is."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics_assets.rest_api.errors import ConfigError, ResponseError
from analytics_assets.rest_api.extract.body_shape import summary
from analytics_assets.rest_api.extract.envelope import MISSING, Envelope
from analytics_assets.rest_api.extract.json_decoding import decode
from analytics_assets.rest_api.extract.selector import Selector

A, B, C = {"id": 1}, {"id": 2}, {"id": 3}

FOUND: list[tuple[str, Any, list[dict[str, Any]]]] = [
    ("data", {"data": [A, B]}, [A, B]),
    ("data", {"data": []}, []),
    ("data", {"data": A}, [A]),
    ("$.data", {"data": [A]}, [A]),
    ("data.items", {"data": {"items": [A, B]}}, [A, B]),
    ("['data']['items']", {"data": {"items": [A]}}, [A]),
    ("['a.b'].c", {"a.b": {"c": [A]}}, [A]),
    ("pages[0].rows", {"pages": [{"rows": [A]}, {"rows": [B]}]}, [A]),
    ("pages[-1].rows", {"pages": [{"rows": [A]}, {"rows": [B]}]}, [B]),
    ("$", [A, B], [A, B]),
    ("$", [], []),
    ("$[*]", [A, B], [A, B]),
    ("items.*.data", {"items": [{"data": A}, {"data": B}]}, [A, B]),
    ("items.*.data", {"items": [{"data": [A, B]}, {"data": []}, {"data": [C]}]}, [A, B, C]),
    ("items.*.data", {"items": {"x": {"data": A}, "y": {"data": [B, C]}}}, [A, B, C]),
    ("items[*].data", {"items": {"x": {"data": [A]}}}, [A]),
    ("items[*].data", {"items": [{"data": [A]}]}, [A]),
    ("items.*.data", {"items": []}, []),
    ("items.*.data", {"items": {}}, []),
    ("a.b.*", {"a": {"b": [A, B]}}, [A, B]),
    ("a.b.*", {"a": {"b": {"x": A, "y": [B, C]}}}, [A, B, C]),
    ("a.b.*", {"a": {"b": [[A, B], [C]]}}, [A, B, C]),
    ("a.*.*", {"a": [{"x": [A]}, {"y": B}]}, [A, B]),
]

# A body, and the shape that the error shows.
NOT_FOUND: list[tuple[str, Any, str]] = [
    ("data", {"error": "no such thing", "code": 7}, "{error: str, code: int}"),
    ("data", {"data": None}, "{data: null}"),
    ("data", {"data": "text"}, "{data: str}"),
    ("data", {"data": 5}, "{data: int}"),
    ("data", {"data": [A, None]}, "null among the records"),
    ("data", {"data": [A, 5, "x", 1.5]}, "float, int, str among the records"),
    ("data", {"data": [[A]]}, "list among the records"),
    ("data", [A], "list[1]"),
    ("data", None, "null"),
    ("data", "text", "str"),
    ("data.items", {"data": [{"items": [A]}]}, "{data: list[1]}"),
    ("data.items", {"data": {"rows": [A], "n": 1}}, "{data: {rows: list[1], n: int}}"),
    ("data[2]", {"data": [A]}, "{data: list[1]}"),
    ("$", {"error": "no"}, "{error: str}"),
    ("$", A, "{id: int}"),
    ("$", [[A]], "list among the records"),
    ("items.*.data", {"items": [{"data": A}, {"error": "x"}]}, "{items: list[2]}"),
    ("items.*.data", {"items": [{"data": A}, {"data": None}]}, "{items: list[2]}"),
    ("items.*.data", {"items": {"x": {"data": A}, "count": 3}}, "{items: {x: {…}, count: int}}"),
    ("items.*.data", {"items": "none"}, "{items: str}"),
    ("a.b.*", {"a": {"b": {"id": 1, "name": "x"}}}, "{a: {b: {…}}}"),
]


@pytest.mark.parametrize(("selector", "body", "records"), FOUND)
def test_a_selector_finds_the_records(selector: str, body: Any, records: list[dict[str, Any]]) -> None:
    encoded = json.dumps(body).encode()
    assert Selector(selector).page(encoded).records == records
    assert Selector(selector, allow_missing=True).page(encoded).records == records


@pytest.mark.parametrize(("selector", "body", "shape"), NOT_FOUND)
def test_a_body_without_records_fails_with_its_shape(selector: str, body: Any, shape: str) -> None:
    with pytest.raises(ResponseError) as error:
        Selector(selector).page(json.dumps(body).encode())
    assert shape in str(error.value)
    assert f"data_selector: {selector}" in str(error.value)
    assert "no such thing" not in str(error.value)


@pytest.mark.parametrize(
    "page", [{"data": [A], "next": "abc"}, {"data": [A], "has_more": True}, {"rows": [A], "meta": {"next_cursor": "x"}}]
)
def test_a_page_of_many_records_is_not_one_record(page: dict[str, Any]) -> None:
    body = json.dumps(page).encode()
    with pytest.raises(ResponseError, match=r"with more pages \(.*did you mean `data_selector: (data|rows)`"):
        Selector("$", body_is_record=True).page(body)
    ignored = ("next", "has_more", "meta.next_cursor")
    assert Selector("$", body_is_record=True, ignore_hints=ignored).page(body).records == [page]


@pytest.mark.parametrize(
    "record", [{"id": 1, "lines": [A], "next": None}, {"id": 1, "next": "x"}, {"total": 9, "x": [A]}]
)
def test_one_record_may_be_the_whole_body(record: dict[str, Any]) -> None:
    assert Selector("$", body_is_record=True).page(json.dumps(record).encode()).records == [record]


@pytest.mark.parametrize(
    ("selector", "body", "records"),
    [
        ("data", {"error": "x"}, []),
        ("data", {"data": None}, []),
        ("data", None, []),
        ("items.*.data", {"items": None}, []),
        ("items.*.data", {"items": {"x": {"data": A}, "count": 3}}, [A]),
    ],
)
def test_a_missing_path_can_mean_no_records(selector: str, body: Any, records: list[dict[str, Any]]) -> None:
    assert Selector(selector, allow_missing=True).page(json.dumps(body).encode()).records == records


@pytest.mark.parametrize("body", [{"data": 5}, {"data": ""}, {"data": [1]}, {"data": False}])
def test_a_value_that_is_not_records_is_not_missing(body: Any) -> None:
    with pytest.raises(ResponseError):
        Selector("data", allow_missing=True).page(json.dumps(body).encode())


@pytest.mark.parametrize("path", ["", "a..b", "$..a", "a[", "a[x]", "a.", ".a", "a[1:2]", "a[?(@.b)]", "a['b", "a*"])
def test_an_invalid_path_is_refused(path: str) -> None:
    if path == "":
        assert Selector("").page(b"[]").records == []
        return
    with pytest.raises(ConfigError, match="is not valid at"):
        Selector(path)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("next", "abc"),
        ("$.next", "abc"),
        ("meta.total", 12),
        ("meta['odd.name']", 1),
        ('meta["odd.name"]', 1),
        ("['@odata.next']", "u"),
        ("@odata.next", "u"),
        ("data[0].id", 1),
        ("data[-1].id", 2),
        ("none", None),
        ("absent", MISSING),
        ("meta.absent.deeper", MISSING),
        ("none.deeper", MISSING),
        ("data.id", MISSING),
        ("data[5].id", MISSING),
        ("next[0]", MISSING),
    ],
)
def test_find(path: str, value: Any) -> None:
    body = {"next": "abc", "none": None, "meta": {"total": 12, "odd.name": 1}, "@odata.next": "u", "data": [A, B]}
    assert (
        Envelope(json.dumps(body).encode()).find(path) is value
        or Envelope(json.dumps(body).encode()).find(path) == value
    )


def test_find_wants_one_value() -> None:
    with pytest.raises(ConfigError, match="many values"):
        Envelope(b'{"data": [1]}').find("data[*]")


def test_a_page_keeps_its_envelope() -> None:
    page = Selector("data").page(b'{"data": [{"id": 1}], "next": "n"}')
    assert (page.records, page.envelope.find("next")) == ([A], "n")


AROUND: list[tuple[str, bytes, list[dict[str, Any]]]] = [
    ("data", b'{"data":[{"id":1}],"included":[{"id":9}]}', [A]),
    ("data", b'{"included":[{"id":9}],"data":[{"id":1}]}', [A]),
    ("data", b'{"data":[{"id":9}],"data":[{"id":1}]}', [A]),
    ("data", b'{"data":null,"data" : [{"id":1}],"next":[]}', [A]),
    ("data", b'{"page":{"data":[{"id":9}]},"data":[{"id":1}]}', [A]),
    ("data", b'{"data":[{"id":1}],"page":{"data":[{"id":9}]}}', [A]),
    ("page.data", b'{"data":[{"id":9}],"page":{"data":[{"id":1}]}}', [A]),
    ("data", rb'{"note":"\"data\":[","data":[{"id":1}],"more":"]"}', [A]),
    ("data", rb'{"note":["\u0000"],"data":[{"id":1}]}', [A]),
    ("data", rb'{"data":[{"id":1}],"more":"[\"\u0000\"]"}', [A]),
    ("data", b'\xef\xbb\xbf {"data":\n[{"id":1}]\n}\n', [A]),
]


@pytest.mark.parametrize(("path", "body", "expected"), AROUND)
def test_records_are_at_the_path_wherever_other_lists_are(
    path: str, body: bytes, expected: list[dict[str, Any]]
) -> None:
    selector = Selector(path)
    assert [selector.page(body).records for _ in range(2)] == [expected, expected]


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":[{"id":1}]',
        b'{"data":[{"id":1}]]}',
        b'{"data":[{"id":1}]}]',
        b'{"data":[{"id":1},],"next":"n"}',
        b'{"data":[{"id":1}],"next":"n"',
        b'{"data":[{"id":1}] "next":"n"}',
        b'"data":[{"id":1}]',
    ],
)
def test_a_body_that_is_not_json_is_an_error_whatever_its_records_are(body: bytes) -> None:
    with pytest.raises(ResponseError, match="not valid JSON"):
        Selector("data").page(body)


JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.integers(0, 9), st.sampled_from(["", "]", '"data":[', "\x00"])),
    lambda values: st.one_of(
        st.lists(values, max_size=3), st.dictionaries(st.sampled_from(["data", "x", "y"]), values, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(JSON_VALUES, st.integers(-40, 40), st.sampled_from([b"", b"]", b"[", b"}", b'"', b","]))
def test_records_are_those_of_the_decoded_body(value: Any, place: int, damage: bytes) -> None:
    body = json.dumps(value, separators=(",", ":")).encode()
    body = body[:place] + damage + body[place:] if damage else body
    try:
        decoded = decode(body)
        expected = decoded.get("data") if isinstance(decoded, dict) else None
    except ResponseError:
        expected = None
    try:
        records = Selector("data").page(body).records
    except ResponseError:
        # Objects may be errors, and lists of other values are not records.
        assert not isinstance(expected, list) or any(not isinstance(record, dict) for record in expected)
    else:
        assert records == (expected if isinstance(expected, list) else [expected])


def test_a_path_may_lead_into_the_records() -> None:
    page = Selector("data").page(b'{"data":[{"id":1},{"id":2}],"next":"n"}')
    assert [page.envelope.find(path) for path in ("data[-1].id", "data", "next")] == [2, [A, B], "n"]


EXACT: list[tuple[bytes, Any]] = [
    (b"123456789012345678901234567890", 123456789012345678901234567890),
    (b"-18446744073709551617", -18446744073709551617),
    (b"9" * 4300, int("9" * 4300)),
    (b"12.34", 12.34),
    (b"1e3", 1000.0),
    (b"0.30000000000000004", 0.30000000000000004),
    (b"12345678901234567.89", Decimal("12345678901234567.89")),
    (b"0.123456789012345678", Decimal("0.123456789012345678")),
    (b"0.10000000000000000", 0.1),
    (b"0.10000000000000001", 0.1),
    (b"0.1000000000000001", 0.1000000000000001),
    (b"0.100000000000000006", Decimal("0.100000000000000006")),
    (b'"\\ud83d\\ude00"', "\U0001f600"),
    (b'"cut \\ud83d"', "cut \ud83d"),
    (b'"\\u0000"', "\0"),
    (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
    (b' \r\n\t{"a": 1}\n', {"a": 1}),
    (b'{"a": 1, "a": 2}', {"a": 2}),
    (b"[" * 500 + b"]" * 500, json.loads("[" * 500 + "]" * 500)),
]


@pytest.mark.parametrize(("body", "value"), EXACT)
def test_exact(body: bytes, value: Any) -> None:
    decoded = decode(body)
    assert decoded == value
    assert type(decoded) is type(value)


REFUSED: list[tuple[bytes, str]] = [
    (b"", "empty"),
    (b" \n", "empty"),
    (b"<!DOCTYPE html><html>secret-name</html>", "HTML"),
    (b"\xef\xbb\xbf  <html>secret-name", "HTML"),
    (b'{"data": [{"name": "secret-name"', "not valid JSON"),
    (b'{"data": "secret-name', "not valid JSON"),
    (b'{"data": []} secret-name', "Extra data at character 13"),
    (b'{"data": [1,]}', "not valid JSON"),
    (b"NaN", "NaN"),
    (b'{"a": [Infinity]}', "Infinity"),
    (b'{"a": -Infinity}', "-Infinity"),
    (b'{"a": 1e400}', "beyond the range"),
    (b"-1e400", "beyond the range"),
    (b"9" * 4301, "more than 4300 digits"),
    (b'{"a": "\xff secret-name"}', "not valid UTF-8 at byte 7"),
    (b'"\xed\xa0\x80"', "not valid UTF-8"),
    ('{"a": 1}'.encode("utf-16"), "not valid UTF-8"),
    (b"[" * 100_000 + b"]" * 100_000, "nested deeper"),
    (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested deeper"),
    (b"01", "not valid JSON"),
    (b'"\x01"', "not valid JSON"),
    (b"\x00", "not valid JSON"),
    (b"null null", "not valid JSON"),
]


@pytest.mark.parametrize(("body", "words"), REFUSED)
def test_refused(body: bytes, words: str) -> None:
    with pytest.raises(ResponseError) as error:
        decode(body)
    assert words in str(error.value)
    assert "secret-name" not in str(error.value)
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=15,
)


@settings(deadline=None)
@given(json_values)
def test_all_json_is_read_as_the_standard_library_does(value: Any) -> None:
    assert decode(json.dumps(value).encode()) == value
    assert decode(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")) == value


@settings(deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=20))
def test_no_digit_of_a_fraction_is_lost(value: Decimal) -> None:
    decoded = decode(f"{value:f}".encode())
    assert (
        value in (Decimal(repr(decoded)), Decimal(f"{decoded:.17g}"))
        if isinstance(decoded, float)
        else decoded == value
    )


def test_summary_is_bounded_and_holds_names_of_fields_only() -> None:
    assert summary({f"f{i}": i for i in range(12)}).endswith("f9: int, … 2 more}")
    assert summary({"ann@example.com": {"ann smith": 1}, "x" * 100: 1}) == "{?: {?: int}, ?: int}"
    assert summary({"a": {"b": {"c": 1}, "d": {}}}) == "{a: {b: {…}, d: {}}}"
    assert summary({"a": True, "b": None, "c": Decimal(1), "d": 1.5}) == "{a: bool, b: null, c: float, d: float}"
