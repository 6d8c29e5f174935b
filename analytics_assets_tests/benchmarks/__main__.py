"""Measure and print a report; with --write, put the results of each workload into the documents once it has ended."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from analytics_assets_tests.benchmarks import children, dagster_runs, latency, report, workloads
from analytics_assets_tests.benchmarks.bench import Bench
from analytics_assets_tests.benchmarks.programs import PEERS_BY_NAME
from analytics_assets_tests.benchmarks.results import Result
from analytics_assets_tests.benchmarks.server import serving


@dataclass(frozen=True)
class Workload:
    """A part of the report.

    Attributes:
        measure: Adds findings and costs.
        rounds: How often each program runs: quick ones more often.
    """

    measure: Callable[[Bench], None]
    rounds: int


WORKLOADS = {
    "server": Workload(workloads.server, 1),
    "noise": Workload(workloads.noise, 5),
    "contents": Workload(workloads.contents, 1),
    "many_rows": Workload(workloads.many_rows, 5),
    "peers": Workload(workloads.peers, 2),
    "wide": Workload(workloads.wide, 2),
    "long": Workload(workloads.long, 2),
    "growth": Workload(workloads.growth, 3),
    "cursor": Workload(latency.cursor, 3),
    "offset": Workload(latency.offset, 5),
    "children": Workload(children.children, 3),
    "full_refresh": Workload(dagster_runs.full_refresh, 5),
    "year": Workload(dagster_runs.year, 2),
    "imports": Workload(dagster_runs.imports, 7),
}
CHECKS = ["server", "noise", "contents"]  # of the method: measured first, reported last
ORDER = [*(name for name in WORKLOADS if name not in CHECKS), *CHECKS]


def names(known: dict[str, object]) -> Callable[[str], list[str]]:
    """A parser of comma-separated names; `none` is the empty list."""

    def parse(text: str) -> list[str]:
        selected = [name for name in text.split(",") if name and name != "none"]
        if unknown := set(selected) - set(known):
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: unknown; known are {', '.join(known)}")
        return selected

    return parse


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m analytics_assets_tests.benchmarks", description=__doc__)
    parser.add_argument(
        "--only",
        type=names(dict(WORKLOADS)),
        default=list(WORKLOADS),
        help=f"some of {', '.join(WORKLOADS)}",
    )
    parser.add_argument(
        "--peers",
        type=names(dict(PEERS_BY_NAME)),
        default=list(PEERS_BY_NAME),
        help=f"some of {', '.join(PEERS_BY_NAME)}; or none",
    )
    parser.add_argument("--rounds", type=int, help="rounds of each workload in place of its own number")
    parser.add_argument(
        "--rows", type=int, default=Bench.rows, help="rows of the large load; a tenth of it with long rows"
    )
    parser.add_argument("--most-rows", type=int, default=Bench.most_rows, help="rows of the largest load of `growth`")
    parser.add_argument("--peer-rows", type=int, default=Bench.peer_rows, help="rows that the peers load")
    parser.add_argument("--write", action="store_true", help="write the report into the documents")
    options = parser.parse_args()
    if options.write and options.peers and options.peers != list(PEERS_BY_NAME):
        parser.error("--write takes all peers or none, because they are compared with each other in one report")
    return options


def main() -> None:
    options = arguments()
    results: dict[str, Result] = {}
    failed = []
    with serving() as url, tempfile.TemporaryDirectory(prefix="analytics_assets_benchmarks_") as folder:
        bench = Bench(url, Path(folder), options.rows, options.most_rows, options.peer_rows, options.peers)
        for name in options.only:
            started = time.perf_counter()
            bench.begin(options.rounds or WORKLOADS[name].rounds)
            try:
                WORKLOADS[name].measure(bench)
            except Exception:  # the other workloads are still measured and reported
                bench.log(traceback.format_exc())
                failed.append(name)
                continue
            bench.log(f"{name}: {time.perf_counter() - started:.0f} s")
            if bench.findings:
                results[name] = bench.result()
                if options.write:
                    report.write({name: results[name]}, ORDER)
    if results:
        print(report.markdown(results))
    if failed:
        sys.exit(f"failed, and not in the report: {', '.join(failed)}")


if __name__ == "__main__":
    main()
