"""JSON lines: one object per line."""

from __future__ import annotations

from contextlib import suppress

import msgspec
from msgspec import Raw

from analytics_assets.rest_api.errors import ResponseError
from analytics_assets.rest_api.extract.json_decoding import decode

SYNTAX = msgspec.json.Decoder(Raw)


def json_lines_to_json(body: bytes) -> bytes:
    """The lines as one JSON list; blank lines are skipped.

    Raises:
        ResponseError: A line is not a JSON object.
    """
    lines = list(map(bytes.strip, body.split(b"\n")))
    for number, line in enumerate(lines, 1):
        if line and not _is_object(line):
            raise _line_error(line, number, is_last=number == len(lines))
    return b"[%b]" % b",".join(filter(None, lines))


def _is_object(line: bytes) -> bool:
    try:
        SYNTAX.decode(line)
    except (msgspec.DecodeError, ValueError, RecursionError):
        with suppress(ResponseError):
            return isinstance(decode(line), dict)  # only Python's parser accepts half of a surrogate pair
        return False
    return line.startswith(b"{")


def _line_error(line: bytes, number: int, *, is_last: bool) -> ResponseError:
    if number == 1 and line.startswith(b"["):
        return ResponseError("the API returned a JSON list, not a JSON object per line: write `format: json`")
    if is_last and line.startswith(b"{"):
        return ResponseError(f"line {number}, the last one, is not complete: the response was cut off")
    return ResponseError(
        f"line {number} of the response is not a JSON object. If the response is one JSON document, write "
        "`format: json`"
    )
