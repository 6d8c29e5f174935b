"""What response headers say about waiting: Retry-After, times of a reset, and the quotas that are left.

Headers in use: `X-RateLimit-Remaining` and `-Reset`, also written `X-Rate-Limit-` and `RateLimit-`, and the fields
`RateLimit` and `RateLimit-Policy` of the IETF's draft. Malformed values are ignored.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Literal

RATE_LIMIT_NAMES = (b"ratelimit", b"rate-limit")
PREFIXES = ("X-RateLimit", "X-Rate-Limit", "RateLimit")
NUMBER = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,18})?")
# A number of seconds that is at least this large is a time: as a duration it would be 31 years.
MIN_EPOCH_SECONDS = 1e9
MIN_EPOCH_MILLISECONDS = 1e11  # as seconds, the year 5138
# An item of a structured field (RFC 9651): `"burst";r=3;t=7`, or `remaining=3` of an older draft.
STRING = r'"(?:[^"\\]|\\.)*"'
ITEM = re.compile(rf"({STRING}|[^\s\",;=]+)(?:=([^\s\",;]+))?((?:\s*;\s*[a-z*][\w.*-]*(?:=(?:{STRING}|[^\s\",;]+))?)*)")
PARAMETER = re.compile(r";\s*([rtw])=([0-9]+)")
MAX_FIELD_CHARS = 1_000

WaitFormat = Literal["seconds", "epoch_s", "iso8601"]


@dataclass(frozen=True)
class Quota:
    """What is left of a rate limit.

    Attributes:
        header: The header that says so.
        remaining: Requests that are left.
        reset: Seconds until there are more.
    """

    header: str
    remaining: int
    reset: float


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from Retry-After (a number or a date); None if it is absent or invalid."""
    value = headers.get("Retry-After", "").strip()
    try:
        date = None if re.fullmatch(r"[0-9]+", value) else parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(float(value) if date is None else date.timestamp() - time.time(), 0.0)


def wait_time(value: str, format: WaitFormat) -> float | None:
    """Seconds from a header's value; None if it has another format, or names a time in the past."""
    value = value.strip()
    if format == "iso8601":
        return _until_iso8601(value)
    if not NUMBER.fullmatch(value):
        return None
    return _positive(float(value) - (time.time() if format == "epoch_s" else 0.0))


def read_quotas(headers: Mapping[str, str]) -> Iterator[Quota]:
    """The quotas that the headers name together with the time of their reset."""
    for prefix in PREFIXES:
        remaining, reset = headers.get(f"{prefix}-Remaining", ""), headers.get(f"{prefix}-Reset", "")
        if NUMBER.fullmatch(remaining) and (seconds := _until_reset(reset)):
            yield Quota(f"{prefix}-Remaining", int(float(remaining)), seconds)
    yield from _structured_quotas(headers.get("RateLimit", ""), headers.get("RateLimit-Policy", ""))


def _structured_quotas(field: str, policy: str) -> Iterator[Quota]:
    if len(field) > MAX_FIELD_CHARS or len(policy) > MAX_FIELD_CHARS:
        return
    windows = {name: parameters.get("w") for name, _, parameters in _items(policy)}
    pairs: dict[str, float] = {}
    for name, value, parameters in _items(field):
        reset = parameters.get("t", windows.get(name))  # without a time, the quota is renewed within its window
        if "r" in parameters and reset:
            yield Quota("RateLimit", int(parameters["r"]), reset)
        elif value and NUMBER.fullmatch(value):
            pairs[name.lower()] = float(value)
    if "remaining" in pairs and pairs.get("reset"):
        yield Quota("RateLimit", int(pairs["remaining"]), pairs["reset"])


def _items(field: str) -> Iterator[tuple[str, str | None, dict[str, float]]]:
    """The items of a structured field: name, value, and the parameters that are numbers."""
    for name, value, parameters in ITEM.findall(field):
        yield name.strip('"'), value, {key: float(number) for key, number in PARAMETER.findall(parameters)}


def _until_reset(value: str) -> float | None:
    """Seconds until a reset: a duration in seconds, or a time in seconds or milliseconds since 1970 or as ISO 8601."""
    value = value.strip()
    if not NUMBER.fullmatch(value):
        return _until_iso8601(value)
    number = float(value)
    if number >= MIN_EPOCH_MILLISECONDS:
        number /= 1000
    return _positive(number - time.time() if number >= MIN_EPOCH_SECONDS else number)


def _until_iso8601(value: str) -> float | None:
    """Seconds until a time; UTC if it has no offset. None if it is not a time, or in the past."""
    try:
        parsed = datetime.fromisoformat(value.upper().replace("Z", "+00:00"))
        timestamp = (parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        return None
    return _positive(timestamp - time.time())


def _positive(seconds: float) -> float | None:
    return seconds if seconds > 0 else None
