"""The rows of the benchmarks, as JSON, with update times spread evenly over 30 days.

    rows        15 fields, about 450 bytes
    wide_rows   120 fields, about 2 KB; a third of the values is null
    long_rows   8 fields, about 20 KB, most of it in a text and a nested list

Ids, names and times are unique; other fields repeat after a number of rows, so that no large table is kept in memory.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from analytics_assets_tests.benchmarks.tables import WIDE_GROUPS

START_MS = 1_790_812_800_000  # 2026-10-01T00:00:00Z
DAYS = 30
SPAN_MS = DAYS * 86_400_000
# Placeholders of unique values.
ID, CREATED, UPDATED = "%(id)d", "%(created)d", "%(updated)d"
STAGES = ("new lead", "phone screen", "on-site interview", "offer", "hired")
CITIES = ("Zürich", "Łódź", "São Paulo", "Reykjavík", "Ōsaka", "Đà Nẵng", "Москва", "東京")
WORDS = (
    *("the", "candidate", "asked", "for", "a", "later", "date", "and", "we", "will", "call", "again", "when", "team"),
    *("interview", "offer", "salary", "references", "remote", "notice", "period", "portfolio", "Zürich", "Kraków"),
)


def updated_ms(row: int, rows: int) -> int:
    return START_MS + row * SPAN_MS // rows


def first_row(timestamp_ms: int, rows: int) -> int:
    """The index of the first of `rows` rows that was updated at or after a timestamp."""
    return min(max(-(-(timestamp_ms - START_MS) * rows // SPAN_MS), 0), rows)


def record(number: int) -> dict[str, object]:
    """The fields of a row."""
    words = random.Random(number).choices(WORDS, k=30)
    return {
        "id": ID,
        "name": f"Opportunity No. {ID}",
        "email": f"candidate.{number:04}@example.com" if number % 11 else None,
        "stage": STAGES[number % len(STAGES)],
        "amount": 1_000 + number * 12.25,
        "score": number / 7,
        "visits": number * 37 % 1_000,
        "active": number % 3 != 0,
        "createdAt": CREATED,
        "updatedAt": UPDATED,
        "owner": {"id": number % 50, "name": f"Søren {number % 50}", "region": {"code": "EU", "desk": number % 7}},
        "tags": [STAGES[number % 3], f"t{number % 17}", "référence"][: number % 4],
        "note": " ".join(words)[:120],
        "city": CITIES[number % len(CITIES)],
        "source": None if number % 5 == 0 else f"campaign-{number % 40:02}",
    }


def wide_record(number: int) -> dict[str, object]:
    """The fields of a wide row."""
    words = random.Random(number)
    make: dict[str, Callable[[int], object]] = {
        "text": lambda _: " ".join(words.choices(WORDS, k=3)),
        "choice": lambda field: STAGES[(number + field) % len(STAGES)],
        "day": lambda field: f"2026-{field + 1:02}-{number % 28 + 1:02}T08:30:00Z",
        "count": lambda field: number * (field + 37) % 100_000,
        "amount": lambda field: (number + field) / 7,
        "flag": lambda field: (number + field) % 2 == 0,
        "detail": lambda field: {"code": CITIES[number % len(CITIES)], "levels": [number % 9, field]},
    }
    row: dict[str, object] = {
        "id": ID,
        "name": f"Opportunity No. {ID}",
        "createdAt": CREATED,
        "updatedAt": UPDATED,
    }
    for group, (_, count) in WIDE_GROUPS.items():
        for field in range(count):
            row[f"{group}_{field}"] = None if (number + len(row)) % 3 == 0 else make[group](field)
    return row


def long_record(number: int) -> dict[str, object]:
    """The fields of a long row."""
    words = random.Random(number)
    paragraphs = [" ".join(words.choices(WORDS, k=60)) for _ in range(36)]
    history = [
        {
            "at": START_MS + 3_600_000 * step if step else UPDATED,
            "by": {"id": number % 50, "name": f"Søren {step}"},
            "stage": {"from": STAGES[step % 5], "to": STAGES[(step + 1) % 5]},
            "note": " ".join(words.choices(WORDS, k=8)),
            "score": (number + step) / 7 if step % 3 else None,
        }
        for step in range(40)
    ]
    return {
        "id": ID,
        "name": f"Opportunity No. {ID}",
        "createdAt": CREATED,
        "updatedAt": UPDATED,
        "body": f'Opportunity "{ID}"\n\n' + "\n\n".join(paragraphs),
        "stage": STAGES[number % len(STAGES)],
        "history": history,
        "owner": {"id": number % 50, "region": {"code": "EU", "desk": number % 7}},
    }


@dataclass(frozen=True)
class Rows:
    """How the rows of a table are made.

    Attributes:
        record: The fields of a row by its number, with placeholders for unique values.
        period: The number of rows after which values repeat.
    """

    record: Callable[[int], dict[str, object]]
    period: int


ROWS = {"rows": Rows(record, 10_000), "wide_rows": Rows(wide_record, 2_000), "long_rows": Rows(long_record, 500)}
# Placeholders in JSON: a whole value, which becomes a number, or a part of a text.
PLACEHOLDERS = re.compile(r'"%\((\w+)\)d"|%\((\w+)\)d')


@lru_cache
def templates(table: str) -> tuple[list[bytes], tuple[str, ...]]:
    """The repeating rows as JSON with placeholders, and the names of each row's placeholders in their order."""
    rows = [
        json.dumps(ROWS[table].record(number), ensure_ascii=False, separators=(",", ":"))
        for number in range(ROWS[table].period)
    ]
    names = tuple(found[1] or found[2] for found in PLACEHOLDERS.finditer(rows[0]))
    return [PLACEHOLDERS.sub("%d", row).encode() for row in rows], names


@lru_cache(maxsize=2_000)
def page_template(table: str, start: int, count: int) -> bytes:
    rows, _ = templates(table)
    return b",".join(rows[(start + number) % len(rows)] for number in range(count))


def page(first: int, count: int, rows: int, table: str = "rows") -> bytes:
    """The rows [first, first + count) of a table of `rows` rows, as comma-separated JSON objects."""
    updated = [updated_ms(row, rows) for row in range(first, first + count)]
    unique = {
        "id": range(first + 1, first + count + 1),
        "created": [timestamp - 86_400_000 for timestamp in updated],
        "updated": updated,
    }
    _, names = templates(table)
    values = [0] * (len(names) * count)
    for position, name in enumerate(names):
        values[position :: len(names)] = unique[name]
    return page_template(table, first % ROWS[table].period, count) % tuple(values)
