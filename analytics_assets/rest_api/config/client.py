"""Where an API is and how it is signed in to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema, model_validator
from typing_extensions import Self

from analytics_assets.rest_api.config.model import ByType, Model, OneOrMany, read_each, validation_error
from analytics_assets.rest_api.config.paginators import PaginatorConfig
from analytics_assets.rest_api.config.values import (
    HEADER_NAME,
    VALUE_SCHEMA,
    Count,
    Flag,
    Name,
    Secret,
    SecretRef,
    Url,
    Value,
    is_secret_name,
    read_secret,
    read_value,
)

Seconds = Annotated[float, Field(strict=True, gt=0, le=86_400)]
VALUES = WithJsonSchema({"type": "object", "additionalProperties": VALUE_SCHEMA})


def _field(name: str, data: Any) -> str | SecretRef:
    return read_secret(data) if is_secret_name(name) else read_value(data)


def _header(name: str, data: Any) -> str | SecretRef:
    if not re.fullmatch(HEADER_NAME, name):
        raise ValueError("must be the name of an HTTP header")
    value = _field(name, data)
    if isinstance(value, str) and not re.fullmatch(r"[ -~]*", value):
        raise ValueError("must be plain ASCII text")
    return value


Fields = Annotated[dict[str, Value], PlainValidator(lambda data: read_each(data, _field)), VALUES]
Headers = Annotated[dict[str, Value], PlainValidator(lambda data: read_each(data, _header)), VALUES]


class OAuth2Config(Model):
    """OAuth 2.0 with client credentials, or with a refresh token where one is named."""

    type: Literal["oauth2", "oauth2_client_credentials"] = "oauth2"
    client_id: Value
    client_secret: Secret
    refresh_token: Secret | None = None
    token_url: Url
    client_auth: Literal["body", "basic"] = "body"
    """Where a token request carries id and secret: in its body, or as HTTP basic."""
    scope: Value | None = None
    access_token_request_data: Fields = Field(default_factory=dict)
    """Further fields of a token request."""
    default_token_expiration: Count = 3600
    """Seconds that a token lives if the token endpoint does not say."""

    aliases: ClassVar[Mapping[str, str]] = {"access_token_url": "token_url"}
    unsupported: ClassVar[Mapping[str, str]] = {
        "access_token": "tokens are fetched; write one that never expires as {type: bearer, token: {env: NAME}}",
    }


class ApiKeyConfig(Model):
    """A key in a header, in the query or in a cookie."""

    type: Literal["api_key"] = "api_key"
    name: Name = "Authorization"
    """The header, parameter or cookie that holds the key."""
    api_key: Secret
    location: Annotated[
        Literal["header", "query", "cookie"],
        BeforeValidator(
            lambda location: "query" if location == "param" else location,  # dlt takes both
            json_schema_input_type=Literal["header", "query", "param", "cookie"],
        ),
    ] = "header"

    @model_validator(mode="after")
    def _validate_name(self) -> Self:
        if self.location != "query" and not re.fullmatch(HEADER_NAME, self.name):
            raise validation_error((("name",), f"must be the name of a {self.location}"))
        return self


class BearerConfig(Model):
    """A token that does not expire."""

    type: Literal["bearer"] = "bearer"
    token: Secret


class HttpBasicConfig(Model):
    """A user's name and password."""

    type: Literal["http_basic"] = "http_basic"
    username: Value
    password: Annotated[
        Value, PlainValidator(lambda data: "" if data == "" else read_secret(data)), WithJsonSchema(VALUE_SCHEMA)
    ]
    """The password, named; or "" where an API takes a key as the user's name and no password."""


Auth = Annotated[
    OAuth2Config | ApiKeyConfig | BearerConfig | HttpBasicConfig,
    ByType((OAuth2Config, ApiKeyConfig, BearerConfig, HttpBasicConfig)),
]


class Client(Model):
    """Where the API is, how it is signed in to, and how hard it may be asked."""

    base_url: Url
    """Paths are put behind it as they are: /v2 and /v1/users make /v2/v1/users."""
    auth: Annotated[tuple[Auth, ...], OneOrMany()] = ()
    """One way to sign in or a list: the first whose variables are all set is used. None: the API is open."""
    headers: Headers = Field(default_factory=dict)
    """Sent with every request."""
    max_concurrency: Annotated[Count, Field(le=64)] = 4
    """Requests that may be under way at once."""
    max_requests_per_second: Annotated[float, Field(strict=True, gt=0)] | None = None
    connect_timeout: Seconds = 10.0
    read_timeout: Seconds = 60.0
    max_page_bytes: Count = 100_000_000
    """The greatest answer that is taken, decompressed: what memory has to hold, once for each request under way."""
    allow_insecure_http: Flag = False
    """Whether credentials may be sent unencrypted, over plain http, to another machine."""
    paginator: PaginatorConfig | None = None
    """For resources that name none, as `resource_defaults.endpoint.paginator`."""

    unsupported: ClassVar[Mapping[str, str]] = {
        "session": "connections are set by the keys of `client`",
    }
