"""The rows of the helpdesk: invented, the same on every machine."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from analytics_assets.sandbox.data import CITIES, NAMES

FIRST_DAY = datetime(2026, 10, 1, tzinfo=timezone.utc)
REGIONS = ("eu", "us")
DELETED_TICKET = 13  # the list of tickets still has it


def tickets() -> list[dict[str, Any]]:
    return [
        {
            "id": n,
            "subject": f"Drawer {n} does not open",
            "status": ("open", "pending", "solved")[n % 3],
            "assignee_id": f"agent-{n % 7}" if n % 5 else None,
            "requester": {
                "name": NAMES[n % len(NAMES)],
                "email": f"person{n % 20}@example.com",
                "phone": f"+49 30 {n:04}" if n % 4 else None,
            },
            "created_at": time_of(n),
            "updated_at": time_of(n + n % 5 * 24),
        }
        for n in range(1, 61)
    ]


def comments(ticket: int) -> list[dict[str, Any]]:
    """The comments of a ticket; their ids count from 1 for each ticket. Every eighth ticket has none."""
    return [
        {"id": n, "author": NAMES[(ticket + n) % len(NAMES)], "body": f"Comment {n}", "created_at": time_of(ticket + n)}
        for n in range(1, ticket % 8 + 1)
    ]


def articles() -> list[dict[str, Any]]:
    return [
        {"id": f"article-{n:03}", "title": f"How to open drawer {n}", "status": "published" if n % 4 else "draft"}
        for n in range(80)
    ]


def agents() -> list[dict[str, Any]]:
    return [
        {"id": f"agent-{n}", "name": NAMES[n % len(NAMES)], "city": CITIES[n % len(CITIES)] if n % 6 else None}
        for n in range(25)
    ]


def queues(region: str) -> list[dict[str, Any]]:
    """The queues of a region; both regions have the same ids."""
    return [{"id": n, "name": f"{region} queue {n}", "waiting": n * 2} for n in range(1, 4)]


def ratings() -> list[dict[str, Any]]:
    """Every second ticket has a rating; some have no remark, and some an empty one."""
    return [
        {"ticket_id": n, "score": n % 5 + 1, "remark": (None, "", 'Fast, "really"', "Gut & schnell")[n // 2 % 4]}
        for n in range(2, 61, 2)
    ]


def time_of(hours: int) -> str:
    """The hours after the first day, as ISO 8601."""
    return (FIRST_DAY + timedelta(hours=hours)).isoformat().replace("+00:00", "Z")
