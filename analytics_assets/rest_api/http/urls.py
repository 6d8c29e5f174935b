"""URLs: origins, links and redirects, the query, and which URLs credentials may be sent to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote_plus, urlencode, urljoin, urlsplit, urlunsplit

from analytics_assets.rest_api.errors import ConfigError, ResponseError

BASE_URL = "base_url"

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

UNSAFE_URL_CHARS = re.compile(r"[^!#$%&'()*+,/:;=?@\w.~-]", re.ASCII)

URL_USERINFO = re.compile(r"(?<=://)[^/?#@]*@")  # a link's: it is not for its server to choose who asks


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: what must not change on the way through links and redirects."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)


def resolve_reference(url: str, found_at: str) -> tuple[str, tuple[str, str, int]]:
    """The absolute URL of a link or redirect found in an answer to `found_at`, and the origin that it leads to."""
    try:
        target = urljoin(found_at, url)
        return target, origin(target)
    except ValueError:
        raise ResponseError("the API's link to the next page, or its redirect, is no URL") from None


def validate_url(url: str, *, purpose: str, allow_insecure_http: bool) -> str:
    """The URL, if credentials may be sent to it: https, or http on loopback."""
    try:
        scheme, host, _ = origin(url)
    except ValueError:
        scheme, host = "", ""
    if scheme not in ("http", "https") or not host:
        raise ConfigError(f"{purpose} must be a URL such as https://api.example.com")
    parts = urlsplit(url)
    if "@" in parts.netloc or (purpose == BASE_URL and (parts.query or parts.fragment)):
        raise ConfigError(
            f"{purpose} must be a URL without user, query and fragment: credentials belong into `client.auth`"
        )
    if scheme == "http" and host not in LOOPBACK and not allow_insecure_http:
        raise ConfigError(
            f"{purpose} is plain http: credentials would travel unencrypted. "
            "Use https, or set `client.allow_insecure_http: true`."
        )
    return url


def with_query(url: str, params: Mapping[str, str]) -> str:
    """The URL with `params` in its query, in place of parameters of the same names; the others stay as they are."""
    if not params:
        return url
    parts = urlsplit(url)
    kept = [pair for pair in parts.query.split("&") if pair and unquote_plus(pair.partition("=")[0]) not in params]
    return urlunsplit(parts._replace(query="&".join([*kept, urlencode(params, quote_via=quote)]), fragment=""))
