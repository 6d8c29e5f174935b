"""OAuth 2.0: the token requests of a client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from analytics_assets.rest_api.config.auth.static import EmptyOrSecret
from analytics_assets.rest_api.config.parsing.model import Model
from analytics_assets.rest_api.config.parsing.validation import validation_error
from analytics_assets.rest_api.config.values import Fields, Secret, StrictPositiveInt, Url, Value


class OAuth2Config(Model):
    """OAuth 2.0: the client credentials grant, the refresh token grant or the password grant."""

    type: Literal["oauth2", "oauth2_client_credentials"] = "oauth2"
    grant_type: Literal["client_credentials", "refresh_token", "password"] | None = None
    """The grant. By default `refresh_token` if there is one, else `client_credentials`."""
    client_id: Value
    """The client's identifier."""
    client_secret: EmptyOrSecret
    """The client's secret; `""` for clients that have none."""
    refresh_token: Secret | None = None
    """The refresh token that a user's authorization gave."""
    username: Value | None = None
    """The user name, for `grant_type: password`."""
    password: Secret | None = None
    """The user's password, for `grant_type: password`."""
    token_url: Url
    """The URL of the token endpoint."""
    client_auth: Literal["body", "basic", "json"] = "body"
    """How a token request sends identifier and secret: in its form, as HTTP basic authentication, or in a JSON body
    with all other fields."""
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

    @model_validator(mode="after")
    def _validate_grant(self) -> Self:
        needed = {"refresh_token": ("refresh_token",), "password": ("username", "password")}
        grant = self.grant_type or ("refresh_token" if self.refresh_token else "client_credentials")
        problems = [
            ((name,), f"is required by `grant_type: {grant}`")
            for name in needed.get(grant, ())
            if getattr(self, name) is None
        ]
        problems += [
            ((name,), f"is for `grant_type: {other}`")
            for other, names in needed.items()
            for name in names
            if other != grant and getattr(self, name) is not None
        ]
        if problems:
            raise validation_error(*problems)
        return self
