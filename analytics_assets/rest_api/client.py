"""The HTTP client of one API: timeouts, retries, Retry-After, rate limit, redirects, redaction, counters."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote_plus, urlencode, urljoin, urlsplit, urlunsplit

from analytics_assets.rest_api.auth import Authenticator
from analytics_assets.rest_api.config import ErrorHandler
from analytics_assets.rest_api.errors import ConfigError, CredentialsError, ResponseError, UnavailableError
from analytics_assets.rest_api.transport import LOOPBACK, Response, Transport, TransportError, describe

BASE_URL = "base_url"
MAX_REDIRECTS = 5
MAX_BACKOFF_SECONDS = 120.0


@dataclass
class Counters:
    """What the API cost: numbers for the materialization's metadata. Seconds are summed over threads."""

    requests: int = 0
    retries: int = 0
    bytes_received: int = 0
    api_seconds: float = 0.0
    waited_seconds: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(
        self, *, requests: int = 0, retries: int = 0, received: int = 0, api: float = 0.0, waited: float = 0.0
    ) -> None:
        with self.lock:
            self.requests += requests
            self.retries += retries
            self.bytes_received += received
            self.api_seconds += api
            self.waited_seconds += waited


class Pace:
    """Spaces requests out, and holds all threads of a client back together when the API asks for it."""

    def __init__(self, requests_per_second: float | None) -> None:
        self._interval = 1.0 / requests_per_second if requests_per_second else 0.0
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self) -> float:
        """Block until a request may be sent; returns the seconds waited."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._interval
        if turn > now:
            time.sleep(turn - now)
        return turn - now

    def pause(self, seconds: float) -> None:
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: what must not change on the way through links and redirects."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)


def resolve(url: str, found_at: str) -> tuple[str, tuple[str, str, int]]:
    """The absolute URL of a link or redirect found in an answer to `found_at`, and the origin that it leads to."""
    try:
        target = urljoin(found_at, url)
        return target, origin(target)
    except ValueError:
        raise ResponseError("the API's link to the next page, or its redirect, is no URL") from None


def check_url(url: str, *, what: str, allow_insecure_http: bool) -> str:
    """The URL, if credentials may be sent to it: https, or http on loopback."""
    try:
        scheme, host, _ = origin(url)
    except ValueError:
        scheme, host = "", ""
    if scheme not in ("http", "https") or not host:
        raise ConfigError(f"{what} must be a URL such as https://api.example.com")
    parts = urlsplit(url)
    if "@" in parts.netloc or (what == BASE_URL and (parts.query or parts.fragment)):
        raise ConfigError(
            f"{what} must be a URL without user, query and fragment: credentials belong into `client.auth`"
        )
    if scheme == "http" and host not in LOOPBACK and not allow_insecure_http:
        raise ConfigError(
            f"{what} is plain http: credentials would travel unencrypted. "
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


class HttpClient:
    """Sends requests to one API; safe to share between threads. `auth` signs them, once it is set."""

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        error_handler: ErrorHandler | None = None,
        connect_timeout: float = 10.0,
        read_timeout: float = 60.0,
        max_requests_per_second: float | None = None,
        max_page_bytes: int = 100_000_000,
        allow_insecure_http: bool = False,
    ) -> None:
        self._base = check_url(base_url, what=BASE_URL, allow_insecure_http=allow_insecure_http).rstrip("/")
        self._origin = origin(base_url)
        self.auth: Authenticator | None = None
        self._headers = {"Accept": "application/json", "User-Agent": "analytics_assets", **(headers or {})}
        self._errors = error_handler or ErrorHandler()
        self._pace = Pace(max_requests_per_second)
        self._transport = Transport(
            self._origin, connect_timeout=connect_timeout, read_timeout=read_timeout, max_page_bytes=max_page_bytes
        )
        self._allow_insecure_http = allow_insecure_http
        self.counters = Counters()
        self._closed = False

    def close(self) -> None:
        """Nothing is sent from now on, by threads that still wait for their turn either."""
        self._closed = True
        self._transport.close()

    def url(self, path: str) -> str:
        """The URL of a path below the base URL, verbatim: `/v2` and `/v1/resource` give `/v2/v1/resource`."""
        return f"{self._base}/{path.lstrip('/')}"

    def link(self, url: str, *, found_at: str) -> str:
        """The absolute URL of a link found in an answer to `found_at`; refused if it leads to another host."""
        target, leads_to = resolve(url, found_at)
        if leads_to != self._origin:
            raise ResponseError(
                f"the API's link leads to another host ({leads_to[1]!r}): credentials are not sent there. "
                "If that is the API's own name, put it into `client.base_url`."
            )
        return target

    def get(self, url: str, params: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Response:
        """GET with credentials. A 401 renews them once; a status that stays an error is returned as it is.

        Raises:
            ResponseError: the API could not be reached, or redirected elsewhere.
            CredentialsError: it answered 401 to renewed credentials too.
        """
        renewed = False
        while True:
            used, response = self._retry("GET", url, params, {**self._headers, **(headers or {})}, None)
            if response.status != 401 or self.auth is None:
                return response
            if renewed or not self.auth.renew(used):
                raise CredentialsError(f"{describe(url)} answered 401 (unauthorized). {self.auth.refused()}")
            renewed = True

    def post_form(self, url: str, fields: Mapping[str, str], headers: Mapping[str, str]) -> Response:
        """POST a form without the API's credentials: for token endpoints, on whatever host they are."""
        check_url(url, what="token_url", allow_insecure_http=self._allow_insecure_http)
        sent = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded", **headers}
        return self._retry("POST", url, {}, sent, urlencode(fields).encode())[1]

    def _retry(
        self, method: str, url: str, params: Mapping[str, str], headers: Mapping[str, str], body: bytes | None
    ) -> tuple[str, Response]:
        """Send until an answer needs no retry, or no retry is left. A POST goes out again only if it never arrived."""
        errors = self._errors
        for attempt in range(errors.max_retries + 1):
            last = attempt == errors.max_retries
            used, query, signed = "", dict(params), dict(headers)
            if method == "GET" and self.auth is not None:
                used = self.auth.sign(query, signed)
            try:
                response = self._follow(method, with_query(url, query), signed, body)
            except TransportError as error:
                if last or (method == "POST" and error.arrived):
                    raise UnavailableError(
                        f"{describe(url, method)} failed after {attempt + 1} attempts: {error}"
                    ) from None
                delay = self._backoff(attempt)
            else:
                if last or response.status not in errors.retry_on_status_codes:
                    return used, response
                asked = self._retry_after(response)
                delay = self._backoff(attempt) if asked is None else asked
                if response.status == 429:
                    self._pace.pause(delay)
            self.counters.add(retries=1, waited=delay)
            time.sleep(delay)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _follow(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        """Send once, and follow redirects that stay on the host that was asked."""
        asked = url
        for _ in range(MAX_REDIRECTS + 1):
            waited = self._pace.wait()
            if self._closed:
                raise UnavailableError(f"{describe(url, method)} was not sent: the load is over")
            self.counters.add(requests=1, waited=waited)
            began = time.monotonic()
            try:
                response = self._transport.send(method, url, headers, body)
            finally:
                self.counters.add(api=time.monotonic() - began)
            self.counters.add(received=len(response.body))
            redirected = method == "GET" and response.status in (301, 302, 303, 307, 308)
            location = response.headers.get("Location") if redirected else None
            if not location:
                return response
            target, leads_to = resolve(location, url)
            if leads_to != origin(asked):
                raise ResponseError(
                    f"{describe(url)}: the API redirects to another host ({leads_to[1]!r}), where no credentials "
                    "are sent. Put the final address into `client.base_url`."
                )
            url = target
        raise ResponseError(f"{describe(url)}: more than {MAX_REDIRECTS} redirects")

    def _backoff(self, attempt: int) -> float:
        """Exponential, with half of it left to chance so that clients do not come back in step."""
        ceiling = min(self._errors.backoff_factor * 2.0**attempt, MAX_BACKOFF_SECONDS)
        return ceiling * random.uniform(0.5, 1.0)  # noqa: S311

    def _retry_after(self, response: Response) -> float | None:
        """Seconds the API asked to wait (a number or a date), up to the cap; None if it named none that can be read."""
        value = response.headers.get("Retry-After", "").strip()
        try:
            until = None if re.fullmatch(r"[0-9]+", value) else parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = float(value) if until is None else until.timestamp() - time.time()
        return min(max(seconds, 0.0), self._errors.max_retry_after)
