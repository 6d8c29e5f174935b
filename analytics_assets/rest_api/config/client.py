"""The client of an API: base URL, authentication, rate limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainValidator, StrictBool, WithJsonSchema, model_validator
from typing_extensions import Self

from analytics_assets.rest_api.config.paginators import PaginatorConfig
from analytics_assets.rest_api.config.parsing.model import ByType, Model, OneOrMany
from analytics_assets.rest_api.config.parsing.validation import validate_each, validation_error
from analytics_assets.rest_api.config.values import (
    HEADER_NAME,
    VALUE_SCHEMA,
    Name,
    Secret,
    SecretRef,
    StrictPositiveInt,
    Url,
    Value,
    is_secret_name,
    validate_secret,
    validate_value,
)

Seconds = Annotated[float, Field(strict=True, gt=0, le=86_400)]
VALUES = WithJsonSchema({"type": "object", "additionalProperties": VALUE_SCHEMA})


def _validate_field(name: str, data: Any) -> str | SecretRef:
    return validate_secret(data) if is_secret_name(name) else validate_value(data)


def _validate_header(name: str, data: Any) -> str | SecretRef:
    if not re.fullmatch(HEADER_NAME, name):
        raise ValueError("must be the name of an HTTP header")
    value = _validate_field(name, data)
    if isinstance(value, str) and not re.fullmatch(r"[ -~]*", value):
        raise ValueError("must be plain ASCII text")
    return value


Fields = Annotated[dict[str, Value], PlainValidator(lambda data: validate_each(data, _validate_field)), VALUES]
Headers = Annotated[dict[str, Value], PlainValidator(lambda data: validate_each(data, _validate_header)), VALUES]


class OAuth2Config(Model):
    """OAuth 2.0: the client credentials grant, or the refresh token grant if `refresh_token` is set."""

    type: Literal["oauth2", "oauth2_client_credentials"] = "oauth2"
    client_id: Value
    """The client's identifier."""
    client_secret: Secret
    """The client's secret."""
    refresh_token: Secret | None = None
    """The refresh token that a user's authorization gave; without it, the client credentials grant is used."""
    token_url: Url
    """The URL of the token endpoint."""
    client_auth: Literal["body", "basic"] = "body"
    """How a token request sends identifier and secret: in its body, or as HTTP basic authentication."""
    scope: Value | None = None
    """The scopes to request, separated by spaces."""
    access_token_request_data: Fields = Field(default_factory=dict)
    """Further fields of a token request, such as an audience."""
    default_token_expiration: StrictPositiveInt = 3600
    """Lifetime of a token in seconds, if the token endpoint does not return one."""

    aliases: ClassVar[Mapping[str, str]] = {"access_token_url": "token_url"}
    unsupported: ClassVar[Mapping[str, str]] = {
        "access_token": "tokens are requested; write one that does not expire as {type: bearer, token: {env: NAME}}",
    }


class ApiKeyConfig(Model):
    """An API key in a header, in the query or in a cookie."""

    type: Literal["api_key"] = "api_key"
    name: Name = "Authorization"
    """Name of the header, query parameter or cookie."""
    api_key: Secret
    """The key."""
    location: Annotated[
        Literal["header", "query", "cookie"],
        BeforeValidator(
            lambda location: "query" if location == "param" else location,  # as in dlt
            json_schema_input_type=Literal["header", "query", "param", "cookie"],
        ),
    ] = "header"
    """Where the key is sent; `param` means `query`, as in dlt."""

    @model_validator(mode="after")
    def _validate_name(self) -> Self:
        if self.location != "query" and not re.fullmatch(HEADER_NAME, self.name):
            raise validation_error((("name",), f"must be the name of a {self.location}"))
        return self


class BearerConfig(Model):
    """A token that does not expire."""

    type: Literal["bearer"] = "bearer"
    token: Secret
    """The token."""


class HttpBasicConfig(Model):
    """A user name and a password."""

    type: Literal["http_basic"] = "http_basic"
    username: Value
    """The user name."""
    password: Annotated[
        Value, PlainValidator(lambda data: "" if data == "" else validate_secret(data)), WithJsonSchema(VALUE_SCHEMA)
    ]
    """The password; `""` for APIs that take a key as the user name and no password."""


Auth = Annotated[
    OAuth2Config | ApiKeyConfig | BearerConfig | HttpBasicConfig,
    ByType((OAuth2Config, ApiKeyConfig, BearerConfig, HttpBasicConfig)),
]


class Client(Model):
    """Base URL, authentication and rate limits."""

    base_url: Url
    """The URL that paths are appended to as they are: `/v2` and `/v1/users` give `/v2/v1/users`."""
    auth: Annotated[tuple[Auth, ...], OneOrMany()] = ()
    """Authentication, or a list of alternatives: the first whose variables are all set is used. None if left out."""
    headers: Headers = Field(default_factory=dict)
    """Headers of every request."""
    max_concurrency: Annotated[StrictPositiveInt, Field(le=64)] = 4
    """Requests that may run at the same time."""
    max_requests_per_second: Annotated[float, Field(strict=True, gt=0)] | None = None
    """Rate limit over all requests of a load. No limit if left out."""
    connect_timeout: Seconds = 10.0
    """Seconds to wait for a connection."""
    read_timeout: Seconds = 60.0
    """Seconds to wait for data of a response."""
    max_page_bytes: StrictPositiveInt = 100_000_000
    """The largest response, decompressed. Memory must hold one for each parallel request."""
    allow_insecure_http: StrictBool = False
    """Whether credentials may be sent over plain `http` to another machine."""
    paginator: PaginatorConfig | None = None
    """The paginator of resources that name none, as in dlt."""

    unsupported: ClassVar[Mapping[str, str]] = {
        "session": "use the keys of `client`",
    }
