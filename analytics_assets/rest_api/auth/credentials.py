"""The client's configuration with all secrets read, once per load."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
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
    LoginConfig,
    LoginRequest,
    OAuth2Config,
    SecretRef,
    Value,
)
from analytics_assets.rest_api.errors import CredentialsError

# What each location can transport: RFC 9110 for headers, RFC 6265 for cookies. Query and body transport everything.
ALLOWED_VALUES = {"header": r"[!-~]([ -~]*[!-~])?", "cookie": r"[!#-+\--:<-\[\]-~]+"} | dict.fromkeys(
    ("query", "body"), r"(?s:.+)"
)

Location = Literal["query", "header", "cookie", "body"]


@dataclass(frozen=True)
class StaticCredentials:
    """A value that is sent with every request and does not expire during a run.

    Attributes:
        location: Where the value is sent.
        name: The header, query parameter, cookie or field of the body.
        value: The value as it is sent.
        secret_values: All texts to mask in messages.
        variables: The names of the variables, for messages.
    """

    location: Location
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
        grant_type: The grant of the token requests.
        client_auth: Where a token request carries client ID and secret; with `json`, all fields are a JSON body.
        refresh_token: The configured refresh token; None for other grants.
        user: User name and password of the password grant; None for other grants.
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
    grant_type: Literal["client_credentials", "refresh_token", "password"]
    client_auth: Literal["body", "basic", "json"]
    refresh_token: str | None = field(repr=False)
    user: tuple[str, str] | None = field(repr=False)
    request_data: Mapping[str, str] = field(repr=False)
    default_lifetime: float
    secret_values: frozenset[str] = field(repr=False)
    variables: str
    token_url_variable: str
    refresh_token_variable: str


@dataclass(frozen=True)
class LoginCredentials:
    """The requests for tokens by a login, with the values of their secrets.

    Attributes:
        api: The name of the API, for messages and the token's fingerprint.
        config: The requests, and where their responses have tokens.
        base_url: The URL that paths of the requests are appended to.
        headers: Headers of the requests below `base_url`.
        values: The secrets that the requests name.
        secret_values: All texts to mask in messages.
        variables: The names of the variables, for messages.
    """

    api: str
    config: LoginConfig
    base_url: str
    headers: Mapping[str, str] = field(repr=False)
    values: Mapping[SecretRef, str] = field(repr=False)
    secret_values: frozenset[str] = field(repr=False)
    variables: str


Credentials = StaticCredentials | OAuth2Credentials | LoginCredentials


@dataclass(frozen=True)
class ResolvedClient:
    """The values that a load needs of the client's configuration. `repr` shows no secret.

    Attributes:
        base_url: The API's URL.
        headers: Headers of every request, from `client.headers`.
        endpoint_headers, endpoint_values: Headers and placeholders of the endpoint's requests.
        credentials: The selected alternative; None if the API needs no credentials.
        secret_values: Values of headers and placeholders to mask; the authenticator knows those of credentials.
    """

    base_url: str
    headers: Mapping[str, str] = field(repr=False)
    endpoint_headers: Mapping[str, str] = field(repr=False)
    credentials: Credentials | None
    secret_values: frozenset[str] = field(repr=False)
    endpoint_values: Mapping[str, Any] = field(default_factory=dict, repr=False)


def resolve_secrets(
    client: Client,
    endpoint_headers: Mapping[str, Value],
    *,
    endpoint_values: Mapping[str, Value] | None = None,
    endpoint_auth: tuple[Auth, ...] | None = None,
    api: str,
    environ: Mapping[str, str],
) -> ResolvedClient:
    """Select the credentials that are set, and read all values that the client and the endpoint name.

    Args:
        client: The API's client.
        endpoint_headers, endpoint_values: Headers and placeholders of the endpoint's requests.
        endpoint_auth: The endpoint's own authentication, which replaces the client's; None if it has none.
        api: The name of the API.
        environ: Variables by name.

    Raises:
        CredentialsError: A value is unset or malformed. The message names the variable, and the key in the YAML file.
    """
    reader = SecretReader(environ)
    alternatives, key = (client.auth, "client.auth") if endpoint_auth is None else (endpoint_auth, "endpoint.auth")
    auth = select_auth(alternatives, api=api, environ=environ)  # first: its error lists the most variables
    base_url = reader.require(client.base_url, "client.base_url")
    headers = _headers(client.headers, "client.headers", reader)
    own_headers = _headers(endpoint_headers, "endpoint.headers", reader)
    named_values = endpoint_values or {}
    values = {name: reader.require(value, f"endpoint.values.{name}") for name, value in named_values.items()}
    texts = ((client.headers, headers), (endpoint_headers, own_headers), (named_values, values))
    named = [value for config, read in texts for value in _secret_values(config, read)]
    return ResolvedClient(
        base_url=base_url,
        headers=headers,
        endpoint_headers=own_headers,
        credentials=None if auth is None else _Resolver(api, key, base_url, headers, reader).credentials(auth),
        secret_values=frozenset(named),
        endpoint_values=values,
    )


def basic_authorization(client_id: str, client_secret: str) -> str:
    """Client ID and secret as `Authorization: Basic` carries them (RFC 6749, section 2.3.1)."""
    return encode_base64(f"{quote_plus(client_id)}:{quote_plus(client_secret)}")


def encode_base64(text: str) -> str:
    """The text in base64."""
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


@dataclass(frozen=True)
class _Resolver:
    """Reads the values of one alternative of `auth`, which is at `key` in the YAML file."""

    api: str
    key: str
    base_url: str
    headers: Mapping[str, str]
    reader: SecretReader

    def credentials(self, auth: Auth) -> Credentials:
        if isinstance(auth, OAuth2Config):
            return self._oauth2(auth)
        if isinstance(auth, LoginConfig):
            return self._login(auth)
        names = _names(auth, self.key)
        if isinstance(auth, ApiKeyConfig):
            key = self._value(auth.api_key, "api_key")
            value = f"{auth.prefix or ''}{key}"
            return StaticCredentials(auth.location, auth.name, value, frozenset({key}), names)
        if isinstance(auth, BearerConfig):
            token = self._value(auth.token, "token")
            return StaticCredentials("header", "Authorization", f"Bearer {token}", frozenset({token}), names)
        encoded, hidden = self._http_basic(auth)
        return StaticCredentials("header", "Authorization", f"Basic {encoded}", hidden, names)

    def _value(self, value: Value, name: str) -> str:
        return self.reader.require(value, f"{self.key}.{name}")

    def _http_basic(self, auth: HttpBasicConfig) -> tuple[str, frozenset[str]]:
        """User name and password as HTTP basic authentication sends them, and the texts to mask."""
        username, password = self._value(auth.username, "username"), self._value(auth.password, "password")
        if ":" in username:
            raise CredentialsError(
                f"the user name of {self.api} contains a colon, which HTTP basic authentication does not allow. "
                f"Check {_names(auth, self.key)}."
            )
        encoded = encode_base64(f"{username}:{password}")
        return encoded, frozenset({password or username, encoded})  # without a password, the user name is an API key

    def _oauth2(self, auth: OAuth2Config) -> OAuth2Credentials:
        client_id, client_secret = (self._value(getattr(auth, name), name) for name in ("client_id", "client_secret"))
        refresh_token = self._value(auth.refresh_token, "refresh_token") if auth.refresh_token else None
        user = None
        if auth.username is not None and auth.password is not None:
            user = self._value(auth.username, "username"), self._value(auth.password, "password")
        request_data = {
            name: self._value(value, f"access_token_request_data.{name}")
            for name, value in auth.access_token_request_data.items()
        }
        if auth.scope is not None:
            request_data["scope"] = self._value(auth.scope, "scope")
        named = _secret_values({**auth.access_token_request_data, "scope": auth.scope or ""}, request_data)
        secret_values = {client_secret, basic_authorization(client_id, client_secret), refresh_token, *named}
        if user and isinstance(auth.username, SecretRef):
            secret_values.add(user[0])
        return OAuth2Credentials(
            api=self.api,
            token_url=self._value(auth.token_url, "token_url"),
            client_id=client_id,
            client_secret=client_secret,
            grant_type=auth.grant_type or ("refresh_token" if refresh_token else "client_credentials"),
            client_auth=auth.client_auth,
            refresh_token=refresh_token,
            user=user,
            request_data=request_data,
            default_lifetime=auth.default_token_expiration,
            secret_values=frozenset(value for value in (*secret_values, user and user[1]) if value),
            variables=_names(auth, self.key),
            token_url_variable=_names(auth.token_url, f"{self.key}.token_url"),
            refresh_token_variable=_names(auth.refresh_token, f"{self.key}.refresh_token"),
        )

    def _login(self, auth: LoginConfig) -> LoginCredentials:
        values = {ref: self.reader.require(ref, self.key) for ref in references(auth)}
        secret_values = set(values.values())
        for name in ("request", "refresh"):
            request: LoginRequest | None = getattr(auth, name)
            if request:
                _headers(request.headers, f"{self.key}.{name}.headers", self.reader)  # checks the values
                secret_values |= self._http_basic(request.auth)[1] if request.auth else set()
        return LoginCredentials(
            self.api, auth, self.base_url, self.headers, values, frozenset(secret_values), _names(auth, self.key)
        )


def _names(config: object, key: str) -> str:
    """The variables of a part of the configuration, for messages; its key if it has none."""
    return ", ".join(dict.fromkeys(map(reference_name, references(config)))) or f"`{key}`"
