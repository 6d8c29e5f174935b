"""Ends of pages, responses without rows, paths and windows of a manifest's requests."""

from __future__ import annotations

from typing import Any

import pytest

from analytics_assets.specs.airbyte import convert_manifest
from analytics_assets.specs.document import ApiDocument
from analytics_assets_tests.specs.manifest_shapes import SYNC, Component, cursor, option, stream

LINK: Component = {"type": "RequestPath"}
TEXT = "{{ response.next == 'inf' or 'next' not in response }}"


def convert_stream(path: str = "/items", **parts: Any) -> ApiDocument:
    return convert_manifest({"streams": [stream("items", path, **parts)]}, "shop")


def endpoint(document: ApiDocument) -> dict[str, Any]:
    found: dict[str, Any] = document.attributes["resources"][0]["endpoint"]
    return found


def handled(**response_filter: Any) -> ApiDocument:
    described = {"type": "HttpResponseFilter", **response_filter}
    return convert_stream(requester={"error_handler": {"type": "DefaultErrorHandler", "response_filters": [described]}})


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        (
            cursor("{{ last_record['next'] }}", token=LINK, size=None),
            {"type": "json_link", "next_url_path": "data[-1].next"},
        ),
        (
            cursor("{{ response.next }}", TEXT, option("after"), size=None),
            {"type": "cursor", "cursor_param": "after", "cursor_path": "next"},
        ),
        (cursor("{{ response.next }}", TEXT, LINK, size=None), {"type": "json_link", "next_url_path": "next"}),
    ],
)
def test_end_of_pages_is_carried(pages: Component, expected: dict[str, Any]) -> None:
    document = convert_stream(pages=pages)
    assert document.is_whole
    assert endpoint(document)["paginator"] == expected


@pytest.mark.parametrize(
    ("value", "stop", "token"),
    [
        ("{{ response.next }}", "{{ response.state == 'inf' }}", option("after")),
        ("{{ response.next }}", "{{ response.next != 'inf' }}", option("after")),
        ("{{ headers['link']['next']['url'] }}", "{{ headers['link']['next']['results'] == 'false' }}", LINK),
    ],
)
def test_end_of_pages_by_another_value_is_not_carried(value: str, stop: str, token: Component) -> None:
    document = convert_stream(pages=cursor(value, stop, token))
    assert not document.is_whole
    assert any("the stop condition" in message for message in document.messages())


@pytest.mark.parametrize(
    ("response_filter", "expected"),
    [
        (
            {"http_codes": [404, 403], "error_message_contains": "no such team", "action": "IGNORE"},
            [{"status_code": 404}, {"status_code": 403}, {"content": "no such team"}],
        ),
        (
            {"http_codes": [404], "predicate": "{{ response.status_code == 404 }}", "action": "IGNORE"},
            [{"status_code": 404}],
        ),
        ({"predicate": "{{ response.code == 'not_found' }}", "action": "IGNORE"}, [{"content": "not_found"}]),
        ({"predicate": "{{ 'no such team' in response }}", "action": "IGNORE"}, [{"content": "no such team"}]),
    ],
)
def test_each_criterion_of_a_response_filter_is_one_action(
    response_filter: Component, expected: list[dict[str, Any]]
) -> None:
    document = handled(**response_filter)
    assert document.is_whole
    assert endpoint(document)["error_handler"]["response_actions"] == [
        {**entry, "action": "ignore"} for entry in expected
    ]
    is_compared = "status_code" not in response_filter.get("predicate", "status_code")
    assert ("# not carried: the place of the text" in document.to_yaml()) is is_compared


@pytest.mark.parametrize(
    "response_filter",
    [
        {"predicate": "{{ 'details' in response }}"},
        {"predicate": "{{ response.code == 7 }}", "http_codes": [404]},
        {"http_codes": ["{{ config['code'] }}"]},
        {"error_message_contains": "{{ config['text'] }}"},
    ],
)
def test_responses_that_cannot_be_recognised_are_reported(response_filter: Component) -> None:
    document = handled(action="IGNORE", **response_filter)
    assert not document.is_whole
    assert "# not carried: action ignore for responses" in document.to_yaml()
    assert handled(action="RETRY", **response_filter).is_whole, "they fail the load"


@pytest.mark.parametrize(
    ("handler", "text"),
    [
        ({"max_retries": "{{ config['n'] }}"}, "the number of retries"),
        (
            {"backoff_strategies": [{"type": "ExponentialBackoffStrategy", "factor": "{{ config['n'] }}"}]},
            "the waiting time before a retry",
        ),
    ],
)
def test_retries_from_settings_are_reported(handler: Component, text: str) -> None:
    document = convert_stream(requester={"error_handler": {"type": "DefaultErrorHandler", **handler}})
    assert document.is_whole
    assert f"# not carried: {text}" in document.to_yaml()


def test_query_of_values_without_names_stays_in_the_path() -> None:
    assert endpoint(convert_stream("index.php?/api/v2/users"))["path"] == "/index.php?/api/v2/users"
    with_names = endpoint(convert_stream("users?active=1&sort=id"))
    assert (with_names["path"], with_names["params"]) == ("/users", {"active": "1", "sort": "id"})


def test_names_of_bounds_in_slices_are_those_of_the_manifest() -> None:
    sync = {key: value for key, value in SYNC.items() if not key.endswith("_option")}
    sync |= {"partition_field_start": "from_day", "partition_field_end": "to_day"}
    params = {"since": "{{ stream_slice['from_day'] }}", "until": "{{ stream_interval.to_day }}"}
    document = convert_stream(incremental_sync=sync, requester={"request_parameters": params})
    assert document.is_whole
    assert endpoint(document)["params"] == {"since": "{start}", "until": "{end}"}


@pytest.mark.parametrize(
    ("end", "text", "is_whole"),
    [
        ("2026-10-05", "# not carried: the end of the history on 2026-10-05", False),
        ("{{ config['end_date'] }}", "# decide: the connector reads until {{ config['end_date'] }}", True),
        ("{{ now_utc() }}", "cursor_path: updated_at", True),
    ],
)
def test_end_of_the_history_is_reported_or_left_to_decide(end: str, text: str, is_whole: bool) -> None:
    for bound in (end, {"type": "MinMaxDatetime", "datetime": end}):
        document = convert_stream(incremental_sync={**SYNC, "end_datetime": bound})
        assert text in document.to_yaml()
        assert document.is_whole is is_whole
