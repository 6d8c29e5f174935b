"""Wrong paginators get a proposal that loads every row when it is pasted."""

from __future__ import annotations

from pathlib import Path

import pytest

from analytics_assets.rest_api.probe.session import MAX_REQUESTS
from analytics_assets_tests.cases.wrong_settings import CASES, ROWS, WrongSetting
from analytics_assets_tests.fake_api import Api, Endpoint, FakeServer, serve
from analytics_assets_tests.support.probing import Described

# Hints of the same kind differ in their names only: the loads of wrong settings use them all.
SAME_KIND = ("single_page, ", "cursor_path misspelt for ", "next_url_path misspelt for ")
CHOSEN = [case for number, case in enumerate(CASES) if number % 4 == 0 or not case.name.startswith(SAME_KIND)]
# APIs that reject unknown parameters get only the parameters that they know, one by one: one case for each wrong type
# of a paginator and each pagination of the API.
STRICT = {(case.wrong["type"], type(case.api)): case for case in reversed(CASES)}.values()
RUNS = [(case, False) for case in CHOSEN] + [(case, True) for case in STRICT]


def described(case: WrongSetting, environ: dict[str, str], folder: Path) -> Described:
    endpoint = {"path": "/rows", "data_selector": case.selector, "paginator": case.wrong}
    keys = {"primary_key": "id", **case.resource, "endpoint": {**endpoint, **case.endpoint, **case.wrong_endpoint}}
    return Described({key: value for key, value in keys.items() if value is not None}, environ, folder, {})


@pytest.mark.parametrize(
    ("case", "strict"), RUNS, ids=[f"{case}{', strict' if strict else ''}" for case, strict in RUNS]
)
def test_proposal_loads_every_row(case: WrongSetting, strict: bool, tmp_path: Path) -> None:
    endpoint = Endpoint("/rows", ROWS, pagination=case.api, selector=case.selector, extra=case.extra)
    server = FakeServer([Api("shop", [endpoint], strict=strict)])
    with serve(server) as url:
        wrong = described(case, server.variables(url), tmp_path)
        found = wrong.probe()
        assert found.problems
        assert found.requests <= MAX_REQUESTS
        assert len(server.requests) == found.requests
        assert wrong.pasted(found).load(full_refresh=True) == list(ROWS)


RIGHT = list({str(case.right): case for case in CASES}.values())


@pytest.mark.parametrize("case", RIGHT[::3], ids=str)
def test_right_settings_have_no_problem_and_cost_few_requests(case: WrongSetting, tmp_path: Path) -> None:
    endpoint = Endpoint("/rows", ROWS, pagination=case.api, selector=case.selector, extra=case.extra)
    server = FakeServer([Api("shop", [endpoint], strict=False)])
    with serve(server) as url:
        keys = {"path": "/rows", "data_selector": case.selector, "paginator": case.right, **case.endpoint}
        found = Described({"primary_key": "id", "endpoint": keys}, server.variables(url), tmp_path, {}).probe()
    assert found.problems == []
    assert found.requests <= 4
    assert "second page" in found.paging
