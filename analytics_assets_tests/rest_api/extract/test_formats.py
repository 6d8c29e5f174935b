"""CSV and JSON lines become the records that they hold; anything else is an error that names the line."""

# ruff: noqa: E501  (a case is a line)
from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_assets.rest_api.config import DataType
from analytics_assets.rest_api.errors import ResponseError
from analytics_assets.rest_api.extract.formats.body import BodyReader, with_accept
from analytics_assets.rest_api.extract.json_decoding import decode
from analytics_assets.rest_api.http.response import Headers, Response

COLUMNS: dict[str, DataType] = {
    "n": "bigint",
    "x": "double",
    "ok": "bool",
    "tags": "json",
    "amount": "decimal",
    "at": "timestamp",
    "t": "text",
}


def read(
    format: Any, body: bytes, *, content_type: str = "", expected: tuple[str, ...] = (), max_bytes: int = 10_000
) -> Any:
    response = Response(200, Headers([f"Content-Type: {content_type}".encode()]), body)
    return decode(BodyReader(format, COLUMNS, expected, max_bytes)(response))


CSV: list[tuple[bytes, list[dict[str, Any]]]] = [
    (b"id,name\n1,Ada\n2,Bo\n", [{"id": "1", "name": "Ada"}, {"id": "2", "name": "Bo"}]),
    (b"id,name\r\n1,Ada\r\n2,Bo", [{"id": "1", "name": "Ada"}, {"id": "2", "name": "Bo"}]),
    (b"id,name\r1,Ada\r", [{"id": "1", "name": "Ada"}]),
    (b"\xef\xbb\xbfid,name\n1,Ada\n", [{"id": "1", "name": "Ada"}]),
    (b'id,name\n1,\n2,""\n', [{"id": "1", "name": None}, {"id": "2", "name": ""}]),
    (b'"id","na,me"\n"1","a ""b""\nc"\n', [{"id": "1", "na,me": 'a "b"\nc'}]),
    (b"id,name\n\n1,Ada\n\n\n2,Bo\n\n", [{"id": "1", "name": "Ada"}, {"id": "2", "name": "Bo"}]),
    (b"id\n1\n\n2\n", [{"id": "1"}, {"id": None}, {"id": "2"}]),
    (b"id,name\n1,007\n2,NULL\n3, x \n", [{"id": "1", "name": "007"}, {"id": "2", "name": "NULL"}, {"id": "3", "name": " x "}]),
    (b'id,size\n1,5" pipe\n', [{"id": "1", "size": '5" pipe'}]),
    (b"id,name\n", []),
    (b"id,name", []),
    ("id,name\n1,Zoë 新卒 🚀\n".encode(), [{"id": "1", "name": "Zoë 新卒 🚀"}]),
    # declared columns
    (b"n,x,ok\n150,1.50,true\n-3,2,FALSE\n", [{"n": 150, "x": 1.5, "ok": True}, {"n": -3, "x": 2, "ok": False}]),
    (b"n,x,ok\n007,1e3,yes\n1.0,.5,1\n", [{"n": "007", "x": 1000.0, "ok": "yes"}, {"n": "1.0", "x": ".5", "ok": "1"}]),
    (b"n,t\n123456789012345678901234567890,1\n", [{"n": 123456789012345678901234567890, "t": "1"}]),
    (b'n,t,at\n"","",""\n', [{"n": None, "t": "", "at": None}]),
    (b'id,tags\n1,"[1, {""a"": 2}]"\n2,none\n', [{"id": "1", "tags": [1, {"a": 2}]}, {"id": "2", "tags": "none"}]),
    (b"id,amount,at\n1,12.50,2026-10-01\n", [{"id": "1", "amount": "12.50", "at": "2026-10-01"}]),
]  # fmt: skip


@pytest.mark.parametrize(("body", "expected"), CSV)
def test_csv_is_read_exactly(body: bytes, expected: list[dict[str, Any]]) -> None:
    assert read("csv", body) == expected


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=6)


@given(st.lists(st.tuples(CELL, CELL), max_size=5), st.sampled_from(["\n", "\r\n"]))
def test_csv_that_python_writes_is_read_back(rows: list[tuple[str, str]], end: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([("a", "b"), *rows])
    assert read("csv", text.getvalue().encode()) == [{"a": a, "b": b} for a, b in rows]


JSON_LINES: list[tuple[bytes, list[dict[str, Any]]]] = [
    (b'{"id":1}\n{"id":2}\n', [{"id": 1}, {"id": 2}]),
    (b'{"id":1}\r\n\r\n  {"id":2}  ', [{"id": 1}, {"id": 2}]),
    (b'\xef\xbb\xbf{"id":1.50}\n', [{"id": 1.5}]),
    (b'{"id":"\\ud800"}\n{"id":"\\n"}', [{"id": "\ud800"}, {"id": "\n"}]),
    (b"", []),
    (b"\n\n", []),
]


@pytest.mark.parametrize(("body", "expected"), JSON_LINES)
def test_json_lines_are_read_exactly(body: bytes, expected: list[dict[str, Any]]) -> None:
    assert read("jsonl", body) == expected


def test_gzip_is_read_whatever_the_headers_say() -> None:
    csv_file = gzip.compress(b"id\n1\n") + gzip.compress(b"2\n")  # two members, as tools that compress in blocks write
    assert read("csv", csv_file) == [{"id": "1"}, {"id": "2"}]
    assert read("jsonl", gzip.compress(b'{"id":1}\n'), content_type="application/gzip") == [{"id": 1}]
    assert read("json", gzip.compress(b'[{"id":1}]')) == [{"id": 1}]


def test_charset_counts_only_where_it_matters() -> None:
    assert read("csv", b"id\n1\n", content_type="text/csv; charset=ISO-8859-1") == [{"id": "1"}]
    assert read("csv", "id\né\n".encode(), content_type='text/csv; charset="UTF-8"') == [{"id": "é"}]


HTML = b"<!DOCTYPE html><html></html>"
WRONG: list[tuple[str, bytes, str]] = [
    ("csv", b"", "the response is empty where a header line of CSV was expected"),
    ("csv", b"\n1,2\n", "line 1 of the CSV is blank"),
    ("csv", b"id,name\n1,Ada\n2\n", "line 3 of the CSV has 1 cells, but the header has 2: the response was cut off"),
    ("csv", b'id,name\n1,"a\nb\nc"\n2,Bo,secret\n', "line 5 of the CSV has 3 cells, but the header has 2"),
    ("csv", b'id,name\n1,"secret\n', "the CSV is not valid at line 2: unexpected end of data"),
    ("csv", b"id,name,id\n1,Ada,2\n", "line 1 of the CSV has the same name for the columns 1 and 3"),
    ("csv", b"id,,name\n1,Ada,2\n", "line 1 of the CSV has no name for column 2"),
    ("csv", b"id;name\n1;secret\n", "the CSV seems to be separated by semicolons: only commas are read"),
    ("csv", b"id\tname\n1\tsecret\n", "the CSV seems to be separated by tabs"),
    ("csv", b"id,name\n1,Ada\n2,secret\xff\n", "the CSV is not valid UTF-8 at line 3"),
    ("csv", b'{"error": "secret"}', "the API returned JSON, not CSV: if that is not an error message, write `format: json`"),
    ("csv", b'[{"id": "secret"}]', "the API returned JSON, not CSV"),
    ("csv", HTML, "the API returned HTML or XML, not csv: check `base_url`, `path` and the credentials"),
    ("csv", b"Rate limit exceeded", "the response is one line with none of the fields 'id': it may be an error message of the API"),
    ("csv", "id\n1\n".encode("utf-16"), "the response is written in UTF-16: only UTF-8 can be read"),
    ("csv", b"PK\x03\x04secret", "the response is a zip archive: only plain text and gzip can be read"),
    ("csv", gzip.compress(b"id\n1\n")[:-9], "the response is gzip, but incomplete: the API's file is damaged, or cut off"),
    ("csv", gzip.compress(b"id\n1\n")[:-8] + b"\0" * 8, "the response is gzip, but corrupt"),
    ("csv", gzip.compress(b"id\n" + b"1\n" * 10_000), "longer than 10000 bytes when decompressed"),
    ("jsonl", b'{"id":1}\n{"id":"secret', "line 2, the last one, is not complete: the response was cut off"),
    ("jsonl", b'{"id":1}\nsecret\n{"id":2}\n', "line 2 of the response is not a JSON object"),
    ("jsonl", b'{"id":1}{"id":"secret"}\n', "line 1 of the response is not a JSON object"),
    ("jsonl", b'{"id":1}\n[2]\n', "line 2 of the response is not a JSON object"),
    ("jsonl", b'{\n  "data": []\n}\n', "line 1 of the response is not a JSON object. If the response is one JSON document, write `format: json`"),
    ("jsonl", b'[{"id":1}]', "the API returned a JSON list, not a JSON object per line: write `format: json`"),
    ("jsonl", HTML, "the API returned HTML or XML, not jsonl"),
    ("json", b'{"id":1}\n{"id":2}\n', "not valid JSON: Extra data at character 9 of 18; if each line is a record, write `format: jsonl`"),
]  # fmt: skip


@pytest.mark.parametrize(("format", "body", "message"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_body_is_an_error_that_quotes_nothing(format: str, body: bytes, message: str) -> None:
    with pytest.raises(ResponseError) as caught:
        read(format, body, expected=("id",))
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


def test_latin_1_is_an_error() -> None:
    with pytest.raises(ResponseError, match="the response is written in ISO-8859-1: only UTF-8 can be read"):
        read("csv", "id\né\n".encode(), content_type="text/csv; charset=ISO-8859-1")


def test_one_line_of_text_without_a_key_is_no_header() -> None:
    with pytest.raises(ResponseError, match="one line with one cell only"):
        read("csv", b"No data available")


def test_other_bytes_are_no_gzip() -> None:
    with pytest.raises(ResponseError, match="line 1 of the response is not a JSON object"):
        read("jsonl", zlib.compress(b'{"id":1}'))


def test_requests_name_their_format_unless_the_yaml_does() -> None:
    assert with_accept("csv", {"X": "y"}, {}) == {"X": "y", "Accept": "text/csv, */*;q=0.5"}
    assert with_accept("csv", {"accept": "text/plain"}, {}) == {"accept": "text/plain"}
    assert with_accept("jsonl", {}, {"Accept": "application/json"}) == {}
    assert with_accept("json", {}, {}) == {}


def test_many_rows_are_read_in_chunks() -> None:
    body = b"id,name\n" + b"".join(b"%d,x\n" % n for n in range(25_000))
    found = read("csv", body)
    assert [row["id"] for row in found] == [str(n) for n in range(25_000)]
    assert json.dumps(found[-1]) == '{"id": "24999", "name": "x"}'
