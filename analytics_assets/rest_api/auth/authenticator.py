"""How requests are signed: API keys, bearer tokens, user and password here; OAuth2 in a module of its own."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from analytics_assets.rest_api.auth.credentials import COPY_PASTE_HINT, FORBIDDEN_HINT, Secrets, names_of, select_auth
from analytics_assets.rest_api.auth.file_token_store import FileTokenStore
from analytics_assets.rest_api.auth.oauth2 import Grant, OAuth2Authenticator, PostForm, base64_text, set_header
from analytics_assets.rest_api.auth.postgres_token_store import PostgresTokenStore
from analytics_assets.rest_api.auth.token_store import STORE_VARIABLE, TokenStore
from analytics_assets.rest_api.config import ApiKeyConfig, BearerConfig, Client, HttpBasicConfig, OAuth2Config
from analytics_assets.rest_api.errors import CredentialsError

# What each can carry: RFC 9110 for headers, RFC 6265 for cookies. A query carries everything.
ALLOWED_VALUES = {"header": r"[!-~]([ -~]*[!-~])?", "cookie": r"[!#-+\--:<-\[\]-~]+", "query": r"(?s:.+)"}


class Authenticator(Protocol):
    """Signs the requests to one API; safe to share between threads."""

    def sign(self, params: dict[str, str], headers: dict[str, str]) -> str:
        """Add the credential to a request; returns an id of the one used, for `renew`."""

    def refresh(self, credential_id: str) -> bool:
        """After a 401 to the credential `used`: whether there is another one now, to try again with."""

    def rejection_hint(self, status: int) -> str:
        """What to do when the API answers `status` (401 or 403) to a signed request; names the variables to check."""

    def secret_values(self) -> frozenset[str]:
        """All that must be masked in texts; grows as tokens are renewed, so ask when there is a text to mask."""


def build_token_store(environ: Mapping[str, str], folder: Path) -> TokenStore:
    """Where tokens are kept: in the folder, or in the PostgreSQL database that ANALYTICS_TOKEN_STORE names."""
    chosen, variable = environ.get(STORE_VARIABLE, "").strip(), STORE_VARIABLE
    if not chosen:
        return FileTokenStore(folder)
    if chosen in environ:
        chosen, variable = environ[chosen].strip(), chosen
    if not chosen.startswith(("postgresql://", "postgres://")):
        raise CredentialsError(
            f"{variable} must be postgresql://user:password@host/database"
            + (", or the name of a variable that is set to that." if variable == STORE_VARIABLE else ".")
        )
    return PostgresTokenStore(chosen, variable=variable)


def build_authenticator(
    client: Client,
    *,
    api: str,
    secrets: Secrets,
    store: TokenStore,
    post_form: PostForm,
    clock: Callable[[], float] = time.time,
) -> Authenticator | None:
    """The authenticator for the alternative that is set; None if the API asks for no credentials."""
    auth = select_auth(client, secrets, api)
    if auth is None:
        return None
    if isinstance(auth, OAuth2Config):
        return OAuth2Authenticator(Grant.read(auth, api, secrets), store=store, post_form=post_form, clock=clock)
    return _static(auth, api, secrets)


def _static(auth: ApiKeyConfig | BearerConfig | HttpBasicConfig, api: str, secrets: Secrets) -> StaticAuthenticator:
    names = names_of(auth)
    if isinstance(auth, ApiKeyConfig):
        key = secrets.require(auth.api_key, "client.auth.api_key")
        return StaticAuthenticator(auth.location, auth.name, key, frozenset({key}), names)
    if isinstance(auth, BearerConfig):
        token = secrets.require(auth.token, "client.auth.token")
        return StaticAuthenticator("header", "Authorization", f"Bearer {token}", frozenset({token}), names)
    username = secrets.require(auth.username, "client.auth.username")
    password = secrets.require(auth.password, "client.auth.password")
    if ":" in username:
        raise CredentialsError(
            f"the user name of {api} contains a colon, which HTTP basic cannot carry. Check {names}."
        )
    encoded = base64_text(f"{username}:{password}")
    hidden = frozenset({password or username, encoded})  # without a password, the user's name is the key
    return StaticAuthenticator("header", "Authorization", f"Basic {encoded}", hidden, names)


@dataclass(frozen=True)
class StaticAuthenticator:
    """A credential that stays the same while a process runs."""

    location: Literal["query", "header", "cookie"]
    name: str
    value: str
    secrets: frozenset[str]
    names: str

    def __post_init__(self) -> None:
        if not re.fullmatch(ALLOWED_VALUES[self.location], self.value):
            raise CredentialsError(
                f"{self.names} holds characters that a {self.location} cannot carry. {COPY_PASTE_HINT}"
            )

    def sign(self, params: dict[str, str], headers: dict[str, str]) -> str:
        if self.location == "query":
            params[self.name] = self.value
        elif self.location == "header":
            set_header(headers, self.name, self.value)
        else:
            cookies = [value for name, value in headers.items() if name.lower() == "cookie"]
            set_header(headers, "Cookie", "; ".join([*cookies, f"{self.name}={self.value}"]))
        return "static"

    def refresh(self, credential_id: str) -> bool:  # noqa: ARG002
        return False

    def rejection_hint(self, status: int) -> str:
        return f"Check {self.names}: {FORBIDDEN_HINT if status == 403 else 'the API does not accept the value.'}"

    def secret_values(self) -> frozenset[str]:
        return self.secrets
