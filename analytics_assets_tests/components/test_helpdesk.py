"""The worked example of the documents as Dagster jobs: a full refresh, then a day, parents before children."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from analytics_assets.sandbox.helpdesk import data
from analytics_assets.sandbox.helpdesk.api import helpdesk
from analytics_assets_tests.components.conftest import JobHarness, last_metadata
from analytics_assets_tests.docs.markdown import blocks
from analytics_assets_tests.fake_api import FakeServer
from analytics_assets_tests.support.project import ROOT

ROWS = {"agents": 25, "articles": 60, "queues": 6, "ratings": 30, "tickets": 60}


@pytest.fixture
def example(build_harness: Callable[..., JobHarness], monkeypatch: pytest.MonkeyPatch) -> JobHarness:
    monkeypatch.setenv("HASH_SALT", "an invented secret")
    [document] = blocks("yaml", ROOT / "docs" / "helpdesk.md")
    return build_harness(FakeServer([helpdesk()]), {"helpdesk": document.text})


def test_full_refresh_loads_parents_and_children(example: JobHarness) -> None:
    result = example.run("helpdesk_full_refresh")
    comments = sum(len(data.comments(n)) for n in range(1, 61) if n != data.DELETED_TICKET)
    for name, count in {**ROWS, "comments": comments}.items():
        assert last_metadata(result, f"helpdesk/{name}")["dagster/row_count"] == count
    assert last_metadata(result, "helpdesk/comments")["parents_ignored"] == 1
    result = example.run("helpdesk_full_refresh")  # the parents have materializations now
    assert last_metadata(result, "helpdesk/comments")["dagster/row_count"] == comments


def test_a_day_loads_the_comments_of_its_tickets(example: JobHarness) -> None:
    result = example.run("helpdesk_incremental", partition="2026-10-02")
    tickets = last_metadata(result, "helpdesk/tickets")["dagster/row_count"]
    assert 0 < tickets < ROWS["tickets"]
    assert last_metadata(result, "helpdesk/comments")["parents_read"] == tickets
