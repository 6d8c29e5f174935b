"""JSON, exact: integers of any size, fractions as they are written, or an error that says what is wrong."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from math import isinf
from typing import Any, NoReturn

import msgspec

from analytics_assets.rest_api.errors import ResponseError

BOM = b"\xef\xbb\xbf"
EXACT_DIGITS = 15  # a double holds every number of so many digits
MAX_INTEGER_DIGITS = 4300  # Python's own bound: reading more takes quadratic time


def number(text: str) -> float | Decimal:
    """A number with a fraction or an exponent: a Decimal if a float would lose digits."""
    value = float(text)
    if isinf(value):
        raise ValueError("a number beyond the range of a double")
    if len(text) <= EXACT_DIGITS or repr(value) == text:
        return value
    exact = Decimal(text)
    # Some servers write each double with 17 digits, 0.10000000000000001: more than it needs, and none of them is lost.
    return value if exact in (Decimal(repr(value)), Decimal(f"{value:.17g}")) else exact


DECODER = msgspec.json.Decoder(float_hook=number)


def decode(body: bytes | msgspec.Raw) -> Any:
    """The body's JSON, exact: integers of any size, fractions as they are.

    Raises:
        ResponseError: the body is no JSON; the message says what it is instead, never what it holds.
    """
    body = bytes(body).removeprefix(BOM)
    with suppress(msgspec.DecodeError, ValueError, RecursionError):
        return DECODER.decode(body)
    # Python's own reader takes what msgspec refuses wrongly (halves of surrogate pairs), and says what is wrong.
    return _decode_slowly(body)


def _decode_slowly(body: bytes) -> Any:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise ResponseError(f"the answer is not valid UTF-8 at byte {error.start} of {len(body)}") from None
    if not text.strip():
        raise ResponseError("the answer is empty where JSON was expected")
    if text.lstrip().startswith("<"):
        raise ResponseError("the API returned HTML or XML, not JSON: check `base_url`, `path` and the credentials")
    try:
        return json.loads(text, parse_float=number, parse_int=_integer, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        problem = f"{error.msg} at character {error.pos} of {len(text)}"
    except ValueError as error:
        problem = f"it holds {error}"
    except RecursionError:
        problem = "it is nested deeper than can be read (about 1,000 levels)"
    raise ResponseError(f"the answer is no valid JSON: {problem}")


def _integer(text: str) -> int:
    if len(text) > MAX_INTEGER_DIGITS:
        raise ValueError(f"an integer of more than {MAX_INTEGER_DIGITS} digits")
    return int(text)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text}, which is no JSON number")
