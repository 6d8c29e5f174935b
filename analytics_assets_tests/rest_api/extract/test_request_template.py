"""Requests: what is sent for a read and a page, byte by byte."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import pytest

from analytics_assets.rest_api.config import Endpoint
from analytics_assets.rest_api.errors import ResponseError
from analytics_assets.rest_api.extract.pagination.base import PageRequest
from analytics_assets.rest_api.extract.request_template import BoundRequest, RequestTemplate
from analytics_assets.rest_api.http.request import Request

BASE = "https://api.example.com/"
OCTOBER = {"start": "2026-10-01", "end": "2026-11-01"}
INCREMENTAL: dict[str, Any] = {"start_param": "since", "format": "date"}


def template(**endpoint: Any) -> RequestTemplate:
    described = Endpoint.model_validate({"path": "rows", **endpoint})
    headers = {name: str(value) for name, value in described.headers.items()}
    return RequestTemplate(described, url=BASE + described.path, headers=headers)


def body(request: Request) -> Any:
    return json.loads(request.body or b"null")


def test_placeholders_of_every_part_are_replaced() -> None:
    request = template(
        method="POST",
        path="teams/{resources.teams.id}/rows",
        params={"q": "at >= {start}"},
        headers={"X-Until": "{end}"},
        json_={"team": "{resources.teams.id}", "range": ["{start}", "until {end}"], "page": {"size": 5}, "none": None},
        incremental=INCREMENTAL,
    ).render({"resources.teams.id": 7, **OCTOBER})
    assert request == Request(
        "https://api.example.com/teams/7/rows",
        "POST",
        {"q": "at >= 2026-10-01", "since": "2026-10-01"},
        {"X-Until": "2026-11-01", "Content-Type": "application/json"},
        b'{"team":7,"range":["2026-10-01","until 2026-11-01"],"page":{"size":5},"none":null}',
        shown_url="https://api.example.com/teams/{resources.teams.id}/rows",
    )


def test_list_repeats_a_parameter_or_a_field() -> None:
    request = template(
        method="POST",
        params={"include": ["a", "until {end}", "{region}"], "region": "{region}", "text": "in {region}"},
        data={"fields": ["id", "{team}"]},
        headers={"X-Regions": "{region}"},
        values={"region": ["eu", "us"]},
        for_each={"team": [7, 8]},
        incremental=INCREMENTAL,
    ).render({"region": ["eu", "us"], "team": 7, **OCTOBER})
    assert request.params == {
        "include": ("a", "until 2026-11-01", "eu", "us"),
        "region": ("eu", "us"),
        "text": "in eu,us",
        "since": "2026-10-01",
    }
    assert request.headers["X-Regions"] == "eu,us"
    assert request.body == b"fields=id&fields=7"


def test_list_with_a_bound_is_not_sent_without_a_window() -> None:
    request = template(params={"at": ["{start}", "x"], "b": ["c"]}, incremental=INCREMENTAL).render({})
    assert request.params == {"b": ("c",)}


def test_list_in_json_stays_a_list() -> None:
    described = template(method="POST", json_={"ids": "{ids}", "text": "{ids}!"}, values={"ids": [1, "b"]})
    assert body(described.render({"ids": [1, "b"]})) == {"ids": [1, "b"], "text": "1,b!"}


@pytest.mark.parametrize(
    ("value", "path", "text"),
    [
        ("a/b c", "a%2Fb%20c", "a/b c"),
        ("?x=1&y#z%20", "%3Fx%3D1%26y%23z%2520", "?x=1&y#z%20"),
        ("é/地", "%C3%A9%2F%E5%9C%B0", "é/地"),
        ("~-._", "~-._", "~-._"),
        ("...", "...", "..."),
        ("{end}", "%7Bend%7D", "{end}"),
        (0, "0", "0"),
        (2**70, str(2**70), str(2**70)),
        (True, "true", "true"),
        (Decimal("1E+3"), "1000", "1000"),
    ],
)
def test_values_are_encoded_in_paths_only(value: Any, path: str, text: str) -> None:
    request = template(
        method="POST", path="x/{resources.a.b}", params={"q": "={resources.a.b}"}, data="={resources.a.b}"
    ).render({"resources.a.b": value})
    assert request.url == f"{BASE}x/{path}"
    assert request.params == {"q": f"={text}"}
    assert request.body == f"={text}".encode()


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_value_that_leads_to_another_path_is_an_error(value: str) -> None:
    with pytest.raises(ResponseError, match="the path would lead elsewhere"):
        template(path="users/{resources.users.id}").render({"resources.users.id": value})


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (1790812800, b"1790812800"),
        (2**70, str(2**70).encode()),
        (-(2**70), str(-(2**70)).encode()),
        (Decimal("0.123456789012345678"), b"0.123456789012345678"),
        (1.5, b"1.5"),
        (True, b"true"),
        ('"x"', rb'"\"x\""'),
    ],
)
def test_value_of_a_lone_placeholder_keeps_its_type_in_json(value: Any, encoded: bytes) -> None:
    rendered = template(method="POST", json_={"a": "{resources.a.b}"}).render({"resources.a.b": value})
    assert rendered.body == b'{"a":%b}' % encoded


def test_epoch_bounds_are_numbers_in_json_and_text_elsewhere() -> None:
    where = {"from": "{start}", "text": "> {start}"}
    epoch = template(method="POST", json_=where, incremental={"format": "epoch_s", "start_param": "since"})
    request = epoch.render({"start": 1790812800, "end": 1790899200})
    assert body(request) == {"from": 1790812800, "text": "> 1790812800"}
    assert request.params == {"since": "1790812800"}


def test_numbers_of_the_file_keep_all_their_digits() -> None:
    assert template(method="POST", json_=[2**70]).render({}).body == b"[%d]" % 2**70


def test_all_history_omits_parameters_and_widens_path_and_body() -> None:
    parts: dict[str, Any] = {
        "method": "POST",
        "path": "days/{start}",
        "params": {"until": "{end}", "expand": "owner"},
        "headers": {"X-Since": "{start}", "X-Tenant": "t"},
        "incremental": INCREMENTAL,
    }
    request = template(**parts, json_={"at": {"gte": "{start}", "lt": "{end}"}}).render({})
    assert request.url == f"{BASE}days/1970-01-01"
    assert request.params == {"expand": "owner"}
    assert request.headers == {"X-Tenant": "t", "Content-Type": "application/json"}
    assert body(request) == {"at": {"gte": "1970-01-01", "lt": "2100-01-01"}}
    form = template(**parts, data={"since": "{start}", "all": "yes"}).render({})
    assert form.body == b"all=yes"
    assert template(**parts, data="since {start}").render({}).body == b"since 1970-01-01"


def test_form_is_encoded() -> None:
    request = template(method="POST", data={"q": "a&b=é +", "empty": ""}).render({})
    assert request.headers == {"Content-Type": "application/x-www-form-urlencoded"}
    assert dict(parse_qsl((request.body or b"").decode(), keep_blank_values=True)) == {"q": "a&b=é +", "empty": ""}


def test_content_type_of_the_configuration_wins() -> None:
    request = template(method="POST", json_={}, headers={"content-type": "application/vnd.api+json"}).render({})
    assert request.headers == {"content-type": "application/vnd.api+json"}


@pytest.mark.parametrize(("json_", "expected"), [(None, None), ({}, b"{}"), ([], b"[]")])
def test_body_is_sent_only_if_there_is_one(json_: Any, expected: bytes | None) -> None:
    request = template(method="POST", json_=json_).render({})
    assert request.body == expected


def test_page_is_set_in_the_body_without_changing_the_next_one() -> None:
    described = template(method="POST", json_={"page": {"size": 2}, "q": "x"})
    bound = BoundRequest(described, {}, position_name="page")
    assert [body(bound.page(PageRequest(body={"page.number": n, "a.b.c": n}))) for n in (1, 2)] == [
        {"page": {"size": 2, "number": n}, "q": "x", "a": {"b": {"c": n}}} for n in (1, 2)
    ]
    assert body(bound.page(PageRequest())) == {"page": {"size": 2}, "q": "x"}


def test_page_creates_the_body_that_is_missing() -> None:
    bound = BoundRequest(template(method="POST"), {}, position_name=None)
    assert bound.page(PageRequest(body={"after": "x"})) == Request(
        f"{BASE}rows", "POST", {}, {"Content-Type": "application/json"}, b'{"after":"x"}'
    )


def test_page_is_a_field_of_a_form() -> None:
    bound = BoundRequest(template(method="POST", data={"q": "x"}), {}, position_name=None)
    assert bound.page(PageRequest(body={"page.number": 3})).body == b"q=x&page.number=3"


def test_path_through_a_value_that_is_not_an_object_is_an_error() -> None:
    bound = BoundRequest(template(method="POST", json_={"page": 1}), {}, position_name=None)
    with pytest.raises(ResponseError, match=r"`page\.number` leads through `page`, which is not an object in the body"):
        bound.page(PageRequest(body={"page.number": 2}))


def test_position_is_a_placeholder() -> None:
    described = template(path="rows/{offset}", params={"q": "x"}, paginator={"type": "offset", "limit": 1})
    bound = BoundRequest(described, {}, position_name="offset")
    assert [bound.page(PageRequest({"limit": "1"}, position=n)) for n in (0, 5)] == [
        Request(f"{BASE}rows/{n}", params={"q": "x", "limit": "1"}) for n in (0, 5)
    ]


def test_link_replaces_url_and_parameters_and_keeps_the_body() -> None:
    bound = BoundRequest(template(method="POST", params={"q": "x"}, json_={"a": 1}), {}, position_name=None)
    assert bound.link(f"{BASE}next?c=1") == Request(
        f"{BASE}next?c=1", "POST", {}, {"Content-Type": "application/json"}, b'{"a":1}'
    )


@pytest.mark.parametrize("secret", ["a{start}", "a{{b}}", "{page}"])
def test_braces_in_a_secret_are_part_of_it(secret: str) -> None:
    described = Endpoint.model_validate(
        {"path": "rows", "headers": {"X-Key": {"env": "KEY"}, "X-Since": "{start}"}, "incremental": INCREMENTAL}
    )
    headers = {"X-Key": secret, "X-Since": "{start}"}
    request = RequestTemplate(described, url=f"{BASE}rows", headers=headers).render(OCTOBER)
    assert request.headers == {"X-Key": secret, "X-Since": "2026-10-01"}


@pytest.mark.parametrize("part", [{"params": {"q": "{resources.a.b}"}}, {"headers": {"X-Q": "{resources.a.b}"}}])
def test_only_bounds_of_a_window_are_omitted(part: dict[str, Any]) -> None:
    """A filter without its value would read other rows."""
    with pytest.raises(KeyError):
        template(**part).render({})


def test_request_is_shown_without_its_parameters_headers_and_body() -> None:
    request = template(method="POST", params={"q": "s3cret"}, headers={"X": "s3cret"}, json_=["s3cret"]).render({})
    assert "s3cret" not in repr(request)
