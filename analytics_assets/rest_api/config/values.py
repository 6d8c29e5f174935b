"""Scalar values of the configuration: references to secrets, URLs, JSONPaths, names, time formats, durations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    GetCoreSchemaHandler,
    NonNegativeInt,
    PlainValidator,
    PositiveInt,
    Strict,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema
from typing_extensions import Self

from analytics_assets.rest_api.config.parsing.model import Model
from analytics_assets.rest_api.config.parsing.validation import nearest, validate_each


@dataclass(frozen=True)
class Matches:
    """Text that matches a regular expression.

    Attributes:
        pattern: The regular expression, for the whole text.
        description: The expected text in words, for the message `must be ...`.
    """

    pattern: str
    description: str

    def validate(self, value: str) -> str:
        """The text, unchanged.

        Raises:
            ValueError: It does not match.
        """
        if not re.fullmatch(self.pattern, value):
            raise ValueError(f"must be {self.description}")
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.validate, handler(source))


NOT_BLANK = r"[\s\S]*\S[\s\S]*"
Name = Annotated[str, Matches(NOT_BLANK, "text that is not blank")]
HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
HeaderName = Annotated[str, Matches(HEADER_NAME, "the name of an HTTP header")]
StrictPositiveInt = Annotated[PositiveInt, Strict()]
StrictNonNegativeInt = Annotated[NonNegativeInt, Strict()]

_KEY = r"[^.\[\]*'\"]+"
_STEP = rf"\.{_KEY}|\[[0-9]+\]|\['[^']+'\]|\[\"[^\"]+\"\]"
_WILD = rf"{_STEP}|\.\*|\[\*\]"
JsonPath = Annotated[
    str, Matches(rf"\$(?:{_STEP})+|{_KEY}(?:{_STEP})*", "a JSONPath to one value, such as next or meta.next")
]
_LAST = rf"{_STEP}|\[-[0-9]+\]"
CursorPath = Annotated[
    str,
    Matches(rf"\$(?:{_LAST})+|{_KEY}(?:{_LAST})*", "a JSONPath to one value, such as next, meta.next or data[-1].id"),
]
Selector = Annotated[
    str,
    Matches(
        rf"\$(?:{_WILD})*|(?:{_KEY}|\*)(?:{_WILD})*",
        "a JSONPath of names, indexes and wildcards: data, data.items, items[*].data, or $ for a bare list",
    ),
]
WebLink = Annotated[str, Matches(r"https?://[^\s/]\S*", "a URL such as https://docs.example.com/users")]
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
    """The name of a value that is set outside the file. A run reads it when it starts."""

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
# Headers and parameters whose value is a secret by convention.
SECRET_NAMES = frozenset(
    {"authorization", "proxy_authorization", "cookie", "x_api_key", "api_key", "apikey", "x_auth_token", "access_token"}
    | {"refresh_token", "client_secret", "password"}
)


def is_secret_name(name: str) -> bool:
    """Whether a header or parameter of this name has a secret as its value."""
    return name.lower().replace("-", "_") in SECRET_NAMES


def validate_value(data: Any) -> str | SecretRef:
    """A literal text, or a reference to a secret.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(data, (str, SecretRef)):
        return data
    if isinstance(data, Mapping):
        return SecretRef.model_validate(data)
    raise ValueError("must be text (in quotes, if it looks like a number) or {env: NAME}")


def validate_secret(data: Any) -> SecretRef:
    """A reference to a secret.

    Raises:
        ValueError: It is a literal, or something else.
    """
    if isinstance(data, (Mapping, SecretRef)):
        return SecretRef.model_validate(data)
    raise ValueError("must not be written here: write {env: NAME} and set NAME in the environment")


def _validate_url(value: str | SecretRef) -> str | SecretRef:
    """A literal URL is validated here, a named one by the HTTP client."""
    if isinstance(value, SecretRef):
        return value
    try:
        parts = urlsplit(value)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url or not re.fullmatch("[!-~]+", value):
        raise ValueError("must be a URL such as https://api.example.com/v1, or {env: NAME}")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("must be a URL without user, query and fragment: credentials belong in `client.auth`")
    return value


Value = Annotated[str | SecretRef, PlainValidator(validate_value), WithJsonSchema(VALUE_SCHEMA)]
Secret = Annotated[SecretRef, PlainValidator(validate_secret), WithJsonSchema(SECRET_SCHEMA)]
Url = Annotated[Value, AfterValidator(_validate_url)]
VALUES = WithJsonSchema({"type": "object", "additionalProperties": VALUE_SCHEMA})


def validate_field(name: str, data: Any) -> str | SecretRef:
    """A literal text or a reference to a secret; a reference only, if the field's name says that it is a secret.

    Raises:
        ValueError: It is something else.
    """
    return validate_secret(data) if is_secret_name(name) else validate_value(data)


def validate_header(name: str, data: Any) -> str | SecretRef:
    """The value of a header.

    Raises:
        ValueError: The name or the value cannot be sent, or a secret is written literally.
    """
    if not re.fullmatch(HEADER_NAME, name):
        raise ValueError("must be the name of an HTTP header")
    value = validate_field(name, data)
    if isinstance(value, str) and not re.fullmatch(r"[ -~]*", value):
        raise ValueError("must be plain ASCII text")
    return value


Fields = Annotated[dict[str, Value], PlainValidator(lambda data: validate_each(data, validate_field)), VALUES]
Headers = Annotated[dict[str, Value], PlainValidator(lambda data: validate_each(data, validate_header)), VALUES]


TIME_FORMATS = ("iso8601", "epoch_s", "epoch_ms", "date")
DIRECTIVES = frozenset("aAwdbBmyYHIpMSfzZjUWcxXGuV%")  # those of Python's documentation: the same on every platform


def is_pattern(format: str) -> bool:
    """Whether this is a strftime pattern with a year, not only a time of day."""
    directives = re.findall("%(.?)", format)
    return DIRECTIVES.issuperset(directives) and not {"y", "Y", "G", "c", "x"}.isdisjoint(directives)


def _validate_time_format(format: str) -> str:
    if format == "date-time":  # JSON Schema's name
        return "iso8601"
    if format not in TIME_FORMATS and not is_pattern(format):
        known = ", ".join(TIME_FORMATS)
        raise ValueError(
            f"must be one of {known}, or a strftime pattern such as '%Y-%m-%d %H:%M'{nearest(format, TIME_FORMATS)}"
        )
    return format


def _validate_duration(data: Any) -> Any:
    if not isinstance(data, (str, timedelta)):  # pydantic takes a number for seconds, users may mean days
        raise ValueError("must be a duration such as '2 days', '6:00:00' or P2D")
    return data


def _validate_lookback(duration: timedelta) -> timedelta:
    if not timedelta() <= duration <= timedelta(days=3660):
        raise ValueError("must be from zero to ten years")
    return duration


def _validate_freshness(data: Any) -> timedelta | Literal[False]:
    if data is False:
        return False
    try:
        duration = TypeAdapter(timedelta).validate_python(data) if isinstance(data, (str, timedelta)) else None
    except ValidationError:
        duration = None
    if duration is None or not timedelta(minutes=1) <= duration <= timedelta(days=3660):
        raise ValueError("must be false, or a duration of at least a minute, such as PT27H or '2 days'")
    return duration


TimeFormat = Annotated[str, AfterValidator(_validate_time_format)]
Lookback = Annotated[
    timedelta,
    BeforeValidator(_validate_duration),
    AfterValidator(_validate_lookback),
    WithJsonSchema({"type": "string", "examples": ["2 days", "P2D"]}),
]
Freshness = Annotated[
    timedelta | Literal[False],
    PlainValidator(_validate_freshness),
    WithJsonSchema({"type": ["string", "boolean"], "examples": ["PT27H", False]}),
]
