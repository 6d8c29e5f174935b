"""The built-in APIs, requested as their YAML does: rows, windows, credentials, and the ways to start them."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from analytics_assets.sandbox import builtin, embedded
from analytics_assets.sandbox.helpdesk.api import helpdesk
from analytics_assets_tests.fake_api import FakeServer, builtin_server, serve
from analytics_assets_tests.support.http_client import Query, get, post_form, read_pages

COUNTS = {
    ("recruiting", "opportunities"): 1_000,
    ("recruiting", "users"): 240,
    ("treasury", "cash_drawers"): 180,
    ("treasury", "bank_accounts"): 420,
}
DAY = 86_400_000
FIRST = int(datetime(2026, 10, 1, tzinfo=timezone.utc).timestamp() * 1_000)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[FakeServer, str]]:
    server = builtin_server()
    with serve(server) as url:
        yield server, url


def token(api: str, environ: dict[str, str]) -> dict[str, Any]:
    form = {name: environ[f"{api}_{name.upper()}"] for name in ("client_id", "client_secret")}
    if f"{api}_REFRESH_TOKEN" in environ:
        form |= {"grant_type": "refresh_token", "refresh_token": environ[f"{api}_REFRESH_TOKEN"]}
    else:
        form |= {"grant_type": "client_credentials"}
    response: dict[str, Any] = post_form(environ[f"{api}_TOKEN_URL"], form).json()
    return response


@pytest.mark.parametrize("resource", ["opportunities", "users"])
def test_recruiting_returns_all_rows_by_cursor(server: tuple[FakeServer, str], resource: str) -> None:
    environ = builtin.variables("recruiting", server[1])
    headers = {"Authorization": f"Bearer {token('RECRUITING', environ)['access_token']}"}
    rows: list[Any] = []
    query: Query | None = {"limit": "50", "expand": "owner"}
    while query is not None:
        body = get(f"{environ['RECRUITING_BASE_URL']}/v1/{resource}", query, **headers).json()
        rows += body["data"]
        query = {**query, "offset": body["next"]} if body["hasNext"] else None
    assert rows == builtin.rows("recruiting", resource)


@pytest.mark.parametrize("resource", ["cash_drawers", "bank_accounts"])
def test_treasury_returns_all_rows_by_offset(server: tuple[FakeServer, str], resource: str) -> None:
    environ = builtin.variables("treasury", server[1])
    headers = {"Authorization": f"Bearer {token('TREASURY', environ)['access_token']}"}
    rows: list[Any] = []
    while page := get(
        f"{environ['TREASURY_BASE_URL']}/v1/{resource}", {"limit": "500", "offset": str(len(rows))}, **headers
    ).json()["data"]:
        rows += page
        assert len(page) <= 100
    assert rows == builtin.rows("treasury", resource)


def test_windows_of_a_day_add_up_to_all_rows(server: tuple[FakeServer, str]) -> None:
    environ = builtin.variables("recruiting", server[1])
    days: list[list[Any]] = []
    for day in range(46):
        window = {
            "api_key": environ["RECRUITING_API_KEY"],
            "updated_at_start": str(FIRST + day * DAY),
            "updated_at_end": str(FIRST + (day + 1) * DAY),
        }
        pages = read_pages(
            f"{environ['RECRUITING_BASE_URL']}/v1/opportunities",
            lambda response, _: {"offset": response.json()["next"]} if response.json()["hasNext"] else None,
            window,
        )
        days.append([row for page in pages for row in page])
    assert min(map(len, days)) > 10
    assert all(any(row["updatedAt"] % DAY == 0 for row in rows) for rows in days)
    all_rows = sorted((row for rows in days for row in rows), key=lambda row: str(row["id"]))
    assert all_rows == builtin.rows("recruiting", "opportunities")


@pytest.mark.parametrize("resource", ["cash_drawers", "bank_accounts"])
def test_treasury_windows_add_up_to_all_rows(server: tuple[FakeServer, str], resource: str) -> None:
    environ = builtin.variables("treasury", server[1])
    headers = {"Authorization": f"Bearer {token('TREASURY', environ)['access_token']}"}
    days: list[list[Any]] = []
    for day in range(46):
        start = datetime(2026, 10, 1, tzinfo=timezone.utc) + timedelta(days=day)
        window = {"updated_from": f"{start:%Y-%m-%dT%XZ}", "updated_to": f"{start + timedelta(days=1):%Y-%m-%dT%XZ}"}
        response = get(f"{environ['TREASURY_BASE_URL']}/v1/{resource}", {**window, "limit": "100"}, **headers)
        days.append(response.json()["data"])
    assert min(map(len, days)) > 0
    all_rows = sorted((row for rows in days for row in rows), key=lambda row: int(row["id"]))
    assert all_rows == builtin.rows("treasury", resource)


@pytest.mark.parametrize(("api", "resource"), COUNTS)
def test_rows_are_as_varied_as_real_data(api: str, resource: str) -> None:
    rows = builtin.rows(api, resource)
    assert len(rows) == COUNTS[api, resource]
    assert len({row["id"] for row in rows}) == len(rows)
    types = Counter(type(value) for row in rows for value in row.values())
    assert {type(None), str, int, float, dict} - types.keys() <= {float}
    assert any(isinstance(value, int) and abs(value) > 2**53 for row in rows for value in row.values())
    assert not str(rows).isascii()
    assert not any(all(row[name] is None for row in rows) for name in rows[0])


def test_configured_refresh_token_can_be_used_again(server: tuple[FakeServer, str]) -> None:
    environ = builtin.variables("recruiting", server[1])
    tokens = [token("RECRUITING", environ) for _ in range(2)]
    rotated = {**environ, "RECRUITING_REFRESH_TOKEN": tokens[0]["refresh_token"]}
    assert "access_token" in token("RECRUITING", rotated)
    assert token("RECRUITING", rotated) == {"error": "invalid_grant"}
    assert "access_token" in token("RECRUITING", environ)


def test_embedded_server_is_started_once_per_process() -> None:
    recruiting, treasury = embedded.variables("recruiting"), embedded.variables("treasury")
    assert recruiting["RECRUITING_BASE_URL"].removesuffix("recruiting") == treasury["TREASURY_BASE_URL"].removesuffix(
        "treasury"
    )
    assert (
        get(f"{recruiting['RECRUITING_BASE_URL']}/v1/users", {"api_key": recruiting["RECRUITING_API_KEY"]}).status
        == 200
    )
    assert embedded.token_dir().is_dir()
    assert embedded.token_dir() == embedded.token_dir()
    with pytest.raises(LookupError, match="no API 'shop', only recruiting, treasury"):
        embedded.variables("shop")


def test_standalone_server_prints_the_variables_of_a_client() -> None:
    command = [sys.executable, "-m", "analytics_assets.sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(13)]
        exported = dict(shlex.split(line)[1].split("=", 1) for line in lines)
        url = exported["TREASURY_BASE_URL"].removesuffix("/treasury")
        assert exported == builtin.build_sandbox(helpdesk()).variables(url)
        assert "access_token" in token("TREASURY", exported)
        port = url.rpartition(":")[2]
        again = subprocess.run([*command[:-1], port], capture_output=True, text=True)
        assert (again.returncode, again.stdout) == (1, "")
        assert again.stderr == f"port {port} cannot be used (Address already in use): choose another with --port\n"
        os.kill(process.pid, signal.SIGTERM)
        output, errors = process.communicate()
    assert (process.returncode, output, errors) == (0, "", "")
