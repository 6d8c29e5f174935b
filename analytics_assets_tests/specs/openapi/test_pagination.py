"""Paginators that usual names of parameters, fields and headers lead to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analytics_assets_tests.specs.openapi.documents import (
    FLAG,
    NUMBER,
    TASK,
    TEXT,
    converted,
    document,
    endpoint,
    get,
    list_of,
    query,
)

URI = {"type": "string", "format": "uri"}
OR_NULL = {"anyOf": [{"type": "string"}, {"type": "null"}]}
CASES: dict[str, tuple[dict[str, Any], Any]] = {
    "offset and limit": (
        get(list_of(TASK), query(offset=NUMBER, limit={"type": "integer", "maximum": 500})),
        {"type": "offset", "limit": 500},
    ),
    "skip and top, with a total": (
        get(list_of(TASK, total=NUMBER), query(skip=NUMBER, top={"type": "integer", "maximum": 5000})),
        {
            "type": "offset",
            "limit": 1000,
            "offset_param": "skip",
            "limit_param": "top",
            "total_rows_path": "total",
        },
    ),
    "page and per_page": (
        get(
            list_of(TASK, meta={"properties": {"total_pages": NUMBER}}),
            query(page={"type": "integer", "default": 1}, per_page={"type": "integer", "default": 50}),
        ),
        {
            "type": "page_number",
            "limit": 50,
            "limit_param": "per_page",
            "start_from_page": 1,
            "total_path": "meta.total_pages",
        },
    ),
    "pages from zero": (
        get(list_of(TASK, has_more=FLAG), query(page={"type": "integer", "minimum": 0}, size=NUMBER)),
        {
            "type": "page_number",
            "limit": 100,
            "limit_param": "size",
            "start_from_page": 0,
            "has_more_path": "has_more",
        },
    ),
    "cursor": (
        get(list_of(TASK, next_cursor=OR_NULL), query(cursor=TEXT, limit=NUMBER)),
        {"type": "cursor", "limit": 100, "cursor_param": "cursor", "cursor_path": "next_cursor"},
    ),
    "token in an envelope": (
        get(
            list_of(TASK, paging={"properties": {"next_page_token": TEXT}}, hasMore=FLAG),
            query(page_token=TEXT, pageSize=NUMBER),
        ),
        {
            "type": "cursor",
            "limit": 100,
            "limit_param": "pageSize",
            "cursor_param": "page_token",
            "cursor_path": "paging.next_page_token",
            "has_more_path": "hasMore",
        },
    ),
    "id of the last record": (
        get(list_of(TASK, has_more=FLAG), query(starting_after=TEXT, limit=NUMBER)),
        {
            "type": "cursor",
            "limit": 100,
            "cursor_param": "starting_after",
            "cursor_path": "data[-1].id",
            "has_more_path": "has_more",
        },
    ),
    "link in the body": (
        get(list_of(TASK, links={"properties": {"next": OR_NULL}}), query(cursor=TEXT)),
        {"type": "json_link", "next_url_path": "links.next"},
    ),
    "OData": (
        get(list_of(TASK, **{"@odata.nextLink": TEXT})),
        {"type": "json_link", "next_url_path": "$['@odata.nextLink']"},
    ),
    "Django REST framework": (
        get(list_of(TASK, count=NUMBER, next=URI, previous=URI), query(limit=NUMBER, offset=NUMBER)),
        {"type": "offset", "limit": 100, "total_rows_path": "count"},
    ),
    "Link header": (
        get(list_of(TASK), query(q=TEXT), headers={"Link": {}, "X-Total-Count": {}}),
        {"type": "header_link", "total_rows_header": "X-Total-Count"},
    ),
    "cursor in a header": (
        get(list_of(TASK), query(cursor=TEXT), headers={"X-Next-Cursor": {}}),
        {"type": "header_cursor", "cursor_key": "X-Next-Cursor", "cursor_param": "cursor"},
    ),
    "JSON:API parameters as an object": (
        get(
            list_of(TASK, meta={"properties": {"total": NUMBER}}),
            [
                {
                    "name": "page",
                    "in": "query",
                    "style": "deepObject",
                    "schema": {"type": "object", "properties": {"number": {**NUMBER, "minimum": 1}, "size": NUMBER}},
                }
            ],
        ),
        {
            "type": "page_number",
            "limit": 100,
            "limit_param": "page[size]",
            "page_param": "page[number]",
            "start_from_page": 1,
            "total_rows_path": "meta.total",
        },
    ),
    "a time is not a cursor": (
        get(list_of(TASK), query(after={"type": "string", "format": "date-time"})),
        "single_page",
    ),
    "nothing": (get(list_of(TASK)), "single_page"),
}


@pytest.mark.parametrize(("path", "expected"), CASES.values(), ids=CASES)
def test_paginator_is_recognised(path: dict[str, Any], expected: Any, tmp_path: Path) -> None:
    result, _ = converted(document({"/tasks": path}), tmp_path)
    assert endpoint(result)["paginator"] == expected


def test_limit_without_a_next_page_is_sent_and_a_decision(tmp_path: Path) -> None:
    limit = {"type": "integer", "default": 20, "maximum": 200}
    result, _ = converted(document({"/tasks": get(list_of(TASK), query(limit=limit))}), tmp_path)
    assert endpoint(result)["params"] == {"limit": 200}
    assert "decide: the API has `limit` and nothing that leads to a next page" in result.to_yaml()


def test_guessed_first_page_is_marked(tmp_path: Path) -> None:
    result, _ = converted(document({"/tasks": get(list_of(TASK), query(page=NUMBER))}), tmp_path)
    assert "decide: a guess: the first page is number 1" in result.to_yaml()
