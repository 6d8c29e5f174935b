"""The built-in rows: invented, the same on every machine, and as varied as real data.

They hold nulls, nested objects, lists, many scripts, integers that a float cannot represent, and changes on every day
from 2026-10-01 to 2026-11-15, some of them exactly at midnight.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

FIRST_DAY = datetime(2026, 10, 1, tzinfo=timezone.utc)
DAYS = 46
DAY = 86_400_000  # milliseconds
BEYOND_DOUBLE = 2**53 + 1

NAMES = (
    "Zoë Müller",
    "María José Núñez",
    "Nguyễn Thị Hà",
    "Олена Шевченко",
    "محمد العلي",
    "田中 さくら",
    "Søren Østergård",
    "Siobhán O'Brien",
    'Ana "Nana" Conceição',
    "Ada 🚀 Kowalska",
)
STAGES = ("new lead", "phone screen", "on-site interview", "offer", "hired")
TAGS = ("remote", "référence", "returning", "senior", "新卒")
CITIES = ("Zürich", "Łódź", "São Paulo", "Reykjavík", "Ōsaka", "Đà Nẵng")
CURRENCIES = ("EUR", "CHF", "PLN", "BRL", "JPY")


def opportunities() -> list[dict[str, Any]]:
    return [
        {
            "id": f"opportunity-{n:04}",
            "name": NAMES[n % len(NAMES)] if n % 83 else None,
            "contact": f"contact-{n % 700:04}" if n % 7 else None,
            "stage": STAGES[n % len(STAGES)],
            "owner": {"id": f"user-{n % 240:03}", "name": NAMES[n // 3 % len(NAMES)], "teams": [n % 4, n % 6]},
            "tags": list(TAGS[: n % (len(TAGS) + 1)]),
            "salary": 30_000.5 + n * 97.25 if n % 5 else None,
            "archived": (None, False, True)[n % 3],
            "candidateNumber": BEYOND_DOUBLE + n * 2,
            "createdAt": _changed(n) - n % 200 * DAY if n % 97 else None,
            "updatedAt": _changed(n),
        }
        for n in range(1_000)
    ]


def users() -> list[dict[str, Any]]:
    return [
        {
            "id": f"user-{n:03}",
            "name": NAMES[n * 3 % len(NAMES)],
            "email": f"user{n:03}@example.com" if n % 11 else None,
            "accessRole": ("interviewer", "admin", "limited")[n % 3],
            "active": n % 9 != 0,
            "manager": {"id": f"user-{n // 8:03}", "since": 2015 + n % 10} if n else None,
            "externalId": BEYOND_DOUBLE * 3 + n,
            "createdAt": _changed(n) - n % 1_000 * DAY,
            "updatedAt": _changed(n),
        }
        for n in range(240)
    ]


def cash_drawers() -> list[dict[str, Any]]:
    return [
        {
            "id": n + 1,
            "name": f"{CITIES[n % len(CITIES)]}, drawer {n // len(CITIES) + 1}",
            "currency": CURRENCIES[n % len(CURRENCIES)],
            "balance": 100.0 + n * 3.25 if n % 13 else None,
            "open": n % 4 != 0,
            "last_count": {"by": NAMES[n % len(NAMES)], "amount": 100 + n * 3, "notes": []} if n % 6 else None,
            "ledger_number": BEYOND_DOUBLE + n,
            "created_at": _iso(_changed(n) - n % 400 * DAY),
            "updated_at": _iso(_changed(n)),
        }
        for n in range(180)
    ]


def bank_accounts() -> list[dict[str, Any]]:
    return [
        {
            "id": n + 1,
            "name": f"{CITIES[n % len(CITIES)]} · {CURRENCIES[n % len(CURRENCIES)]}",
            "account_number": f"{n * 7_919:010}",
            "currency": CURRENCIES[n % len(CURRENCIES)],
            "balance_minor": (n - 200) * 10**14 + n,
            "interest_rate": n % 40 / 16 if n % 10 else None,
            "bank": {"name": f"Sparkasse {CITIES[n % 4]}", "bic": None if n % 3 else f"BIC{n % 7:05}"},
            "holders": [{"name": name, "share": 50} for name in NAMES[n % 3 : n % 3 + 2]],
            "closed_at": _iso(_changed(n)) if n % 20 == 0 else None,
            "created_at": _iso(_changed(n) - n % 2_000 * DAY) if n % 50 else None,
            "updated_at": _iso(_changed(n)),
        }
        for n in range(420)
    ]


def _changed(n: int) -> int:
    """When row `n` changed, in milliseconds since 1970: every day has changes, a fifth of them at midnight."""
    midnight = int(FIRST_DAY.timestamp()) * 1_000 + n % DAYS * DAY
    return midnight + (n * 7_919_037 % DAY if n // DAYS % 5 else 0)


def _iso(milliseconds: int) -> str:
    time = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=milliseconds)
    spec = "milliseconds" if time.microsecond else "seconds"
    return time.isoformat(timespec=spec).replace("+00:00", "Z")
