"""Problems of a configuration: where they are, what they say, and how pydantic carries them.

pydantic's own messages name neither the allowed keys nor the nearest one, and repeat values, secrets among them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

T = TypeVar("T")
KeyPath = tuple[str | int, ...]
Problem = tuple[KeyPath, str]
"""The path of a key below the validated value, and a sentence without subject about the value of that key."""

# pydantic's words -> ours.
REPLACED_WORDS = {
    "Value error, ": "",
    "Input should be": "must be",
    "a valid tuple": "a list",
    "a valid frozenset": "a list",
    "a valid dictionary": "a mapping",
    "a valid string": "text",
}


def validation_error(*problems: Problem) -> ValidationError:
    """The pydantic error with these problems. pydantic prepends the keys of the models above to each path."""
    details: list[InitErrorDetails] = [
        {"type": PydanticCustomError("config", message), "loc": path, "input": None} for path, message in problems
    ]
    return ValidationError.from_exception_data("configuration", details, hide_input=True)


def problems_in(error: ValidationError) -> Iterator[Problem]:
    """The problems of a pydantic error, without values."""
    for details in error.errors(include_url=False):
        yield details["loc"], to_message(details)


def to_message(error: ErrorDetails) -> str:
    """One error of pydantic as a sentence about the key, without the value."""
    if error["type"] == "missing":
        return "is required"
    message = error["msg"]
    for words, replacement in REPLACED_WORDS.items():
        message = message.replace(words, replacement)
    if error["type"] == "literal_error":
        message += nearest(error["input"], re.findall(r"'([^']+)'", message))
    return message


def nearest(given: object, allowed: Iterable[str]) -> str:
    """The hint `; did you mean 'x'?` with the most similar allowed text; empty if none is similar."""
    similar = difflib.get_close_matches(str(given)[:100], list(allowed), n=1)
    return f"; did you mean {similar[0]!r}?" if similar else ""


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """The most similar known name, in any case; None if none is similar."""
    return next(iter(difflib.get_close_matches(name.lower(), list(known), n=1)), None)


def unknown_key(key: object, allowed: Iterable[str], *, also: Iterable[str] = ()) -> str:
    """The message for an unknown key.

    Args:
        key: The unknown key.
        allowed: The keys to list.
        also: Further keys for the hint at the nearest one.
    """
    listed = list(allowed)
    return f"unknown key{nearest(key, [*listed, *also]) or ';'} allowed: {', '.join(listed)}"


def validate_each(data: Any, validate: Callable[[str, Any], T]) -> dict[str, T]:
    """Validate a mapping value by value, so that each problem is reported at its key.

    Raises:
        ValueError: The data is not a mapping.
        ValidationError: Some values are invalid.
    """
    if not isinstance(data, Mapping):
        raise ValueError("must be a mapping of names to values")
    problems: list[Problem] = []
    values: dict[str, T] = {}
    for name, value in data.items():
        try:
            values[str(name)] = validate(str(name), value)
        except ValidationError as error:
            problems += [((str(name), *path), message) for path, message in problems_in(error)]
        except ValueError as error:
            problems.append(((str(name),), str(error)))
    if problems:
        raise validation_error(*problems)
    return values
