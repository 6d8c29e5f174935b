"""The preview of a table: a few rows as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

MAX_CELL = 40  # characters


def markdown_table(names: Sequence[str], values: Sequence[Sequence[Any]]) -> str:
    """Rows of values as a Markdown table."""
    lines = [names, ["---"] * len(names), *([_cell(value) for value in row] for row in values)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    """A value, shortened and escaped: Markdown, HTML and links to images in it are shown as text, not rendered."""
    text = "" if value is None else str(value)
    text = text if len(text) <= MAX_CELL else f"{text[: MAX_CELL - 1]}…"
    return re.sub(r"([\\`*_~|<>&!\[\]])", r"\\\1", re.sub(r"[\r\n]", " ", text))
