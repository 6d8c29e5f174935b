"""Loads a defs.yaml: values to a configuration, problems to one line each with file, line and key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import GetJsonSchemaHandler, RootModel, ValidationError
from pydantic_core import CoreSchema

from analytics_assets.rest_api.config.api import RestApiConfig
from analytics_assets.rest_api.config.parsing.validation import KeyPath, Problem, problems_in, unknown_key
from analytics_assets.rest_api.config.parsing.yaml_reader import YamlReader, parse_yaml, read_text
from analytics_assets.rest_api.config.resources import SNAKE_CASE
from analytics_assets.rest_api.errors import ConfigError

COMPONENT = "analytics_assets.components.RestApi"
# Dagster's keys of a component file, without those that run code (template variables, and post-processing by Jinja).
FILE_KEYS = ("type", "attributes", "requirements")
CODE_KEYS = ("post_processing", "template_vars_module")


class Attributes(RootModel[dict[str, Any]]):
    """The type that Dagster validates: any mapping. `load_config` validates its content.

    Dagster's own errors repeat values, secrets among them. The JSON schema, for editors and `dg check yaml`, is that of
    `RestApiConfig`.
    """

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler.resolve_ref_schema(handler(RestApiConfig.__pydantic_core_schema__))


def load_config(path: Path) -> RestApiConfig:
    """The API that a defs.yaml describes. The name of the API is that of the folder.

    Raises:
        ConfigError: The file is wrong. The message has one line per problem, in the order of the file.
    """
    return _load_text(read_text(path), path)


def resource_lines(path: Path) -> dict[str, int]:
    """The line of each resource in a valid defs.yaml, by the resource's name."""
    reader = _parse_text(read_text(path), path)
    lines: dict[str, int] = {}
    for index, resource in enumerate(reader.document["attributes"]["resources"]):
        key: KeyPath = ("attributes", "resources", index)
        lines[resource["name"] if isinstance(resource, dict) else resource] = reader.lines[key]
    return lines


@cache
def _parse_text(text: str, path: Path) -> YamlReader:
    return parse_yaml(text, path)


@cache  # the definitions check all files before Dagster reads them, then each component loads its own
def _load_text(text: str, path: Path) -> RestApiConfig:
    reader = _parse_text(text, path)
    problems = [*reader.problems, *_file_problems(reader.document)]
    api = path.resolve().parent.name
    if not re.fullmatch(SNAKE_CASE.pattern, api):
        problems.append(((), f"the folder's name, {api!r}, names the API: it must be {SNAKE_CASE.description}"))
    if problems:
        raise _config_error(problems, str(path), reader.lines)
    return parse_config(reader.document["attributes"], file=str(path), lines=reader.lines)


def parse_config(
    attributes: object, *, file: str | None = None, lines: Mapping[KeyPath, int] | None = None
) -> RestApiConfig:
    """The API that the value of `attributes:` describes.

    Args:
        attributes: The value of `attributes:`.
        file: The file's name, for messages.
        lines: The line of each key path, for messages.

    Raises:
        ConfigError: The value is wrong. The message has one line per problem.
    """
    try:
        return RestApiConfig.model_validate(attributes)
    except ValidationError as error:
        problems: list[Problem] = [(("attributes", *path), message) for path, message in problems_in(error)]
    raise _config_error(problems, file, lines or {})


def _file_problems(document: object) -> list[Problem]:
    if not isinstance(document, dict):
        return [((), f"must be a mapping with the keys {' and '.join(FILE_KEYS[:2])}")]
    problems: list[Problem] = []
    for key in document:
        if key in CODE_KEYS:
            problems.append(((key,), "is not supported, since it runs code; define the assets in Python instead"))
        elif key not in FILE_KEYS:
            problems.append(((key,), unknown_key(key, FILE_KEYS)))
    if document.get("type") != COMPONENT:
        problems.append((("type",), f"must be {COMPONENT}"))
    if not _are_requirements(document.get("requirements")):
        problems.append((("requirements",), "must be {env: [NAME, ...]}, or left out"))
    if not isinstance(document.get("attributes"), dict):
        keys = ", ".join(RestApiConfig.known_keys())
        problems.append((("attributes",), f"is required: a mapping with the keys {keys}"))
    return problems


def _are_requirements(value: object) -> bool:
    """Whether Dagster accepts the value. Checked here because Dagster's own error is a stack trace."""
    if value is None:
        return True
    names = value.get("env") if isinstance(value, dict) and value.keys() <= {"env"} else ()
    return names is None or (isinstance(names, list) and all(isinstance(name, str) for name in names))


def _config_error(problems: Iterable[Problem], file: str | None, lines: Mapping[KeyPath, int]) -> ConfigError:
    """Each problem as `file:line key: message`, in the order of the file."""
    located = sorted(((_line(path, lines), path, message) for path, message in problems), key=lambda each: each[0])
    rendered = []
    for line, path, message in located:
        place = ":".join(str(part) for part in (file, line) if part)
        key = "".join(map(_step, path)).lstrip(".")
        rendered.append(f"{f'{place} {key}'.strip()}: {message}")
    return ConfigError("\n".join(rendered))


def _line(path: KeyPath, lines: Mapping[KeyPath, int]) -> int:
    """The line of a key, or of the nearest key above it if it is missing; 0 without lines."""
    return next((lines[path[:length]] for length in range(len(path), -1, -1) if path[:length] in lines), 0)


def _step(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if re.fullmatch(r"\S+", part) and part.isprintable() else f"[{json.dumps(part[:100])}]"
