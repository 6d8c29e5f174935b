"""Hints of more rows: the names that APIs give them, where they stand, and which values count."""

from __future__ import annotations

import json
from typing import Any

import pytest

from analytics_assets.rest_api.extract.envelope import Envelope, compile_path
from analytics_assets.rest_api.extract.pagination.hints import find_header_hints, find_hints

FOUND: list[tuple[str, Any, list[str]]] = [
    ("data", {"data": [], "total": 151}, ["`total` is 151"]),
    ("data", {"data": [], "totalCount": "151"}, ["`totalCount` is 151"]),
    ("value", {"value": [], "@odata.count": 9, "@odata.nextLink": "x"}, ["`@odata.count` is 9", "next"]),
    ("data", {"data": [], "meta": {"page": {"total-pages": 4}}}, ["`meta.page.total-pages` is 4"]),
    (
        "data.items",
        {"data": {"items": [], "total": 7, "hasMore": True}},
        ["`data.total` is 7", "`data.hasMore` is true"],
    ),
    ("data", {"data": [], "paging": {"next": {"after": "x"}}}, ["`paging.next` leads to a next page"]),
    ("data", {"data": [], "_links": {"next": {"href": "/rows?page=2"}}}, ["`_links.next` leads to a next page"]),
    ("entry", {"entry": [], "link": [{"relation": "next", "url": "x"}]}, ["`link` leads to a next page"]),
    ("data", {"data": [], "links": [{"rel": "next", "href": "x"}]}, ["`links` leads to a next page"]),
    ("data", {"data": [], "isLast": False, "last_page": 3}, ["`isLast` is false", "`last_page` is 3"]),
    ("items.*.data", {"items": {"a": {"data": {"total": 5}}}, "count": 3}, ["`count` is 3"]),
]
NOT_FOUND: list[tuple[str, Any]] = [
    ("data", {"data": [{"total": 151, "next": "x"}]}),  # fields of the records
    ("data", {"data": {"total": 151, "next": "x"}}),  # an object that is the record
    ("page", {"page": {"total": 151}}),
    ("*", {"next": {"id": 1}, "total": {"id": 2}}),  # records by key
    ("$", [{"total": 151}]),
    ("data", {"data": [], "total": 1.5, "count": True, "pages": [1, 2]}),
    ("data", {"data": [], "filters": {"total": 151}, "a": {"b": {"total": 151}}}),
    ("data", {"data": [], "total": 12345678901234567890}),
]


@pytest.mark.parametrize(("selector", "body", "found"), FOUND)
def test_hints_are_found_around_the_records(selector: str, body: Any, found: list[str]) -> None:
    hints = [str(hint) for hint in find_hints(Envelope(json.dumps(body).encode()), compile_path(selector))]
    assert len(hints) == len(found)
    assert all(part in hint for part, hint in zip(found, hints, strict=True))


@pytest.mark.parametrize(("selector", "body"), NOT_FOUND)
def test_records_and_other_fields_are_not_hints(selector: str, body: Any) -> None:
    assert list(find_hints(Envelope(json.dumps(body).encode()), compile_path(selector))) == []


@pytest.mark.parametrize("value", [None, "", 0, {}, {"href": None}])
def test_an_empty_next_page_is_known_and_leads_nowhere(value: Any) -> None:
    [hint] = find_hints(Envelope(json.dumps({"data": [], "next": value}).encode()), compile_path("data"))
    assert (hint.kind, hint.more) == ("next", False)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("x-total-count", "151", "`x-total-count` is 151"),
        ("content-range", "items 0-49/151", "`content-range` is 151"),
        ("x-wp-totalpages", "4", "`x-wp-totalpages` is 4"),
        ("x-next-page", "2", "`x-next-page` leads to a next page"),
        ("Link", '<https://api.example.com/?page=2>; rel="next"', "`Link` leads to a next page"),
    ],
)
def test_hints_are_found_in_headers(name: str, value: str, said: str) -> None:
    assert [str(hint) for hint in find_header_hints({name: value})] == [said]


@pytest.mark.parametrize("value", ["items */*", "items 0-49/*", ""])
def test_a_content_range_without_a_total_is_not_a_hint(value: str) -> None:
    assert list(find_header_hints({"content-range": value})) == []
