"""The benchmarks with small tables: server, limit program and our load. Contents are compared, times are not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import duckdb
import pytest

from analytics_assets_tests.benchmarks import __main__ as command_line
from analytics_assets_tests.benchmarks import children, limit, ours, records, report
from analytics_assets_tests.benchmarks.bench import Bench
from analytics_assets_tests.benchmarks.compare import COLUMN_TYPES, ContentError, Loaded, compare
from analytics_assets_tests.benchmarks.environments import InstallError, environment
from analytics_assets_tests.benchmarks.measure import Command, CommandError, Cost, measure, ratio
from analytics_assets_tests.benchmarks.programs import REFERENCE, ReadSettings
from analytics_assets_tests.benchmarks.server import serving
from analytics_assets_tests.docs.markdown import generated

ROWS = 3_000
DAY_MS = 86_400_000
FIRST_WEEK = f"updated_at_start={records.START_MS}&updated_at_end={records.START_MS + 7 * DAY_MS}"
# Runs code in a grandchild process, whose cost belongs to the command.
GRANDCHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving() as url:
        yield url


@pytest.fixture(scope="module")
def limit_loaded(server: str, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """The table that the limit program loaded, twice."""
    database = tmp_path_factory.mktemp("limit") / "warehouse.duckdb"
    assert [limit.load(f"{server}/{ROWS}/0", str(database)) for _ in range(2)] == [ROWS, ROWS]
    return Loaded("limit", database)


def get_json(url: str) -> dict[str, Any]:
    with urlopen(url) as response:
        body: dict[str, Any] = json.load(response)
    return body


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
def test_server_returns_pages_of_a_window(
    server: str, query: str, ids: list[int], total: int, following: str | None
) -> None:
    for _ in range(2):  # built, then from the cache
        body = get_json(f"{server}/1000/0/v1/rows?{query}")
        assert [row["id"] for row in body["data"]] == ids
        assert (body["total"], body["next"], body["hasNext"]) == (total, following, following is not None)


def test_rows_have_the_documented_size_and_spread(server: str) -> None:
    [*rows] = get_json(f"{server}/1000/1/v1/rows?limit=1000")["data"]
    size = sum(len(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()) for row in rows) / len(rows)
    assert (len(rows), {len(row) for row in rows}) == (1000, {15})
    assert 400 < size < 500
    updated = [row["updatedAt"] for row in rows]
    assert updated == sorted(set(updated))
    assert updated[-1] - updated[0] == pytest.approx(records.SPAN_MS, rel=0.01)
    assert {type(value) for row in rows for value in row.values()} == {int, str, float, bool, dict, list, type(None)}


def test_server_returns_404_for_other_paths(server: str) -> None:
    with pytest.raises(HTTPError, match="404"):
        urlopen(f"{server}/1000/0/v1/cats")


@pytest.mark.parametrize("read", [ReadSettings(), ReadSettings("cursor", 50, 8)], ids=["offset", "cursor"])
def test_ours_loads_the_rows_of_the_limit_program(
    server: str, limit_loaded: Loaded, tmp_path: Path, read: ReadSettings
) -> None:
    database = tmp_path / "warehouse.duckdb"
    for _ in range(2):
        assert ours.load(f"{server}/{ROWS}/0", database, **asdict(read)) == ROWS
        assert compare(limit_loaded, Loaded("ours", database)) == ROWS


def test_load_into_duckdb_does_not_import_sqlalchemy(server: str, tmp_path: Path) -> None:
    """Its import takes longer than a small load."""
    code = (
        "import sys; from pathlib import Path; from analytics_assets_tests.benchmarks import ours; "
        "print(ours.load(sys.argv[1], Path(sys.argv[2])), 'sqlalchemy' in sys.modules)"
    )
    command = [sys.executable, "-c", code, f"{server}/100/0", str(tmp_path / "warehouse.duckdb")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == ["100", "False"]


def test_limit_program_updates_changed_rows(server: str, limit_loaded: Loaded, tmp_path: Path) -> None:
    """Otherwise its second load would be faster than a complete one."""
    other = Loaded("changed", tmp_path / "warehouse.duckdb")
    shutil.copy(limit_loaded.database, other.database)
    with duckdb.connect(str(other.database)) as connection:
        connection.execute("DELETE FROM bench.rows WHERE id % 3 = 0")
        connection.execute("UPDATE bench.rows SET tags = '[]', email = NULL WHERE id % 3 = 1")
    assert limit.load(f"{server}/{ROWS}/0", str(other.database)) == ROWS
    assert compare(limit_loaded, other) == ROWS


def test_plain_dlt_loads_the_rows_of_the_limit_program(server: str, limit_loaded: Loaded, tmp_path: Path) -> None:
    database = tmp_path / "warehouse.duckdb"
    measure(REFERENCE.command(f"{server}/{ROWS}/0", database, ReadSettings()))
    assert compare(limit_loaded, REFERENCE.loaded(database)) == ROWS


def test_programs_load_the_same_children(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "PARENTS", 12)
    by_hand, ours_file = tmp_path / "by_hand.duckdb", tmp_path / "ours.duckdb"
    children.by_hand(f"{server}/12/0", str(by_hand))
    children.parents(f"{server}/12/0", str(ours_file))
    children.ours(f"{server}/12/0", str(ours_file))
    children.compare_children(by_hand, ours_file)
    with duckdb.connect(str(ours_file)) as connection:
        assert connection.execute("SELECT COUNT(*), COUNT(DISTINCT _rows_id) FROM bench.children").fetchall() == [
            (120, 12)
        ]
        connection.execute("UPDATE bench.children SET note = 'other' WHERE id = 7")
    with pytest.raises(ValueError, match="has other rows"):
        children.compare_children(by_hand, ours_file)


@pytest.mark.parametrize(
    ("change", "extra", "missing"),
    [
        *((f"UPDATE bench.rows SET {column} = NULL WHERE id = 8", 1, 1) for column in [*COLUMN_TYPES, "owner", "tags"]),
        ("UPDATE bench.rows SET note = note || ' ' WHERE id = 8", 1, 1),
        ("DELETE FROM bench.rows WHERE id = 8", 0, 1),
        ("INSERT INTO bench.rows FROM bench.rows WHERE id = 8", 1, 0),
    ],
)
def test_every_difference_is_found(limit_loaded: Loaded, tmp_path: Path, change: str, extra: int, missing: int) -> None:
    other = Loaded("other", tmp_path / "warehouse.duckdb")
    shutil.copy(limit_loaded.database, other.database)
    with duckdb.connect(str(other.database)) as connection:
        connection.execute(change)
    with pytest.raises(ContentError, match=f"{extra} are in the first only, {missing} in the second only"):
        compare(other, limit_loaded)


def test_cost_includes_the_whole_process_tree(tmp_path: Path) -> None:
    own_memory = b"x" * 200_000_000  # must not count
    assert 0 < measure(Command([sys.executable, "-c", GRANDCHILD.format(code="")], tmp_path)).memory < 100
    del own_memory
    memory = "held = b'x' * 200_000_000; import time; time.sleep(0.3)"
    assert measure(Command([sys.executable, "-c", GRANDCHILD.format(code=memory)], tmp_path)).memory > 190
    busy = "import time\nwhile time.process_time() < 0.5: pass"
    assert measure(Command([sys.executable, "-c", GRANDCHILD.format(code=busy)], tmp_path)).cpu > 0.5


def test_failed_command_is_an_error_with_its_output(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="ended with 3:\nno such table"):
        measure(Command([sys.executable, "-c", "print('no such table'); raise SystemExit(3)"], tmp_path))


def test_ratio_compares_round_by_round() -> None:
    rounds = ratio([2.0, 9.0, 4.0], [1.0, 3.0, 1.0])
    assert (rounds.median, rounds.low, rounds.high) == (3.0, 2.0, 4.0)


def test_peer_that_cannot_be_installed_is_an_error_without_urls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analytics_assets_tests.benchmarks.environments.CACHE", tmp_path)
    with pytest.raises(InstallError) as caught:
        environment("nothing", [str(tmp_path / "no_such_package.whl")])
    assert "://" not in str(caught.value)


def test_report_is_written_into_the_documents(tmp_path: Path) -> None:
    cost = Cost(wall=7.5, cpu=8.0, memory=345.0)
    bench = Bench("", tmp_path, seconds={"limit": 0.4, "ours": 0.5, "plain dlt": 60.0, "tuned dlt": 2.0})
    bench.growth = [(1_000_000, "ours", cost), (1_000_000, "limit", Cost(wall=1.5, cpu=2.0, memory=600.0))]
    bench.add_finding("a measurement", "1.10", "<= 1.15", True)
    bench.add_finding("noise", "1.01")
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


def test_documents_have_the_markers_of_the_report() -> None:
    assert generated((report.ROOT / "docs" / "benchmarks.md").read_text(), report.RESULTS)
    assert generated((report.ROOT / "README.md").read_text(), report.SUMMARY)


def test_command_line_measures_and_prints_the_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "--only server,noise,growth --rounds 1 --rows 2000 --most-rows 10000 --peers none"
    monkeypatch.setattr(sys, "argv", ["benchmarks", *options.split()])
    command_line.main()
    printed = capsys.readouterr().out
    for name in ("limit of the server", "noise: the hand-written program", "| 10,000 | analytics_assets |"):
        assert name in printed
    assert "failed" not in printed
