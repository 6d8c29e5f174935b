"""Exact JSON decoding: integers of any size and fractions with all their digits."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from math import isinf
from typing import Any, NoReturn

import msgspec

from analytics_assets.rest_api.errors import ResponseError

BOM = b"\xef\xbb\xbf"
EXACT_DIGITS = 15  # a double holds every decimal number of so many digits exactly
MAX_INTEGER_DIGITS = 4300  # Python's default limit, since decoding takes quadratic time


def number(text: str) -> float | Decimal:
    """A number with a fraction or an exponent.

    Returns:
        A float; a Decimal if a float would lose digits.

    Raises:
        ValueError: The number is beyond the range of a double.
    """
    value = float(text)
    if isinf(value):
        raise ValueError("a number beyond the range of a double")
    if len(text) <= EXACT_DIGITS or repr(value) == text:
        return value
    exact = Decimal(text)
    # Some servers write every double with 17 digits, 0.10000000000000001: a float loses none of them.
    return value if exact in (Decimal(repr(value)), Decimal(f"{value:.17g}")) else exact


DECODER = msgspec.json.Decoder(float_hook=number)


def decode(body: bytes | msgspec.Raw) -> Any:
    """The value of a JSON text.

    Raises:
        ResponseError: It is not JSON. The message says what it is instead, and quotes nothing of it.
    """
    body = bytes(body).removeprefix(BOM)
    with suppress(msgspec.DecodeError, ValueError, RecursionError):
        return DECODER.decode(body)
    # Python's decoder also accepts half of a surrogate pair, and its errors name a position.
    return _decode_slowly(body)


def decode_raw(value: Any) -> Any:
    """The value of JSON text; another value is returned as it is."""
    return decode(value) if isinstance(value, msgspec.Raw) else value


def _decode_slowly(body: bytes) -> Any:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise ResponseError(f"the response is not valid UTF-8 at byte {error.start} of {len(body)}") from None
    if not text.strip():
        raise ResponseError("the response is empty where JSON was expected")
    if text.lstrip().startswith("<"):
        raise ResponseError("the API returned HTML or XML, not JSON: check `base_url`, `path` and the credentials")
    try:
        return json.loads(text, parse_float=number, parse_int=_integer, parse_constant=_not_a_number)
    except json.JSONDecodeError as error:
        problem = f"{error.msg} at character {error.pos} of {len(text)}"
        if error.msg == "Extra data":
            problem += "; if each line is a record, write `format: jsonl`"
    except ValueError as error:
        problem = f"it contains {error}"
    except RecursionError:
        problem = "it is nested deeper than can be decoded (about 1,000 levels)"
    raise ResponseError(f"the response is not valid JSON: {problem}")


def _integer(text: str) -> int:
    if len(text) > MAX_INTEGER_DIGITS:
        raise ValueError(f"an integer of more than {MAX_INTEGER_DIGITS} digits")
    return int(text)


def _not_a_number(text: str) -> NoReturn:
    raise ValueError(f"{text}, which is not a JSON number")
