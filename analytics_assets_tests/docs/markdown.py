"""Read the project's documents: code blocks, tables, links and generated parts."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from analytics_assets_tests.support.project import ROOT

README = ROOT / "README.md"
DOCUMENTS = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)\n```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced code block.

    Attributes:
        document: The file that it is in.
        language: The word after the fence; empty for output.
        text: The lines between the fences.
        line: The number of the line that the fence is on.
    """

    document: Path
    language: str
    text: str
    line: int

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"


def blocks(language: str, *documents: Path) -> list[Block]:
    """Return the fenced code blocks of a language, in the order of the documents (by default all)."""
    return [
        Block(document, found[1], found[2], text[: found.start()].count("\n") + 1)
        for document in documents or DOCUMENTS
        for text in [document.read_text()]
        for found in FENCE.finditer(text)
        if found[1] == language
    ]


def section(document: Path, title: str) -> str:
    """Return the text below a heading, up to the next heading of the first or second level."""
    pattern = rf"^#+ {re.escape(title)}\n(.*?)(?=^#{{1,2}} |\Z)"
    found = re.search(pattern, document.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"{document.name} has no section {title!r}"
    return found[1]


def table_rows(text: str) -> Iterator[list[str]]:
    """Yield the cells of each table row, without the heads."""
    rule = re.compile(r"\|[-| ]+\|$")
    for line, following in itertools.pairwise([*text.splitlines(), ""]):
        if line.startswith("|") and not rule.match(line) and not rule.match(following):
            yield [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def links(document: Path) -> Iterator[str]:
    """Yield the targets of all links and images."""
    prose = FENCE.sub("", document.read_text())
    yield from re.findall(r"\]\(([^)\s]+)\)", prose)


def anchors(document: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", document.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def generated(text: str, name: str) -> str:
    """Return the generated part between `<!-- name:begin -->` and `<!-- name:end -->`."""
    return _split(text, name)[1]


def with_generated(text: str, name: str, part: str) -> str:
    """Return the text with another generated part.

    Raises:
        ValueError: The text does not have both markers.
    """
    before, _, after = _split(text, name)
    return f"{before}{part}{after}"


def _split(text: str, name: str) -> tuple[str, str, str]:
    begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
    before, found_begin, rest = text.partition(begin)
    part, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f"the markers {begin.strip()} and {end} are missing")
    return before + begin, part, end + after
