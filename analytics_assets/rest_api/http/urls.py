"""URLs: origins, links and redirects, query parameters, and the URLs that credentials may be sent to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote_plus, urlencode, urljoin, urlsplit, urlunsplit

from analytics_assets.rest_api.errors import ConfigError, ResponseError

BASE_URL = "base_url"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
UNSAFE_URL_CHARS = re.compile(r"[^!#$%&'()*+,/:;=?@\w.~-]", re.ASCII)
UNRESERVED = re.compile(r"[\w.~-]*", re.ASCII)
URL_USERINFO = re.compile(r"(?<=://)[^/?#@]*@")  # removed from links: a server must not choose the credentials


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL. Links and redirects must not change them.

    Raises:
        ValueError: The URL is not valid.
    """
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)


def resolve_reference(url: str, found_at: str) -> tuple[str, tuple[str, str, int]]:
    """The absolute URL, and its origin, of a link or redirect in the response to `found_at`.

    Raises:
        ResponseError: It is not a URL.
    """
    try:
        target = urljoin(found_at, url)
        return target, origin(target)
    except ValueError:
        raise ResponseError("the API's link to the next page, or its redirect, is not a URL") from None


def validate_url(url: str, *, purpose: str, allow_insecure_http: bool) -> str:
    """Return the URL if credentials may be sent to it: https, or http on loopback.

    Args:
        url: A base URL or a token URL.
        purpose: The key of the configuration that holds it, named in errors.
        allow_insecure_http: Allow plain http to other machines.

    Raises:
        ConfigError: Credentials must not be sent there.
    """
    try:
        scheme, host, _ = origin(url)
    except ValueError:
        scheme, host = "", ""
    if scheme not in ("http", "https") or not host:
        raise ConfigError(f"{purpose} must be a URL such as https://api.example.com")
    parts = urlsplit(url)
    if "@" in parts.netloc or (purpose == BASE_URL and (parts.query or parts.fragment)):
        raise ConfigError(
            f"{purpose} must be a URL without user, query and fragment: credentials belong in `client.auth`"
        )
    if scheme == "http" and host not in LOOPBACK and not allow_insecure_http:
        raise ConfigError(
            f"{purpose} is plain http: credentials would be sent unencrypted. "
            "Use https, or set `client.allow_insecure_http: true`."
        )
    return url


def with_query(url: str, params: Mapping[str, str | tuple[str, ...]]) -> str:
    """The URL with `params` in its query. They replace parameters of the same names; others stay byte by byte.

    A parameter with several values is repeated.
    """
    if not params:
        return url
    query = urlencode(params, doseq=True, quote_via=_quote)
    if "?" not in url and "#" not in url:
        return f"{url}?{query}"
    parts = urlsplit(url)
    others = [pair for pair in parts.query.split("&") if pair and unquote_plus(pair.partition("=")[0]) not in params]
    return urlunsplit(parts._replace(query="&".join([*others, query]), fragment=""))


def _quote(text: Any, *options: Any) -> str:
    """As `quote`, which takes ten times as long for a text that needs no quotes."""
    return str(text) if UNRESERVED.fullmatch(text) else quote(text, *options)
