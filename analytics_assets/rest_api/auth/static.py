"""Signs requests with a value that does not change during a run: an API key, a bearer token, HTTP basic."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec

from analytics_assets.rest_api.auth.credentials import Location, StaticCredentials

FORBIDDEN_HINT = (
    "the credentials may lack a permission. "
    "Some APIs return 403 for a wrong token too, or for a field that may not be read."
)


class StaticAuthenticator:
    """Adds the value to each request. Implements `Authenticator`."""

    def __init__(self, credentials: StaticCredentials) -> None:
        self._credentials = credentials

    def sign(self, params: dict[str, str], headers: dict[str, str]) -> str:
        """Add the value, see `Authenticator.sign`."""
        credentials = self._credentials
        add_credential(credentials.location, credentials.name, credentials.value, params, headers)
        return "static"

    def sign_body(self, body: bytes | None, headers: Mapping[str, str]) -> bytes | None:
        """Add the value to a body, see `Authenticator.sign_body`."""
        name, value = self._credentials.name, self._credentials.value
        if self._credentials.location != "body" or body is None:
            return body
        if "json" not in next((text for header, text in headers.items() if header.lower() == "content-type"), ""):
            return b"&".join(part for part in (body, urlencode({name: value}).encode()) if part)
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])  # other values stay byte by byte
        return msgspec.json.encode({**fields, name: value})

    def refresh(self, credential_id: str) -> bool:  # noqa: ARG002
        """False: there is no other credential."""
        return False

    def rejection_hint(self, status: int) -> str:
        """What to do after 401 or 403."""
        hint = FORBIDDEN_HINT if status == 403 else "the API does not accept the value."
        return f"Check {self._credentials.variables}: {hint}"

    def secret_values(self) -> frozenset[str]:
        """The value, and its parts that are secret."""
        return self._credentials.secret_values


def add_credential(location: Location, name: str, value: str, params: dict[str, str], headers: dict[str, str]) -> None:
    """Set the query parameter or the header, or append the cookie. Bodies are signed by `Authenticator.sign_body`."""
    if location == "query":
        params[name] = value
    elif location == "header":
        set_header(headers, name, value)
    elif location == "cookie":
        cookies = [value for header, value in headers.items() if header.lower() == "cookie"]
        set_header(headers, "Cookie", "; ".join([*cookies, f"{name}={value}"]))


def set_header(headers: dict[str, str], name: str, value: str) -> None:
    """Set a header in place of one that differs in case only: HTTP would join the two to a list."""
    for present in [known for known in headers if known.lower() == name.lower()]:
        del headers[present]
    headers[name] = value
