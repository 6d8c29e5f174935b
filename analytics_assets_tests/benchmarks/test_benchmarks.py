"""The benchmarks in small: the real server, the limit program and our load; contents are compared, no time is."""

from __future__ import annotations

import json
import shutil
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import duckdb
import pytest

from analytics_assets_tests.benchmarks import __main__ as command_line
from analytics_assets_tests.benchmarks import limit, ours, records, report
from analytics_assets_tests.benchmarks.bench import Bench
from analytics_assets_tests.benchmarks.compare import KINDS, ContentError, Loaded, compare
from analytics_assets_tests.benchmarks.environments import InstallError, environment
from analytics_assets_tests.benchmarks.measure import Command, CommandError, Cost, measure, ratio
from analytics_assets_tests.benchmarks.programs import REFERENCE, Walk
from analytics_assets_tests.benchmarks.server import serving
from analytics_assets_tests.docs.markdown import generated

ROWS = 3_000
DAY_MS = 86_400_000
FIRST_WEEK = f"updated_at_start={records.START_MS}&updated_at_end={records.START_MS + 7 * DAY_MS}"
# In a grandchild, and while its parent waits: what it uses is the command's, too.
HUNGRY = "import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving() as url:
        yield url


@pytest.fixture(scope="module")
def limit_loaded(server: str, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """What the limit program has loaded, twice."""
    database = tmp_path_factory.mktemp("limit") / "warehouse.duckdb"
    assert [limit.load(f"{server}/{ROWS}/0", str(database)) for _ in range(2)] == [ROWS, ROWS]
    return Loaded("limit", database)


def ask(url: str) -> dict[str, Any]:
    with urlopen(url) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


@pytest.mark.parametrize(
    ("query", "ids", "total", "following"),
    [
        ("offset=0&limit=3", [1, 2, 3], 1000, "3"),
        ("limit=2&offset=997", [998, 999], 1000, "999"),
        ("offset=998&limit=5", [999, 1000], 1000, None),
        ("offset=1000&limit=5", [], 1000, None),
        (f"limit=2&{FIRST_WEEK}", [1, 2], 234, "2"),
        (f"limit=5&offset=232&{FIRST_WEEK}", [233, 234], 234, None),
        (f"limit=1&updated_at_start={records.START_MS + 1}", [2], 999, "1"),
    ],
)
def test_the_server_pages(server: str, query: str, ids: list[int], total: int, following: str | None) -> None:
    for _ in range(2):  # made, then kept
        answer = ask(f"{server}/1000/0/v1/rows?{query}")
        assert [row["id"] for row in answer["data"]] == ids
        assert (answer["total"], answer["next"], answer["hasNext"]) == (total, following, following is not None)


def test_rows_are_as_large_and_as_spread_as_is_said(server: str) -> None:
    [*rows] = ask(f"{server}/1000/1/v1/rows?limit=1000")["data"]
    size = sum(len(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()) for row in rows) / len(rows)
    assert (len(rows), {len(row) for row in rows}) == (1000, {15})
    assert 400 < size < 500
    updated = [row["updatedAt"] for row in rows]
    assert updated == sorted(set(updated))
    assert updated[-1] - updated[0] == pytest.approx(records.SPAN_MS, rel=0.01)
    assert {type(value) for row in rows for value in row.values()} == {int, str, float, bool, dict, list, type(None)}


def test_the_server_knows_no_other_path(server: str) -> None:
    with pytest.raises(HTTPError, match="404"):
        urlopen(f"{server}/1000/0/v1/cats")


@pytest.mark.parametrize("walk", [Walk(), Walk("cursor", 50, 8)], ids=["offset", "cursor"])
def test_ours_loads_what_the_limit_loads(server: str, limit_loaded: Loaded, tmp_path: Path, walk: Walk) -> None:
    database = tmp_path / "warehouse.duckdb"
    asked = {"paginator": walk.paginator, "limit": walk.limit, "concurrency": walk.concurrency}
    for _ in range(2):
        assert ours.load(f"{server}/{ROWS}/0", database, **asked) == ROWS
        assert compare(limit_loaded, Loaded("ours", database)) == ROWS


def test_the_limit_mends_what_differs(server: str, limit_loaded: Loaded, tmp_path: Path) -> None:
    """Or its second load would be faster than one that does all of the work."""
    other = Loaded("mended", tmp_path / "warehouse.duckdb")
    shutil.copy(limit_loaded.database, other.database)
    with duckdb.connect(str(other.database)) as connection:
        connection.execute("DELETE FROM bench.rows WHERE id % 3 = 0")
        connection.execute("UPDATE bench.rows SET tags = '[]', email = NULL WHERE id % 3 = 1")
    assert limit.load(f"{server}/{ROWS}/0", str(other.database)) == ROWS
    assert compare(limit_loaded, other) == ROWS


def test_plain_dlt_loads_what_the_limit_loads(server: str, limit_loaded: Loaded, tmp_path: Path) -> None:
    database = tmp_path / "warehouse.duckdb"
    measure(REFERENCE.command(f"{server}/{ROWS}/0", database, Walk()))
    assert compare(limit_loaded, REFERENCE.loaded(database)) == ROWS


@pytest.mark.parametrize(
    ("change", "only_there", "missing"),
    [
        *((f"UPDATE bench.rows SET {column} = NULL WHERE id = 8", 1, 1) for column in [*KINDS, "owner", "tags"]),
        ("UPDATE bench.rows SET note = note || ' ' WHERE id = 8", 1, 1),
        ("DELETE FROM bench.rows WHERE id = 8", 0, 1),
        ("INSERT INTO bench.rows FROM bench.rows WHERE id = 8", 1, 0),
    ],
)
def test_a_difference_is_found(
    limit_loaded: Loaded, tmp_path: Path, change: str, only_there: int, missing: int
) -> None:
    other = Loaded("other", tmp_path / "warehouse.duckdb")
    shutil.copy(limit_loaded.database, other.database)
    with duckdb.connect(str(other.database)) as connection:
        connection.execute(change)
    with pytest.raises(ContentError, match=f"{only_there} are in the first only, {missing} in the second only"):
        compare(other, limit_loaded)


def test_the_cost_of_a_whole_process_tree(tmp_path: Path) -> None:
    held_here = b"x" * 200_000_000  # which is not the command's
    assert 0 < measure(Command([sys.executable, "-c", HUNGRY.format(code="")], tmp_path)).memory < 100
    del held_here
    memory = "held = b'x' * 200_000_000; import time; time.sleep(0.3)"
    assert measure(Command([sys.executable, "-c", HUNGRY.format(code=memory)], tmp_path)).memory > 190
    busy = "import time\nwhile time.process_time() < 0.5: pass"
    assert measure(Command([sys.executable, "-c", HUNGRY.format(code=busy)], tmp_path)).cpu > 0.5


def test_a_failed_command_says_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="ended with 3:\nno such table"):
        measure(Command([sys.executable, "-c", "print('no such table'); raise SystemExit(3)"], tmp_path))


def test_ratios_are_of_rounds() -> None:
    found = ratio([2.0, 9.0, 4.0], [1.0, 3.0, 1.0])
    assert (found.median, found.low, found.high) == (3.0, 2.0, 4.0)


def test_a_peer_that_cannot_be_installed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analytics_assets_tests.benchmarks.environments.CACHE", tmp_path)
    with pytest.raises(InstallError) as told:
        environment("nothing", [str(tmp_path / "no_such_package.whl")])
    assert "://" not in str(told.value)


def test_the_report_is_written_into_the_documents(tmp_path: Path) -> None:
    cost = Cost(wall=7.5, cpu=8.0, memory=345.0)
    bench = Bench("", tmp_path, seconds={"limit": 0.4, "ours": 0.5, "plain dlt": 60.0, "tuned dlt": 2.0})
    bench.growth = [(1_000_000, "ours", cost), (1_000_000, "limit", Cost(wall=1.5, cpu=2.0, memory=600.0))]
    bench.find("a measurement", "1.10", "<= 1.15", True)
    bench.find("noise", "1.01")
    page, readme = tmp_path / "docs" / "benchmarks.md", tmp_path / "README.md"
    (tmp_path / "docs" / "images").mkdir(parents=True)
    for document, name in ((page, report.RESULTS), (readme, report.SUMMARY)):
        document.write_text(f"# Before\n<!-- {name}:begin -->\nold\n<!-- {name}:end -->\n# After\n")
    for _ in range(2):
        report.write(bench, tmp_path)
    for document in (page, readme):
        text = document.read_text()
        assert text.startswith("# Before\n")
        assert text.endswith("# After\n")
        assert "old" not in text
    lines = page.read_text().splitlines()
    growth = "| 1,000,000 | analytics_assets | 7.50 | 8.00 | 345 MB |"
    for line in ("| a measurement | 1.10 |", "| noise | 1.01 |", growth):
        assert lines.count(line) == 1
    assert generated(readme.read_text(), report.SUMMARY).splitlines() == [
        "- 1,000,000 rows: 7.5 s, 345 MB.",
        "- 4.0 to 120.0 times faster than other loaders, for 100,000 rows.",
        "- A program written by hand for this one table: 1,000,000 rows in 1.5 s.",
    ]
    drawn = ElementTree.parse(tmp_path / "docs" / "images" / "benchmark.svg").getroot()
    assert [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")][1::2] == [
        "hand-written program",
        "analytics_assets",
        "tuned dlt",
        "plain dlt",
    ]


def test_the_documents_have_a_place_for_the_report() -> None:
    assert generated((report.ROOT / "docs" / "benchmarks.md").read_text(), report.RESULTS)
    assert generated((report.ROOT / "README.md").read_text(), report.SUMMARY)


def test_one_command_measures(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked = "--only server,noise,growth --rounds 1 --rows 2000 --most-rows 10000 --peers none"
    monkeypatch.setattr(sys, "argv", ["benchmarks", *asked.split()])
    command_line.main()
    printed = capsys.readouterr().out
    for name in ("limit of the server", "noise: the hand-written program", "| 10,000 | analytics_assets |"):
        assert name in printed
    assert "failed" not in printed
