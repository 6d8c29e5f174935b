"""Values that are sent as they are: API keys, bearer tokens, HTTP basic authentication."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, PlainValidator, WithJsonSchema, model_validator
from typing_extensions import Self

from analytics_assets.rest_api.config.parsing.model import Model
from analytics_assets.rest_api.config.parsing.validation import validation_error
from analytics_assets.rest_api.config.values import (
    HEADER_NAME,
    VALUE_SCHEMA,
    Matches,
    Name,
    Secret,
    Value,
    validate_secret,
)

HeaderPrefix = Annotated[str, Matches(r"[ -~]*", "plain ASCII text")]
EmptyOrSecret = Annotated[
    Value, PlainValidator(lambda data: "" if data == "" else validate_secret(data)), WithJsonSchema(VALUE_SCHEMA)
]


class ApiKeyConfig(Model):
    """An API key in a header, in the query, in a cookie or in the body."""

    type: Literal["api_key"] = "api_key"
    name: Name = "Authorization"
    """Name of the header, query parameter, cookie or field of the body."""
    api_key: Secret
    """The key."""
    location: Annotated[
        Literal["header", "query", "cookie", "body"],
        BeforeValidator(
            lambda location: "query" if location == "param" else location,  # as in dlt
            json_schema_input_type=Literal["header", "query", "param", "cookie", "body"],
        ),
    ] = "header"
    """Where the key is sent; `param` means `query`, as in dlt. `body` adds it to `json` or `data` of the endpoint."""

    prefix: HeaderPrefix | None = None
    """Text before the key in a header, such as `"Token "`."""

    @model_validator(mode="after")
    def _validate_name(self) -> Self:
        if self.prefix is not None and self.location != "header":
            raise validation_error((("prefix",), "is for a key in a header"))
        if self.location in ("header", "cookie") and not re.fullmatch(HEADER_NAME, self.name):
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
    password: EmptyOrSecret
    """The password; `""` for APIs that take a key as the user name and no password."""
