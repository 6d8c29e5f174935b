"""Times as manifests write them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from analytics_assets_tests.specs.manifest_api.components import UnsupportedError

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
SECONDS = {"%s": 1, "%s_as_float": 1, "%ms": 1000, "%epoch_microseconds": 1_000_000}


def write(moment: datetime, format: str) -> str | int:
    """The time in a format, in UTC."""
    if format in SECONDS:
        return int((moment - EPOCH).total_seconds() * SECONDS[format])
    text = format.replace("%_ms", f"{moment.microsecond // 1000:03}").replace("%z", "+0000")
    return moment.strftime(text)


def read(text: str, format: str) -> datetime:
    """The time that a text in this format stands for.

    Raises:
        ValueError: The text has another format.
    """
    if format in SECONDS:
        return EPOCH + timedelta(seconds=int(text) / SECONDS[format])
    is_iso = re.fullmatch(r"%Y-%m-%dT%H:%M(:%S)?[^A-Za-z]*(%_ms|%f|)0*(Z|%z|[+-]00:?00)?", format)
    if is_iso and (found := re.fullmatch(r"(.{10}T[\d:]+(?:\.\d+)?)(Z|[+-]00:?00)", text)):
        # Fractions and the ways to write UTC are equal to APIs.
        return datetime.fromisoformat(found[1]).replace(tzinfo=timezone.utc)
    if "%_ms" in format:
        raise UnsupportedError(f"times as {format}")
    moment = datetime.strptime(text, format)
    return moment.astimezone(timezone.utc) if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def step(format: str) -> timedelta:
    """The smallest difference that a format can write."""
    for letters, found in (("%f %ms %_ms %epoch", timedelta(milliseconds=1)), ("%S %s", timedelta(seconds=1)),
                           ("%M", timedelta(minutes=1)), ("%H", timedelta(hours=1))):  # fmt: skip
        if any(letter in format for letter in letters.split()):
            return found
    return timedelta(days=1)
