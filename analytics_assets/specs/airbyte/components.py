"""The components of a manifest with all references resolved, parameters propagated and types set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from analytics_assets.rest_api.errors import ConfigError

Component = dict[str, Any]
PARAMETERS = "$parameters"
MAX_COMPONENTS = 200_000
MAX_DEPTH = 60
MAX_TEXT = 160
MAX_KEY, MAX_STEPS = 60, 20  # of places in messages
PARAMETER = re.compile(
    r"(?<![\w.])(?:parameters|options)(?:"
    r"\[\s*['\"](?P<item>[^'\"]+)['\"]\s*\]"
    r"|\.get\(\s*['\"](?P<got>[^'\"]+)['\"]\s*(?:,(?P<default>[^()]*))?\)"
    r"|\.(?P<name>(?!get\()[A-Za-z_]\w*)\b)"
)
WHOLE_PARAMETER = re.compile(rf"\s*\{{\{{\s*{PARAMETER.pattern}\s*\}}\}}\s*")
# The types that a manifest may leave out, by the key that holds the component.
DEFAULT_TYPES = {
    "streams": "DeclarativeStream",
    "retriever": "SimpleRetriever",
    "requester": "HttpRequester",
    "login_requester": "HttpRequester",
    "record_selector": "RecordSelector",
    "extractor": "DpathExtractor",
    "record_filter": "RecordFilter",
    "paginator": "DefaultPaginator",
    "error_handler": "DefaultErrorHandler",
    "response_filters": "HttpResponseFilter",
    "page_size_option": "RequestOption",
    "start_time_option": "RequestOption",
    "end_time_option": "RequestOption",
    "request_option": "RequestOption",
    "parent_stream_configs": "ParentStreamConfig",
    "start_datetime": "MinMaxDatetime",
    "end_datetime": "MinMaxDatetime",
    "fields": "AddedFieldDefinition",
}
UNTYPED = frozenset({"schema", "properties", "request_parameters", "request_headers", "request_body_json", "spec"})


class Resolver:
    """Resolves the references and parameters of one manifest.

    Attributes:
        problems: What is not carried of the list of streams, and whether rows differ without it.
    """

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self._manifest = manifest
        self.problems: list[tuple[str, bool]] = []
        self._count = 0

    def streams(self) -> list[Component]:
        """The streams, each with everything that it refers to.

        Raises:
            ConfigError: A reference leads nowhere or to itself, or the manifest is too large.
        """
        listed = propagate(self._resolve(self._manifest.get("streams"), (), ("streams",)), "streams")
        streams: list[Component] = []
        for stream in listed if isinstance(listed, list) else []:
            inner = stream.get("streams") if isinstance(stream, dict) else None
            if isinstance(inner, list) and stream.get("type") == "ConditionalStreams":
                condition = " ".join(str(stream.get("condition")).split())[:MAX_TEXT]
                self.problems.append((f"the condition {condition} of streams: they are converted in any case", False))
                streams.extend(each for each in inner if isinstance(each, dict))
            elif isinstance(stream, dict):
                streams.append(stream)
            else:
                self.problems.append(("an entry of `streams` that is not a stream", True))
        return streams

    def part(self, name: str) -> Any:
        """The value of a key of the manifest, with everything that it refers to.

        Raises:
            ConfigError: A reference leads nowhere or to itself, or the manifest is too large.
        """
        return propagate(self._resolve(self._manifest.get(name), (), (name,)), name)

    def _resolve(self, value: Any, active: tuple[str, ...], place: tuple[str, ...]) -> Any:
        self._count += 1
        if self._count > MAX_COMPONENTS or len(place) + len(active) > MAX_DEPTH:
            raise _error(place, "is too deep or too large, with its references followed: split the manifest")
        if isinstance(value, str) and value.startswith("#/"):
            return self._target(value, active, place)
        if isinstance(value, list):
            return [self._resolve(item, active, (*place, str(index))) for index, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        own = {
            str(key): self._resolve(item, active, (*place, str(key))) for key, item in value.items() if key != "$ref"
        }
        if "$ref" not in value:
            return own
        if not isinstance(reference := value["$ref"], str):
            raise _error((*place, "$ref"), "must be a text such as '#/definitions/streams/orders'")
        target = self._target(reference, active, place)
        if own and not isinstance(target, dict):
            raise _error((*place, "$ref"), f"{reference[:MAX_TEXT]!r} is not a mapping: keys beside it have no meaning")
        return {**target, **own} if isinstance(target, dict) else target

    def _target(self, reference: str, active: tuple[str, ...], place: tuple[str, ...]) -> Any:
        if reference in active:
            raise _error(place, f"the reference {reference[:MAX_TEXT]!r} leads to itself: remove one of the two")
        found: Any = self._manifest
        for step in reference.removeprefix("#/").split("/"):
            if isinstance(found, list) and step.isdecimal() and int(step) < len(found):
                found = found[int(step)]
            elif isinstance(found, dict) and step in found:
                found = found[step]
            else:
                raise _error(place, f"the reference {reference[:MAX_TEXT]!r} leads nowhere: correct it in the manifest")
        return self._resolve(found, (*active, reference), place)


def _error(place: tuple[str, ...], problem: str) -> ConfigError:
    return ConfigError(f"{'.'.join(step[:MAX_KEY] for step in place[:MAX_STEPS])}: {problem}")


def propagate(value: Any, field: str, inherited: Mapping[str, Any] | None = None, depth: int = 0) -> Any:
    """The value with default types, and with the parameters of components above it.

    Raises:
        ConfigError: Parameters contain components that get the same parameters again.
    """
    inherited = inherited or {}
    if depth > 2 * MAX_DEPTH:
        raise ConfigError(f"{field[:MAX_KEY]}: `{PARAMETERS}` lead to themselves: components in them get them again")
    if isinstance(value, list):
        return [propagate(item, field, inherited, depth + 1) for item in value]
    if isinstance(value, str):
        return _interpolate(value, inherited) if inherited else value
    if not isinstance(value, dict):
        return value
    own = value.get(PARAMETERS)
    parameters = {**inherited, **own} if isinstance(own, dict) else dict(inherited)
    component = {key: item for key, item in value.items() if key != PARAMETERS}
    if "type" not in component and field in DEFAULT_TYPES and field not in UNTYPED:
        component["type"] = "Custom" if "class_name" in component else DEFAULT_TYPES[field]
    is_component = isinstance(component.get("type"), str) and field not in UNTYPED
    if is_component:
        for name, parameter in parameters.items():
            component.setdefault(name, parameter)
    passed = {name: parameter for name, parameter in parameters.items() if name != field}
    resolved = {
        key: item if key == "schema" else propagate(item, key, passed if is_component else parameters, depth + 1)
        for key, item in component.items()
    }
    if is_component and parameters:
        resolved[PARAMETERS] = parameters
    return resolved


def _interpolate(text: str, parameters: Mapping[str, Any]) -> Any:
    """The text with the parameters in its templates. A template that is nothing but a parameter keeps its type."""
    if "{{" not in text and "{%" not in text:
        return text
    if (whole := WHOLE_PARAMETER.fullmatch(text)) and not (whole["default"] and _name(whole) not in parameters):
        return parameters.get(_name(whole), "")

    def literal(match: re.Match[str]) -> str:
        if match["default"] and _name(match) not in parameters:
            return match["default"].strip()
        value = parameters.get(_name(match), "")
        return repr(value) if isinstance(value, (str, int, float, list)) and "{" not in str(value) else match[0]

    return PARAMETER.sub(literal, text)


def _name(match: re.Match[str]) -> str:
    return str(match["item"] or match["got"] or match["name"])
