"""The benchmarks with small tables: server, limit program and our load. Contents are compared, times are not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import duckdb
import pytest

from analytics_assets_tests.benchmarks import __main__ as command_line
from analytics_assets_tests.benchmarks import children, limit, ours, records, report, results
from analytics_assets_tests.benchmarks.__main__ import Workload
from analytics_assets_tests.benchmarks.bench import Bench
from analytics_assets_tests.benchmarks.compare import ContentError, Loaded, compare
from analytics_assets_tests.benchmarks.environments import InstallError, environment
from analytics_assets_tests.benchmarks.measure import Command, CommandError, measure, ratio
from analytics_assets_tests.benchmarks.programs import REFERENCE, ReadSettings
from analytics_assets_tests.benchmarks.results import Finding, LoadCost, Result
from analytics_assets_tests.benchmarks.server import serving
from analytics_assets_tests.benchmarks.tables import TABLES, columns
from analytics_assets_tests.docs.markdown import generated
from analytics_assets_tests.support.project import ROOT

ROWS = 3_000
DAY_MS = 86_400_000
FIRST_WEEK = f"updated_at_start={records.START_MS}&updated_at_end={records.START_MS + 7 * DAY_MS}"
SVG_TEXT = "{http://www.w3.org/2000/svg}text"
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


@pytest.mark.parametrize(
    ("table", "size", "fields", "nulls"), [("wide_rows", 2_700, 120, 1 / 3), ("long_rows", 21_000, 8, 0)]
)
def test_other_tables_have_the_documented_shape(server: str, table: str, size: int, fields: int, nulls: float) -> None:
    with urlopen(f"{server}/1000/0/v1/{table}?limit=100&offset=900") as response:
        body = response.read()
    rows = json.loads(body)["data"]
    assert ([row["id"] for row in rows], {len(row) for row in rows}) == ([*range(901, 1001)], {fields})
    assert len(body) / len(rows) == pytest.approx(size, rel=0.1)
    values = [value for row in rows for value in row.values()]
    assert values.count(None) / len(values) == pytest.approx(nulls, abs=0.02)
    assert list(rows[0]) == list(TABLES[table])


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


@pytest.mark.parametrize("table", ["wide_rows", "long_rows"])
def test_ours_loads_the_rows_of_other_tables(server: str, tmp_path: Path, table: str) -> None:
    by_hand, ours_file = (Loaded(name, tmp_path / f"{name}.duckdb", table=table) for name in ("limit", "ours"))
    assert limit.load(f"{server}/250/0", str(by_hand.database), table=table) == 250
    assert ours.load(f"{server}/250/0", ours_file.database, table=table) == 250
    assert compare(by_hand, ours_file) == 250
    with duckdb.connect(str(ours_file.database)) as connection:
        last = list(columns(table))[-1]
        connection.execute(f"UPDATE bench.rows SET {last} = '{{}}' WHERE id = 8")
    with pytest.raises(ContentError, match="1 are in the first only"):
        compare(by_hand, ours_file)


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
        *((f"UPDATE bench.rows SET {column} = NULL WHERE id = 8", 1, 1) for column in columns("rows")),
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


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A folder with the documents that the report is written into."""
    (tmp_path / "docs" / "images").mkdir(parents=True)
    (tmp_path / results.FILE).parent.mkdir(parents=True)
    for document, name in (("docs/benchmarks.md", report.RESULTS), ("README.md", report.SUMMARY)):
        (tmp_path / document).write_text(f"# Before\n<!-- {name}:begin -->\nold\n<!-- {name}:end -->\n# After\n")
    return tmp_path


def result(day: int, *costs: LoadCost, environment: str = "2 processors", sentence: str = "It takes 5 s.") -> Result:
    return Result(date(2026, 11, day), environment, 3, [Finding(sentence, "5.01 s")], costs)


def million(program: str, wall: float) -> LoadCost:
    return LoadCost("1,000,000 rows", program, wall, cpu=8.0, memory=345.0)


PEER_COSTS = [
    LoadCost("100,000 rows", program, wall, None, memory=500)
    for program, wall in (("limit", 0.4), ("ours", 0.5), ("plain dlt", 60.0), ("A & B", 2.0))
]


def test_report_is_written_into_the_documents(documents: Path) -> None:
    measured = {"peers": result(20, *PEER_COSTS), "growth": result(20, million("ours", 7.5), million("limit", 1.5))}
    for _ in range(2):
        report.write(measured, ["peers", "growth"], documents)
    for name in ("README.md", "docs/benchmarks.md"):
        text = (documents / name).read_text()
        assert text.startswith("# Before\n")
        assert text.endswith("# After\n")
        assert "old" not in text
    lines = (documents / "docs" / "benchmarks.md").read_text().splitlines()
    assert lines.count("| It takes 5 s. | 5.01 s | 3 | 2026-11-20 |") == 2
    assert lines.count("| 1,000,000 rows | analytics_assets | 7.50 | 8.00 | 345 MB | 2026-11-20 |") == 1
    assert generated((documents / "README.md").read_text(), report.SUMMARY).splitlines() == [
        "- 1,000,000 rows: 7.5 s, 345 MB.",
        "- 4.0 to 120.0 times faster than other loaders, for 100,000 rows.",
        "- A program written by hand for this one table: 1,000,000 rows in 1.5 s.",
    ]


def test_charts_show_the_programs_side_by_side(documents: Path) -> None:
    measured = {"peers": result(20, *PEER_COSTS), "growth": result(20, million("ours", 7.5), million("limit", 1.5))}
    report.write(measured, ["peers", "growth"], documents)
    peers, tables = (
        [text.text for text in ElementTree.parse(documents / "docs" / "images" / name).iter() if text.tag == SVG_TEXT]
        for name in ("benchmark.svg", "benchmark-tables.svg")
    )
    assert peers[:3] == ["Load 100,000 rows of an API into DuckDB", "Time", "Peak memory"]
    assert peers[3::3] == ["hand-written program", "analytics_assets", "A & B", "plain dlt"]
    assert peers[4::3] == ["0.4 s", "0.5 s", "2.0 s", "60.0 s"]
    assert tables[3:] == [
        "1,000,000 rows",
        *("hand-written program", "1.5 s", "345 MB"),
        *("analytics_assets", "7.5 s", "345 MB"),
    ]


def test_run_of_some_workloads_replaces_only_their_rows(documents: Path) -> None:
    order = ["many_rows", "cursor"]
    report.write({"cursor": result(20), "dropped": result(20), "many_rows": result(20)}, order, documents)
    report.write({"many_rows": result(24, environment="4 processors", sentence="It takes 2 s.")}, order, documents)
    assert generated((documents / "docs" / "benchmarks.md").read_text(), report.RESULTS).splitlines() == [
        "4 processors.",
        "",
        "| result | figures | rounds | date |",
        "|---|---|---|---|",
        "| It takes 2 s. | 5.01 s | 3 | 2026-11-24 |",
        "| It takes 5 s. | 5.01 s; with 2 processors | 3 | 2026-11-20 |",
    ]
    assert generated((documents / "README.md").read_text(), report.SUMMARY) == "old\n"


def test_documents_show_the_stored_results() -> None:
    stored = results.load()
    assert generated((ROOT / "docs" / "benchmarks.md").read_text(), report.RESULTS) == report.markdown(stored)
    assert generated((ROOT / "README.md").read_text(), report.SUMMARY) == report.summary(stored)
    for name, drawn in report.charts(stored).items():
        assert (ROOT / report.IMAGES / name).read_text() == drawn


def test_command_line_measures_and_prints_the_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "--only server,noise,wide,growth --rounds 1 --rows 2000 --most-rows 10000 --peers none"
    monkeypatch.setattr(sys, "argv", ["benchmarks", *options.split()])
    command_line.main()
    printed = capsys.readouterr().out
    for name in (
        "The API server sends",
        "Noise: two runs",
        "A load of 2,000 wide rows needs",
        "| 10,000 rows | analytics_a",
    ):
        assert name in printed


def test_failed_workload_is_not_in_the_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(bench: Bench) -> None:
        raise ContentError("different rows")

    monkeypatch.setitem(command_line.WORKLOADS, "noise", Workload(fail, 1))
    monkeypatch.setattr(sys, "argv", ["benchmarks", *["--only", "noise,server", "--rows", "200"]])
    with pytest.raises(SystemExit, match="not in the report: noise"):
        command_line.main()
    printed = capsys.readouterr()
    assert "The API server sends" in printed.out
    assert "Noise" not in printed.out
    assert "ContentError: different rows" in printed.err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("--only nois", "nois: unknown; known are server"),
        ("--write --peers airbyte", "--write takes all peers or none"),
    ],
)
def test_wrong_options_are_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: str, reason: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", *options.split()])
    with pytest.raises(SystemExit):
        command_line.main()
    assert reason in capsys.readouterr().err
