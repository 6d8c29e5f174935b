"""Values as text: rows of a page as a table, and durations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from analytics_assets.rest_api.load.log import format_seconds

MAX_VALUE_CHARS = 40
MIN_COLUMN_CHARS = 12


def about(seconds: float) -> str:
    """An estimated duration."""
    return "less than 1 s" if seconds < 1 else f"about {format_seconds(seconds)}"


def rows_table(rows: Sequence[Mapping[str, Any]], *, width: int) -> Table:
    """The rows as a table; as many columns as fit, and long values cut.

    Args:
        rows: Records of a page.
        width: Width of the terminal.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    shown = names[: max(width // MIN_COLUMN_CHARS, 1)]
    caption = f"and the fields {', '.join(names[len(shown) :])}" if len(shown) < len(names) else None
    table = Table(*map(escape, shown), caption=caption and escape(caption), caption_justify="left")
    for row in rows:
        table.add_row(*(escape(value_text(row.get(name))) for name in shown))
    return table


def value_text(value: Any) -> str:
    """A value as one line of at most MAX_VALUE_CHARS characters."""
    text = (
        value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False, default=str)
    )
    text = "".join(char if char.isprintable() else " " for char in text)
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[: MAX_VALUE_CHARS - 1]}…"
