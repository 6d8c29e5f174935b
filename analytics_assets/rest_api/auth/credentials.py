"""The client's configuration with all secrets read, once per load."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote_plus

from analytics_assets.rest_api.auth.alternatives import select_auth
from analytics_assets.rest_api.auth.secret_reader import (
    COPY_PASTE_HINT,
    SecretReader,
    reference_name,
    references,
)
from analytics_assets.rest_api.config import (
    ApiKeyConfig,
    Auth,
    BearerConfig,
    Client,
    HttpBasicConfig,
    OAuth2Config,
    SecretRef,
    Value,
)
from analytics_assets.rest_api.errors import CredentialsError

# What each location can transport: RFC 9110 for headers, RFC 6265 for cookies. A query transports everything.
ALLOWED_VALUES = {"header": r"[!-~]([ -~]*[!-~])?", "cookie": r"[!#-+\--:<-\[\]-~]+", "query": r"(?s:.+)"}


@dataclass(frozen=True)
class StaticCredentials:
    """A value that is sent with every request and does not expire during a run.

    Attributes:
        location: Where the value is sent.
        name: The header, query parameter or cookie.
        value: The value as it is sent.
        secret_values: All texts to mask in messages.
        variables: The names of the variables, for messages.
    """

    location: Literal["query", "header", "cookie"]
    name: str
    value: str = field(repr=False)
    secret_values: frozenset[str] = field(repr=False)
    variables: str

    def __post_init__(self) -> None:
        if not re.fullmatch(ALLOWED_VALUES[self.location], self.value):
            raise CredentialsError(
                f"{self.variables} contains characters that are not allowed in a {self.location}. {COPY_PASTE_HINT}"
            )


@dataclass(frozen=True)
class OAuth2Credentials:
    """An OAuth2 client and the fields of its token requests.

    Attributes:
        api: The name of the API, for messages and the token's fingerprint.
        client_auth: Where a token request carries client ID and secret.
        refresh_token: The configured refresh token; None for the client credentials grant.
        request_data: Further fields of a token request, `scope` among them.
        default_lifetime: Seconds that a token is valid if the token endpoint does not say.
        secret_values: All texts to mask in messages.
        variables: The names of all variables, for messages.
        token_url_variable: The name of the variable with the token URL, for messages.
        refresh_token_variable: The name of the variable with the refresh token, for messages.
    """

    api: str
    token_url: str
    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    client_auth: Literal["body", "basic"]
    refresh_token: str | None = field(repr=False)
    request_data: Mapping[str, str] = field(repr=False)
    default_lifetime: float
    secret_values: frozenset[str] = field(repr=False)
    variables: str
    token_url_variable: str
    refresh_token_variable: str


@dataclass(frozen=True)
class ResolvedClient:
    """The values that a load needs of the client's configuration. `repr` shows no secret.

    Attributes:
        base_url: The API's URL.
        headers: Headers of every request, from `client.headers`.
        endpoint_headers: Headers of the endpoint's requests, from `endpoint.headers`.
        credentials: The selected alternative; None if the API needs no credentials.
        secret_values: Values of headers to mask in messages; those of credentials are known by the authenticator.
    """

    base_url: str
    headers: Mapping[str, str] = field(repr=False)
    endpoint_headers: Mapping[str, str] = field(repr=False)
    credentials: StaticCredentials | OAuth2Credentials | None
    secret_values: frozenset[str] = field(repr=False)


def resolve_secrets(
    client: Client, endpoint_headers: Mapping[str, Value], *, api: str, environ: Mapping[str, str]
) -> ResolvedClient:
    """Select the credentials that are set, and read all values that the client and the endpoint name.

    Raises:
        CredentialsError: A value is unset or malformed. The message names the variable, and the key in the YAML file.
    """
    reader = SecretReader(environ)
    auth = select_auth(client, api=api, environ=environ)  # first: its error lists the most variables
    base_url = reader.require(client.base_url, "client.base_url")
    headers = _headers(client.headers, "client.headers", reader)
    own_headers = _headers(endpoint_headers, "endpoint.headers", reader)
    named = [*_secret_values(client.headers, headers), *_secret_values(endpoint_headers, own_headers)]
    return ResolvedClient(
        base_url=base_url,
        headers=headers,
        endpoint_headers=own_headers,
        credentials=None if auth is None else _credentials(auth, api, reader),
        secret_values=frozenset(named),
    )


def basic_authorization(client_id: str, client_secret: str) -> str:
    """Client ID and secret as `Authorization: Basic` carries them (RFC 6749, section 2.3.1)."""
    return _base64(f"{quote_plus(client_id)}:{quote_plus(client_secret)}")


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def _headers(headers: Mapping[str, Value], key: str, reader: SecretReader) -> dict[str, str]:
    values = {name: reader.require(value, f"{key}.{name}") for name, value in headers.items()}
    for name, value in headers.items():
        if isinstance(value, SecretRef) and not values[name].isascii():  # literals are validated with the YAML file
            raise CredentialsError(
                f"`{key}.{name}`: {reference_name(value)} contains characters that are not allowed in a header. "
                f"{COPY_PASTE_HINT}"
            )
    return values


def _secret_values(config: Mapping[str, Value], values: Mapping[str, str]) -> list[str]:
    return [values[name] for name, value in config.items() if isinstance(value, SecretRef)]


def _credentials(auth: Auth, api: str, reader: SecretReader) -> StaticCredentials | OAuth2Credentials:
    if isinstance(auth, OAuth2Config):
        return _oauth2(auth, api, reader)
    names = _names(auth, "client.auth")
    if isinstance(auth, ApiKeyConfig):
        key = reader.require(auth.api_key, "client.auth.api_key")
        return StaticCredentials(auth.location, auth.name, key, frozenset({key}), names)
    if isinstance(auth, BearerConfig):
        token = reader.require(auth.token, "client.auth.token")
        return StaticCredentials("header", "Authorization", f"Bearer {token}", frozenset({token}), names)
    return _http_basic(auth, api, reader)


def _http_basic(auth: HttpBasicConfig, api: str, reader: SecretReader) -> StaticCredentials:
    names = _names(auth, "client.auth")
    username = reader.require(auth.username, "client.auth.username")
    password = reader.require(auth.password, "client.auth.password")
    if ":" in username:
        raise CredentialsError(
            f"the user name of {api} contains a colon, which HTTP basic authentication does not allow. Check {names}."
        )
    encoded = _base64(f"{username}:{password}")
    hidden = frozenset({password or username, encoded})  # without a password, the user name is an API key
    return StaticCredentials("header", "Authorization", f"Basic {encoded}", hidden, names)


def _oauth2(auth: OAuth2Config, api: str, reader: SecretReader) -> OAuth2Credentials:
    client_id = reader.require(auth.client_id, "client.auth.client_id")
    client_secret = reader.require(auth.client_secret, "client.auth.client_secret")
    refresh_token = None
    if auth.refresh_token is not None:
        refresh_token = reader.require(auth.refresh_token, "client.auth.refresh_token")
    request_data = {
        name: reader.require(value, f"client.auth.access_token_request_data.{name}")
        for name, value in auth.access_token_request_data.items()
    }
    if auth.scope is not None:
        request_data["scope"] = reader.require(auth.scope, "client.auth.scope")
    named = _secret_values({**auth.access_token_request_data, "scope": auth.scope or ""}, request_data)
    secret_values = {client_secret, basic_authorization(client_id, client_secret), *named}
    return OAuth2Credentials(
        api=api,
        token_url=reader.require(auth.token_url, "client.auth.token_url"),
        client_id=client_id,
        client_secret=client_secret,
        client_auth=auth.client_auth,
        refresh_token=refresh_token,
        request_data=request_data,
        default_lifetime=auth.default_token_expiration,
        secret_values=frozenset(secret_values | {refresh_token} if refresh_token else secret_values),
        variables=_names(auth, "client.auth"),
        token_url_variable=_names(auth.token_url, "client.auth.token_url"),
        refresh_token_variable=_names(auth.refresh_token, "client.auth.refresh_token"),
    )


def _names(config: object, key: str) -> str:
    """The variables of a part of the configuration, for messages; its key if it has none."""
    return ", ".join(dict.fromkeys(map(reference_name, references(config)))) or f"`{key}`"
