"""The API's own reason for an error status, from the JSON body of the response."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

MAX_REASON_CHARS = 200  # one line of a run log
MAX_BODY_BYTES = 100_000  # an error body is short: a longer one is not worth parsing
MAX_DEPTH = 5  # Google's `error.errors[*].message`, the deepest in use, with one level to spare

# Names in use, lower case: OAuth 2.0 (error_description), RFC 9457 (title, detail), JSON:API and GraphQL (errors),
# Django REST framework (detail, non_field_errors), FastAPI (detail[*].msg), Jira (errorMessages).
REASON_KEYS = (
    "error",
    "error_description",
    "message",
    "msg",
    "title",
    "detail",
    "reason",
    "errors",
    "errormessages",
    "non_field_errors",
)


def error_reason(body: bytes, redact: Callable[[str], str] = str) -> str | None:
    """The reason that an error response gives, as one line.

    Only text under the names of `REASON_KEYS` is read; the rest of the body is never shown.

    Args:
        body: The body of the response, decompressed.
        redact: Masks secrets. It is applied before the text is cut, because no later step can find half a secret.

    Returns:
        At most 200 characters, printable; None if the body is not JSON or gives no reason.
    """
    if len(body) > MAX_BODY_BYTES:
        return None
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if isinstance(content, str):
        return None
    texts = (_one_line(redact(text)) for text in _reasons(content, MAX_DEPTH))
    reason = "; ".join(dict.fromkeys(filter(None, texts)))  # APIs repeat the reason under several names
    return (reason if len(reason) <= MAX_REASON_CHARS else f"{reason[: MAX_REASON_CHARS - 1]}…") or None


def _reasons(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and depth:
        for item in value:
            yield from _reasons(item, depth - 1)
    elif isinstance(value, dict) and depth:
        fields = {name.lower(): content for name, content in value.items()}
        for key in REASON_KEYS:
            yield from _reasons(fields.get(key), depth - 1)
            if key == "errors" and isinstance(fields.get(key), dict):
                yield from _field_errors(fields[key])


def _field_errors(errors: dict[str, Any]) -> Iterator[str]:
    """The texts of `{"errors": {"email": ["is invalid"]}}`, as Rails and Laravel write them."""
    for name, texts in errors.items():
        if name.lower() not in REASON_KEYS:
            for text in texts if isinstance(texts, list) else [texts]:
                if isinstance(text, str):
                    yield f"{name}: {text}"


def _one_line(text: str) -> str:
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split()).rstrip(".")
