"""Which of the manifests in a folder convert whole: `python -m analytics_assets_tests.specs.corpus DIR`."""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from analytics_assets.rest_api.config import load_config
from analytics_assets.rest_api.errors import ConfigError
from analytics_assets.specs import convert
from analytics_assets.specs.airbyte.settings import snake_case

MAX_REASON = 150


@dataclass(frozen=True)
class Row:
    """One manifest.

    Attributes:
        name: The name of its file.
        resources: How many resources it becomes.
        reasons: What is not carried and changes rows, sorted.
    """

    name: str
    resources: int
    reasons: tuple[str, ...]


def measure(file: Path) -> Row:
    """Convert one manifest."""
    try:
        document = convert(file, api=snake_case(file.stem))
    except ConfigError as error:
        return Row(file.stem, 0, (str(error).replace(f"{file}: ", "")[:MAX_REASON],))
    reasons = {entry.what[:MAX_REASON] for entry in document.not_carried if entry.changes_rows}
    return Row(file.stem, len(document.attributes["resources"]), tuple(sorted(reasons)))


def loads(file: Path, folder: Path) -> None:
    """Convert one manifest, and load the result with the configuration's loader.

    Raises:
        ConfigError: The manifest cannot be converted, or the result is not valid.
    """
    api = snake_case(file.stem)
    path = folder / api / "defs.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(convert(file, api=api).to_yaml(), encoding="utf-8")
    load_config(path)


def table(rows: list[Row]) -> str:
    """The table of all manifests, and the totals by reason."""
    width = max((len(row.name) for row in rows), default=0)
    lines = [f"{row.name:<{width}}  {row.resources:>4}  {'; '.join(row.reasons) or 'whole'}" for row in rows]
    by_reason: dict[str, int] = defaultdict(int)
    for row in rows:
        for kind in {reason.partition(":")[0] for reason in row.reasons}:
            by_reason[kind] += 1
    lines += ["", "Reasons, by number of connectors:"]
    lines += [f"{count:>4}  {kind}" for kind, count in sorted(by_reason.items(), key=lambda item: (-item[1], item[0]))]
    whole = sum(not row.reasons for row in rows)
    share = 100 * whole / len(rows) if rows else 0
    return "\n".join([*lines, "", f"{whole} of {len(rows)} convert whole ({share:.1f} %)."])


def main(arguments: list[str]) -> int:
    """Print the table of a folder."""
    if len(arguments) != 1 or not (folder := Path(arguments[0])).is_dir():
        print("usage: python -m analytics_assets_tests.specs.corpus DIR", file=sys.stderr)
        return 2
    print(table([measure(file) for file in sorted(folder.glob("*.yaml"))]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
