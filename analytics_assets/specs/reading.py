"""Reads the file of a specification: YAML or JSON from elsewhere, as plain values."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from analytics_assets.rest_api.errors import ConfigError

MAX_BYTES = 30_000_000  # the largest public OpenAPI documents have about 10 MB
MAX_DEPTH = 200
DATE_TAG = "tag:yaml.org,2002:timestamp"
MAX_VALUES = 5_000_000
HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class SpecLoader(_Loader):  # type: ignore[misc, valid-type]  # C where it is installed: ten times as fast
    """Plain values. Dates stay text, as they are written."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [resolver for resolver in resolvers if resolver[0] != DATE_TAG]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def parse_spec(text: str, path: Path) -> Any:
    """The values of the text of a YAML or JSON file.

    Raises:
        ConfigError: The text is neither. The message names the file and the line.
    """
    try:
        document = _parse(text, path)
        if _is_too_large(document):
            raise RecursionError
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply, or repeats itself by YAML aliases") from None
    if HALF_CHARACTER.search(text) and _has_half_character(document):
        raise ConfigError(f"{path}: contains a half of a character, such as \\ud83d without \\ude00: remove it")
    return document


def _has_half_character(document: Any) -> bool:
    """Whether a text cannot be written as UTF-8."""
    try:
        json.dumps(document, ensure_ascii=False, skipkeys=True, default=str).encode()
    except UnicodeEncodeError:
        return True
    return False


def _parse(text: str, path: Path) -> Any:
    if text.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(text)
        except ValueError:
            pass  # YAML in flow style
    try:
        return yaml.load(text, Loader=SpecLoader)  # noqa: S506
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = " ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError(f"{path}:{line}: is not valid YAML or JSON: {problem}") from None
    except (yaml.YAMLError, ValueError, OverflowError, TypeError):
        raise ConfigError(f"{path}: is not valid YAML or JSON") from None


def _is_too_large(document: Any) -> bool:
    """Whether the values are nested too deeply or, with all aliases followed, too many."""
    level, count = [document], 0
    for _ in range(MAX_DEPTH):
        level = [
            child
            for value in level
            if isinstance(value, (dict, list))
            for child in (value.values() if isinstance(value, dict) else value)
        ]
        count += len(level)
        if not level or count > MAX_VALUES:
            return count > MAX_VALUES
    return True
