"""Measure and print a report; with --write, put it into the documents."""

from __future__ import annotations

import argparse
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

from analytics_assets_tests.benchmarks import children, dagster_runs, report, workloads
from analytics_assets_tests.benchmarks.bench import Bench
from analytics_assets_tests.benchmarks.programs import PEERS_BY_NAME
from analytics_assets_tests.benchmarks.server import serving

WORKLOADS: dict[str, Callable[[Bench], None]] = {
    "server": workloads.server,
    "noise": workloads.noise,
    "contents": workloads.contents,
    "many_rows": workloads.many_rows,
    "peers": workloads.peers,
    "cursor": workloads.cursor,
    "offset": workloads.offset,
    "children": children.children,
    "growth": workloads.growth,
    "full_refresh": dagster_runs.full_refresh,
    "year": dagster_runs.year,
    "imports": dagster_runs.imports,
}


def names(known: dict[str, object]) -> Callable[[str], list[str]]:
    """A parser of comma-separated names; `none` is the empty list."""

    def parse(text: str) -> list[str]:
        selected = [name for name in text.split(",") if name and name != "none"]
        if unknown := set(selected) - set(known):
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: unknown; known are {', '.join(known)}")
        return selected

    return parse


def main() -> None:
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
    parser.add_argument("--rounds", type=int, default=Bench.rounds, help="rounds per measurement")
    parser.add_argument("--peer-rounds", type=int, default=Bench.peer_rounds, help="rounds with the peers")
    parser.add_argument("--rows", type=int, default=Bench.rows, help="rows of the large load")
    parser.add_argument("--most-rows", type=int, default=Bench.most_rows, help="rows of the largest load of `growth`")
    parser.add_argument("--peer-rows", type=int, default=Bench.peer_rows, help="rows that the peers load")
    parser.add_argument("--write", action="store_true", help="write the report into the documents")
    options = vars(parser.parse_args())
    only, write = options.pop("only"), options.pop("write")
    with serving() as url, tempfile.TemporaryDirectory(prefix="analytics_assets_benchmarks_") as folder:
        bench = Bench(url, Path(folder), **options)
        for name in only:
            try:
                WORKLOADS[name](bench)
            except Exception as error:  # the other workloads are still measured and reported
                bench.log(traceback.format_exc())
                bench.add_finding(name, f"failed: {type(error).__name__}", "no failure", met=False)
    print(report.markdown(bench))
    if write:
        report.write(bench)


if __name__ == "__main__":
    main()
