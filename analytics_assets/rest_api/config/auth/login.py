"""Tokens that a login request returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator
from typing_extensions import Self

from analytics_assets.rest_api.config.auth.static import HeaderPrefix, HttpBasicConfig
from analytics_assets.rest_api.config.parsing.model import Model
from analytics_assets.rest_api.config.parsing.validation import Problem, validate_each, validation_error
from analytics_assets.rest_api.config.values import (
    VALUES,
    HeaderName,
    JsonPath,
    Matches,
    Name,
    SecretRef,
    StrictPositiveInt,
    Url,
    Value,
    is_secret_name,
    validate_field,
    validate_header,
    validate_secret,
)

REFRESH_TOKEN = "{refresh_token}"  # noqa: S105


def _validate_login_value(name: str, data: Any) -> Any:
    """A JSON value whose secrets are references. Text with the refresh token's placeholder is not a secret itself."""
    if isinstance(data, Mapping):
        return (
            validate_secret(data)
            if data.keys() in ({"env"}, {"secret"})
            else validate_each(data, _validate_login_value)
        )
    if isinstance(data, list):
        return [_validate_login_value(name, item) for item in data]
    if is_secret_name(name) and data is not None and REFRESH_TOKEN not in str(data):
        return validate_secret(data)
    return data


def _validate_login_text(name: str, data: Any) -> str | SecretRef:
    return data if isinstance(data, str) and REFRESH_TOKEN in data else validate_field(name, data)


def _validate_login_header(name: str, data: Any) -> str | SecretRef:
    return data if isinstance(data, str) and REFRESH_TOKEN in data else validate_header(name, data)


LoginFields = Annotated[
    dict[str, Value], PlainValidator(lambda data: validate_each(data, _validate_login_text)), VALUES
]
LoginHeaders = Annotated[
    dict[str, Value], PlainValidator(lambda data: validate_each(data, _validate_login_header)), VALUES
]
LoginJson = Annotated[
    dict[str, Any],
    PlainValidator(lambda data: validate_each(data, _validate_login_value)),
    WithJsonSchema({"type": "object"}),
]


class LoginRequest(Model):
    """A request whose response has a token."""

    method: Literal["POST", "GET", "PUT"] = "POST"
    """The HTTP method."""
    path: (
        Annotated[str, Matches(r"(?!\w+:)[!\"$-\[\]-z|~]+", "a path below `base_url`, such as /auth/login")] | None
    ) = None
    """Path below `base_url`."""
    url: Url | None = None
    """The URL, in place of `path`, if it is not below `base_url`."""
    auth: HttpBasicConfig | None = None
    """`{type: http_basic, username: ..., password: ...}`, for logins by HTTP basic authentication."""
    headers: LoginHeaders = Field(default_factory=dict)
    """Headers of this request, besides those of `client`."""
    params: LoginFields = Field(default_factory=dict)
    """Query parameters."""
    json_: Annotated[LoginJson | None, Field(alias="json")] = None
    """The body as JSON; `{env: NAME}` may stand for any value in it."""
    data: LoginFields | None = None
    """The body as a form."""

    shorthand: ClassVar[str | None] = "path"

    @model_validator(mode="after")
    def _validate_request(self) -> Self:
        if (self.path is None) == (self.url is None):
            raise ValueError("needs `path` (below `base_url`) or `url`, not both")
        if self.json_ is not None and self.data is not None:
            raise validation_error((("data",), "is a second body beside `json`: remove one of the two"))
        if self.method == "GET" and (self.json_ is not None or self.data is not None):
            raise validation_error((("method",), "must be POST or PUT, since the request has a body"))
        return self

    @property
    def has_refresh_token(self) -> bool:
        """Whether the placeholder `{refresh_token}` occurs in the request."""
        return any(REFRESH_TOKEN in text for text in _texts([self.headers, self.params, self.json_, self.data]))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(item)


class LoginConfig(Model):
    """A token that a login request returns. All runs share it until it expires."""

    type: Literal["login"] = "login"
    request: LoginRequest
    """The login request."""
    token_path: JsonPath
    """Path of the token in the response."""
    expires_path: JsonPath | None = None
    """Path of the token's lifetime (a number), or of the time when it expires (ISO 8601)."""
    expires_unit: Literal["s", "ms", "epoch_s", "epoch_ms"] = "s"
    """What a number at `expires_path` is: a lifetime (`s`, `ms`), or a time (`epoch_s`, `epoch_ms`)."""
    lifetime: StrictPositiveInt = 3600
    """Lifetime of a token in seconds, if the response does not have it."""
    refresh: LoginRequest | None = None
    """The request for a new token, with `{refresh_token}` in it. If it is rejected, the login request is sent."""
    refresh_token_path: JsonPath | None = None
    """Path of the refresh token in both responses. A response to `refresh` may lack it if it does not change."""
    header: HeaderName | None = None
    """The header that carries the token, by default `Authorization`."""
    prefix: HeaderPrefix | None = None
    """Text before the token in the header: by default `"Bearer "` in `Authorization`, else none."""
    param: Name | None = None
    """The query parameter that carries the token, in place of a header."""
    cookie: HeaderName | None = None
    """The cookie that carries the token, in place of a header."""

    @model_validator(mode="after")
    def _validate_parts(self) -> Self:
        problems = list(self._problems())
        if problems:
            raise validation_error(*problems)
        return self

    def _problems(self) -> Iterator[Problem]:
        places = [name for name in ("header", "param", "cookie") if getattr(self, name) is not None]
        for name in places[1:]:
            yield (name,), f"is a second place of the token beside `{places[0]}`: remove one of the two"
        if self.prefix is not None and places and places[0] != "header":
            yield ("prefix",), "is for a token in a header"
        if self.request.has_refresh_token:
            yield (
                ("request",),
                f"contains {REFRESH_TOKEN}, which the first login does not have: it belongs in `refresh`",
            )
        if self.refresh and not self.refresh.has_refresh_token:
            yield ("refresh",), f'must send the refresh token, for example json: {{refresh_token: "{REFRESH_TOKEN}"}}'
        if self.refresh and self.refresh_token_path is None:
            yield ("refresh_token_path",), "is required by `refresh`: the path of the refresh token in the responses"
        if self.refresh_token_path and self.refresh is None:
            yield ("refresh",), "is required by `refresh_token_path`: the request that uses the refresh token"

    @property
    def location(self) -> Literal["query", "header", "cookie"]:
        """Where requests carry the token."""
        return "query" if self.param else "cookie" if self.cookie else "header"

    @property
    def name(self) -> str:
        """The header, query parameter or cookie that carries the token."""
        return self.param or self.cookie or self.header or "Authorization"

    @property
    def token_prefix(self) -> str:
        """The text before the token."""
        if self.prefix is not None or self.location != "header":
            return self.prefix or ""
        return "Bearer " if self.name.lower() == "authorization" else ""
