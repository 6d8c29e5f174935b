"""The rows of the benchmarks: 15 fields, about 450 bytes of JSON each, with update times spread evenly over 30 days.

Ids, names and times are unique; the other fields repeat every 10,000 rows, so that no large table is kept in memory.
"""

from __future__ import annotations

import json
import random
from functools import lru_cache

START_MS = 1_790_812_800_000  # 2026-10-01T00:00:00Z
DAYS = 30
SPAN_MS = DAYS * 86_400_000
PERIOD = 10_000
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
    """The fields of a row; `%d` is a placeholder for unique values."""
    words = random.Random(number).choices(WORDS, k=30)
    return {
        "id": "%d",
        "name": "Opportunity No. %d",
        "email": f"candidate.{number:04}@example.com" if number % 11 else None,
        "stage": STAGES[number % len(STAGES)],
        "amount": 1_000 + number * 12.25,
        "score": number / 7,
        "visits": number * 37 % 1_000,
        "active": number % 3 != 0,
        "createdAt": "%d",
        "updatedAt": "%d",
        "owner": {"id": number % 50, "name": f"Søren {number % 50}", "region": {"code": "EU", "desk": number % 7}},
        "tags": [STAGES[number % 3], f"t{number % 17}", "référence"][: number % 4],
        "note": " ".join(words)[:120],
        "city": CITIES[number % len(CITIES)],
        "source": None if number % 5 == 0 else f"campaign-{number % 40:02}",
    }


@lru_cache(maxsize=1)
def templates() -> list[bytes]:
    """The repeating rows as JSON, with placeholders for four numbers each."""
    period = [json.dumps(record(number), ensure_ascii=False, separators=(",", ":")) for number in range(PERIOD)]
    return [row.replace('"%d"', "%d").encode() for row in period]


@lru_cache(maxsize=2_000)
def page_template(start: int, count: int) -> bytes:
    rows = templates()
    return b",".join(rows[(start + number) % PERIOD] for number in range(count))


def page(first: int, count: int, rows: int) -> bytes:
    """The rows [first, first + count) of a table of `rows` rows, as comma-separated JSON objects."""
    updated = [updated_ms(row, rows) for row in range(first, first + count)]
    values = [0] * (4 * count)
    values[0::4] = values[1::4] = range(first + 1, first + count + 1)
    values[2::4] = [timestamp - 86_400_000 for timestamp in updated]
    values[3::4] = updated
    return page_template(first % PERIOD, count) % tuple(values)
