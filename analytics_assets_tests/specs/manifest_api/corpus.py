"""Connectors of a folder of manifests against their fake APIs.

`python -m analytics_assets_tests.specs.manifest_api.corpus DIR [NAME...]` prints the table of connectors of all shapes,
or of these connectors.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

import yaml

from analytics_assets.rest_api.errors import ConfigError
from analytics_assets.specs import convert
from analytics_assets_tests.specs.manifest_api.components import streams_of
from analytics_assets_tests.specs.manifest_api.loading import Outcome, outcomes
from analytics_assets_tests.specs.manifest_api.server import ManifestApi, listening
from analytics_assets_tests.specs.manifest_api.settings import snake
from analytics_assets_tests.specs.manifest_api.shapes import shape_of

Found = list[tuple[str, Outcome]]
MAX_STREAMS = 6


def choose(files: Sequence[Path], at_least: int) -> dict[Path, set[str]]:
    """Connectors that convert whole, and their streams that have a part no connector before them has."""
    chosen: dict[Path, set[str]] = {}
    seen: set[str] = set()
    for file in files:
        try:
            if not convert(file, api=f"x_{snake(file.stem)}").is_whole:
                continue
        except ConfigError:
            continue
        for stream in streams_of(yaml.safe_load(file.read_text(encoding="utf-8"))):
            shape = set(shape_of(stream))
            names = chosen.get(file, set())
            if (shape - seen or len(chosen) < at_least) and len(names) < MAX_STREAMS:
                seen |= shape
                chosen.setdefault(file, set()).add(str(stream["name"]))
    return chosen


def compare_all(chosen: dict[Path, set[str]], folder: Path) -> Found:
    """Load the streams of connectors, with their parents, and compare."""
    apis: list[ManifestApi] = []
    with listening(apis) as port:
        return [
            (file.stem, each) for file, names in chosen.items() for each in outcomes(file, folder, port, apis, names)
        ]


def table(found: Found) -> str:
    """The streams, and the number of connectors and parts of shapes that were compared."""
    lines = [f"{name}/{each.stream}: {_result(each)} ({', '.join(each.shape)})" for name, each in found]
    equal = [(name, each) for name, each in found if not each.problem]
    parts = {part for _, each in equal for part in each.shape}
    connectors = {name for name, _ in equal}
    skipped = sum(bool(each.unsupported) for _, each in found)
    rows = sum(each.rows for _, each in equal)
    return "\n".join([
        *lines,
        f"{len(equal)} of {len(found)} streams of {len(connectors)} connectors have exactly the rows of their API "
        f"({rows} rows, {len(parts)} different parts of shapes); {skipped} cannot be served from their manifest.",
    ])  # fmt: skip


def _result(outcome: Outcome) -> str:
    if outcome.unsupported:
        return f"not compared, {outcome.unsupported}"
    return outcome.difference or f"{outcome.rows} rows, equal"


def main(arguments: Sequence[str]) -> int:
    """Print the table of a folder."""
    if not arguments or not (folder := Path(arguments[0])).is_dir():
        print("usage: python -m analytics_assets_tests.specs.manifest_api.corpus DIR [NAME...]", file=sys.stderr)
        return 2
    names: Collection[str] = arguments[1:]
    files = sorted(folder.glob("*.yaml"))
    chosen = {file: set[str]() for file in files if file.stem in names} if names else choose(files, len(files))
    with tempfile.TemporaryDirectory() as temporary:
        print(table(compare_all(chosen, Path(temporary))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
