"""The small values of the configuration: references to secrets, URLs, paths in answers, names, formats of time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema
from typing_extensions import Self

from analytics_assets.rest_api.config.model import Model, nearest


@dataclass(frozen=True)
class Matches:
    """Text of a certain form, which the error says in words."""

    pattern: str
    words: str

    def check(self, value: str) -> str:
        if not re.fullmatch(self.pattern, value):
            raise ValueError(f"must be {self.words}")
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))


NOT_BLANK = r"[\s\S]*\S[\s\S]*"
Name = Annotated[str, Matches(NOT_BLANK, "text that is not blank")]
HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
HeaderName = Annotated[str, Matches(HEADER_NAME, "the name of an HTTP header")]
Count = Annotated[int, Field(strict=True, ge=1)]
Index = Annotated[int, Field(strict=True, ge=0)]
Flag = Annotated[bool, Field(strict=True)]

_KEY = r"[^.\[\]*'\"]+"
_STEP = rf"\.{_KEY}|\[[0-9]+\]|\['[^']+'\]|\[\"[^\"]+\"\]"
_WILD = rf"{_STEP}|\.\*|\[\*\]"
JsonPath = Annotated[
    str, Matches(rf"\$(?:{_STEP})+|{_KEY}(?:{_STEP})*", "a JSONPath to one value, such as next or meta.next")
]
Selector = Annotated[
    str,
    Matches(
        rf"\$(?:{_WILD})*|(?:{_KEY}|\*)(?:{_WILD})*",
        "a JSONPath of names, indexes and wildcards: data, data.items, items[*].data, or $ for a bare list",
    ),
]
FieldPath = Annotated[
    str,
    AfterValidator(lambda path: path.removeprefix("$.")),
    Matches(rf"{_KEY}(?:\.{_KEY})*", "a field of the records, or a path to one such as attributes.updatedAt"),
]
HintName = Annotated[
    str,
    AfterValidator(lambda path: path.removeprefix("$.")),
    Matches(NOT_BLANK, "a path in the response such as meta.count, or the name of a header"),
]


class SecretRef(Model):
    """The name of a value that is set outside the file and read when a run needs it."""

    env: Annotated[str, Matches("[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable")] | None = None
    secret: Annotated[str, Matches(r"[\w-]+(\.[\w-]+)*", "a path in dlt.secrets, such as sources.api.key")] | None = (
        None
    )

    @model_validator(mode="after")
    def _validate_one_of(self) -> Self:
        if (self.env is None) == (self.secret is None):
            raise ValueError("must be {env: NAME} or {secret: a.path.in.dlt.secrets}")
        return self


SECRET_SCHEMA = {
    "type": "object",
    "properties": {
        "env": {"type": "string", "description": "The name of an environment variable."},
        "secret": {"type": "string", "description": "A path in dlt.secrets, such as sources.recruiting.client_id."},
    },
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
}
VALUE_SCHEMA = {**SECRET_SCHEMA, "type": ["string", "object"]}
# Headers and parameters that carry a secret by convention.
SECRET_NAMES = frozenset(
    {"authorization", "proxy_authorization", "cookie", "x_api_key", "api_key", "apikey", "x_auth_token", "access_token"}
    | {"refresh_token", "client_secret", "password"}
)


def is_secret_name(name: str) -> bool:
    return name.lower().replace("-", "_") in SECRET_NAMES


def read_value(data: Any) -> str | SecretRef:
    if isinstance(data, (str, SecretRef)):
        return data
    if isinstance(data, Mapping):
        return SecretRef.model_validate(data)
    raise ValueError("must be text (in quotes, if it looks like a number) or {env: NAME}")


def read_secret(data: Any) -> SecretRef:
    if isinstance(data, (Mapping, SecretRef)):
        return SecretRef.model_validate(data)
    raise ValueError("must be named, never written here: write {env: NAME} and set NAME in the environment")


def _url(value: str | SecretRef) -> str | SecretRef:
    """A written URL is checked here, one that is named when it is read."""
    if isinstance(value, SecretRef):
        return value
    try:
        parts = urlsplit(value)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits or not re.fullmatch("[!-~]+", value):
        raise ValueError("must be a URL such as https://api.example.com/v1, or {env: NAME}")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("must be a URL without user, query and fragment: credentials belong into `auth`")
    return value


Value = Annotated[str | SecretRef, PlainValidator(read_value), WithJsonSchema(VALUE_SCHEMA)]
Secret = Annotated[SecretRef, PlainValidator(read_secret), WithJsonSchema(SECRET_SCHEMA)]
Url = Annotated[Value, AfterValidator(_url)]


TIME_FORMATS = ("iso8601", "epoch_s", "epoch_ms", "date")
DIRECTIVES = frozenset("aAwdbBmyYHIpMSfzZjUWcxXGuV%")  # what Python writes and reads alike on every platform


def is_pattern(format: str) -> bool:
    """Whether this is a strftime pattern, of a moment and not only of a time of day."""
    directives = re.findall("%(.?)", format)
    return DIRECTIVES.issuperset(directives) and not {"y", "Y", "G", "c", "x"}.isdisjoint(directives)


def _time_format(format: str) -> str:
    if format == "date-time":  # JSON Schema's word
        return "iso8601"
    if format not in TIME_FORMATS and not is_pattern(format):
        known = ", ".join(TIME_FORMATS)
        raise ValueError(
            f"must be one of {known}, or a strftime pattern such as '%Y-%m-%d %H:%M'{nearest(format, TIME_FORMATS)}"
        )
    return format


def _written_duration(data: Any) -> Any:
    if not isinstance(data, (str, timedelta)):  # a bare number would be seconds to pydantic, days to people
        raise ValueError("must be a duration such as '2 days', '6:00:00' or P2D")
    return data


def _reach(duration: timedelta) -> timedelta:
    if not timedelta() <= duration <= timedelta(days=3660):
        raise ValueError("must be between nothing and ten years")
    return duration


TimeFormat = Annotated[str, AfterValidator(_time_format)]
Lookback = Annotated[
    timedelta,
    BeforeValidator(_written_duration),
    AfterValidator(_reach),
    WithJsonSchema({"type": "string", "examples": ["2 days", "P2D"]}),
]
