"""What a request consists of: method, path, parameters and body, and the placeholders in their texts.

Only the names that an endpoint can fill in are placeholders. Other braces are literal, because filters and bodies
contain JSON and GraphQL. In a text with all literal braces doubled, as dlt asks for, each pair stands for one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, Literal, Protocol

from pydantic import AfterValidator, PlainValidator, WithJsonSchema

from analytics_assets.rest_api.config.paginators import OffsetConfig, PageNumberConfig
from analytics_assets.rest_api.config.parsing.validation import (
    KeyPath,
    Problem,
    nearest_name,
    validate_each,
    validation_error,
)
from analytics_assets.rest_api.config.values import is_secret_name

WINDOW_PLACEHOLDERS = ("start", "end")
PARENT_PREFIX = "resources."
NOT_IN_THE_FILE = "is a secret by its name: it belongs in `client.auth`, not in the file"
LOAD_TIME_HINT = "write the time of the load in `endpoint.values`, and its placeholder here"
SCALARS = ["string", "number", "boolean"]
FIELD_TYPES = {"type": [*SCALARS, "null", "array"], "items": {"type": SCALARS}}
PARAM_TYPES = {**FIELD_TYPES, "type": [*FIELD_TYPES["type"], "object"]}  # an object is dlt's parameter of type resolve

_NAME = r"[A-Za-z_]\w*|resources\.[^{}\s]+"
_PLACEHOLDER = re.compile(rf"\{{(?P<name>{_NAME})\}}")
_TOKEN = re.compile(rf"(?P<double>\{{\{{|\}}\}})|\{{(?P<name>{_NAME})\}}|[{{}}]")
_WORD_IN_BRACES = re.compile(r"\{\s*(?P<name>[A-Za-z_]\w*)\s*\}")
_NEEDED = {
    **dict.fromkeys(WINDOW_PLACEHOLDERS, "{start} or {end}, which need `endpoint.incremental`"),
    "page": "{page}, which needs a paginator of type page_number",
    "offset": "{offset}, which needs a paginator of type offset",
}
_PATH_IN_BRACES = re.compile(r"\{+\s*(?P<name>[A-Za-z_]\w*(\.[\w-]+)+)\s*\}+")
_DOUBLED_WORD = re.compile(r"\{\{\s*(?P<name>[A-Za-z_]\w*)\s*\}\}")

Method = Literal["GET", "POST", "PUT"]
Json = Any
"""A JSON value."""


class RequestConfig(Protocol):
    """The keys of an endpoint that a request is built from, before or after defaults are applied."""

    @property
    def path(self) -> str | None: ...
    @property
    def params(self) -> Mapping[str, Any]: ...
    @property
    def headers(self) -> Mapping[str, Any]: ...
    @property
    def json_(self) -> Json: ...
    @property
    def data(self) -> Any: ...
    @property
    def paginator(self) -> Any: ...
    @property
    def incremental(self) -> Any: ...
    @property
    def values(self) -> Mapping[str, Any]: ...
    @property
    def for_each(self) -> Mapping[str, Any] | None: ...


def split_text(text: str, names: Collection[str]) -> Iterator[tuple[str, str | None]]:
    """The text as pairs of a literal and the placeholder that follows it, which is None at the end.

    Args:
        text: A text of the configuration.
        names: The names that are placeholders, besides `resources.<parent>.<field>`.
    """
    is_doubled = _is_doubled(text, names)
    literal, at = "", 0
    for token in _TOKEN.finditer(text) if is_doubled else _PLACEHOLDER.finditer(text):
        literal += text[at : token.start()]
        at = token.end()
        if is_placeholder(token["name"], names):
            yield literal, token["name"]
            literal = ""
        else:
            literal += token[0][:1] if is_doubled else token[0]
    yield literal + text[at:], None


def is_placeholder(name: str | None, names: Collection[str]) -> bool:
    """Whether the name in braces is a placeholder: one of the names, or a field of a parent."""
    return name is not None and (name in names or name.startswith(PARENT_PREFIX))


def _is_doubled(text: str, names: Collection[str]) -> bool:
    """Whether all literal braces are doubled. GraphQL and JSON begin with a single one."""
    tokens = list(_TOKEN.finditer(text))
    return any(token["double"] for token in tokens) and all(
        token["double"] or is_placeholder(token["name"], names) for token in tokens
    )


def placeholder_names(endpoint: RequestConfig) -> frozenset[str]:
    """The names that the endpoint can fill in, besides those of parents."""
    has_window = endpoint.incremental and not endpoint.incremental.from_parent
    names = {*(WINDOW_PLACEHOLDERS if has_window else ()), *endpoint.values, *(endpoint.for_each or ())}
    if position := position_name(endpoint.paginator):
        names.add(position)
    return frozenset(names)


def position_name(paginator: object) -> str | None:
    """The placeholder of a numbered page: `page` or `offset`; None for other paginators."""
    if isinstance(paginator, PageNumberConfig):
        return "page"
    return "offset" if isinstance(paginator, OffsetConfig) else None


def placeholders_in(endpoint: RequestConfig) -> frozenset[str]:
    """The placeholders that the texts of a request contain."""
    return frozenset(name for _, name in placeholders_by_key(endpoint))


def placeholders_by_key(endpoint: RequestConfig) -> Iterator[tuple[KeyPath, str]]:
    """The placeholders that the texts of a request contain, each with its key below `endpoint`."""
    names = placeholder_names(endpoint)
    for key, text in _texts(endpoint):
        yield from ((key, name) for _, name in split_text(text, names) if name is not None)


def placeholder_problems(endpoint: RequestConfig) -> Iterator[Problem]:
    """The problems of braces that seem to be placeholders, by the keys below `endpoint`."""
    names = placeholder_names(endpoint)
    for key, text in _texts(endpoint):
        if problem := _placeholder_problem(text, names, in_path=key == ("path",)):
            yield key, problem


def _texts(endpoint: RequestConfig) -> Iterator[tuple[KeyPath, str]]:
    """The texts that may contain placeholders, each with its key."""
    parts = {name: getattr(endpoint, name) for name in ("path", "params", "headers", "data")}
    for name, value in {**parts, "json": endpoint.json_}.items():
        yield from _texts_in(value, (name,))


def _texts_in(value: Any, key: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, (dict, list, tuple)):
        for name, child in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _texts_in(child, (*key, name))


def _placeholder_problem(text: str, names: Collection[str], *, in_path: bool) -> str | None:
    """What is wrong with the braces of a text.

    A word in braces is literal after another word if the text has more braces, as in GraphQL's `{users {name}}`, and
    directly after a word, as in `owner{name}`. Elsewhere it is a misspelled placeholder.
    """
    if "{incremental." in text:
        return "dlt's placeholder {incremental...} is not supported: write {start} or {end}"
    known = [*WINDOW_PLACEHOLDERS, *sorted(set(names).difference(WINDOW_PLACEHOLDERS))]
    if (whole := _DOUBLED_WORD.fullmatch(text)) and (similar := nearest_name(whole["name"], known)):
        return f"is the text {{{whole['name']}}}, since doubled braces are literal: write {{{similar}}}"
    if problem := _path_problem(text, in_path=in_path):
        return problem
    if _is_doubled(text, names):
        return None
    has_more_braces = bool(re.search("[{}]", _WORD_IN_BRACES.sub("", text)))
    for braces in _WORD_IN_BRACES.finditer(text):
        name, written, before = braces["name"], braces[0], text[: braces.start()]
        is_exact = written == f"{{{name}}}"
        is_selection = has_more_braces and not in_path and re.search(r"[\w)]\s*$", before)
        if is_selection or (is_exact and name in names):
            continue
        if is_exact and name in _NEEDED:
            return f"contains {_NEEDED[name]}"
        if similar := nearest_name(name, known):
            return f"unknown placeholder {written}; did you mean {{{similar}}}?"
        if is_exact and (in_path or not re.search(r"\w$", before)):
            return f"unknown placeholder {written}; allowed: {', '.join(f'{{{each}}}' for each in known)}"
    return None


def _path_problem(text: str, *, in_path: bool) -> str | None:
    """What is wrong with `{resource.projects.id}` and the like, which seems to name a field of a parent."""
    for braces in _PATH_IN_BRACES.finditer(text):
        name = braces["name"]
        first, _, rest = name.partition(".")
        names_resources = first.lower() in ("resource", "resources")
        is_exact = name.startswith(PARENT_PREFIX) and f"{{{name}}}" == braces[0]
        if not is_exact and (in_path or names_resources or braces[0] == text):
            correct = f"{PARENT_PREFIX}{rest if names_resources else name}"
            return f"unknown placeholder {braces[0]}: a field of a parent is written {{{correct}}}"
    return None


class ResolveParam(str):
    """dlt's parameter `{type: resolve}`: the placeholder of a parent's field, for the path."""


def _validate_parameter(name: str, data: Any) -> FieldValue | None:
    """A query parameter as it is sent; None removes a parameter of `resource_defaults`."""
    if is_secret_name(name) and data is not None and not _is_only_placeholder(data):
        raise ValueError(
            f"is a secret by its name: write client.auth {{type: api_key, name: {name}, location: query}} instead"
        )
    if isinstance(data, Mapping) and data.get("type") == "incremental":
        raise ValueError("dlt's incremental parameter is not supported: write `start_param` in endpoint.incremental")
    if isinstance(data, Mapping) and data.get("type") == "resolve":
        if data.keys() != {"type", "resource", "field"}:
            raise ValueError("must be {type: resolve, resource: <resource>, field: <field>}")
        return ResolveParam(f"{{{PARENT_PREFIX}{data['resource']}.{data['field']}}}")
    if isinstance(data, (list, tuple)) and data:
        return tuple(map(_validate_text, data))
    return None if data is None else _validate_text(data)


def _validate_text(data: Any) -> str:
    if isinstance(data, bool):
        return str(data).lower()
    if isinstance(data, (str, int, float)):
        return str(data)
    if isinstance(data, Mapping) and "now" in data:
        raise ValueError(f"must be a text: {LOAD_TIME_HINT}")
    raise ValueError("must be a text, number or boolean, or a list of these: the parameter is repeated for each")


def _validate_path(path: str) -> str:
    if re.match(r"\w+:", path) or not re.fullmatch(r"[!\"$-\[\]-~]*", path):
        raise ValueError("must be a path below `base_url`, such as /v1/users, with special characters percent-encoded")
    return path


def _validate_json(data: Any) -> Json:
    """The JSON body: plain values, which may contain placeholders."""
    if data is not None and not isinstance(data, (dict, list)):
        raise ValueError("must be a mapping or a list: the body of the request as JSON; write other text as `data`")
    if problems := list(_json_problems(data, ())):
        raise validation_error(*problems)
    return data


def _json_problems(value: Any, key: KeyPath) -> Iterator[Problem]:
    if isinstance(value, dict):
        if value.keys() in ({"env"}, {"secret"}):
            yield key, "is sent as it is: a secret belongs in `client.auth`, not in the body"
        if {"now"} <= value.keys() <= {"now", "minus", "plus"}:
            yield key, f"is sent as it is: {LOAD_TIME_HINT}"
        for name, child in value.items():
            if is_secret_name(str(name)) and isinstance(child, (str, int)) and not _is_only_placeholder(child):
                yield (*key, name), NOT_IN_THE_FILE if key else _body_secret_hint(str(name))
            yield from _json_problems(child, (*key, name))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _json_problems(child, (*key, index))


def _is_only_placeholder(data: Any) -> bool:
    """Whether the text is nothing but a placeholder, such as a name of `values`: it holds no secret itself."""
    return isinstance(data, str) and bool(_PLACEHOLDER.fullmatch(data))


def _body_secret_hint(name: str) -> str:
    return f"is a secret by its name: write client.auth {{type: api_key, name: {name}, location: body}} instead"


def _validate_data(data: Any) -> Any:
    """The fields of a form, or a body as text."""
    if data is None or isinstance(data, str):
        return data
    if not isinstance(data, Mapping):
        raise ValueError("must be a mapping, the fields of a form, or the body as text")
    return validate_each(data, _validate_field)


def _validate_field(name: str, data: Any) -> FieldValue | None:
    if is_secret_name(name) and data is not None and not _is_only_placeholder(data):
        raise ValueError(_body_secret_hint(name))
    return _validate_parameter(name, data)


FieldValue = str | tuple[str, ...]
Params = Annotated[
    dict[str, FieldValue | None],
    PlainValidator(lambda data: validate_each(data, _validate_parameter)),
    WithJsonSchema({"type": "object", "additionalProperties": PARAM_TYPES}),
]
Path = Annotated[str, AfterValidator(_validate_path)]
JsonBody = Annotated[
    Json, PlainValidator(_validate_json), WithJsonSchema({"type": ["object", "array", "null"], "items": {}})
]
DataBody = Annotated[
    dict[str, FieldValue | None] | str | None,
    PlainValidator(_validate_data),
    WithJsonSchema({"type": ["object", "string", "null"], "additionalProperties": FIELD_TYPES}),
]
