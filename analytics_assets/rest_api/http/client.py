"""The HTTP client of one API: timeouts, retries, Retry-After, rate limit, redirects, redaction, counters."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from urllib.parse import urlencode

from analytics_assets.rest_api.auth.authenticator import Authenticator
from analytics_assets.rest_api.config import ErrorHandler
from analytics_assets.rest_api.errors import CredentialsError, ResponseError, UnavailableError
from analytics_assets.rest_api.http.error_reason import error_reason
from analytics_assets.rest_api.http.transport import Response, Transport, TransportError
from analytics_assets.rest_api.http.urls import BASE_URL, origin, resolve_reference, validate_url, with_query
from analytics_assets.rest_api.redaction import redacted_request, redactor

MAX_REDIRECTS = 5
MAX_BACKOFF_SECONDS = 120.0


@dataclass
class RequestMetrics:
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


class RateLimiter:
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
        self._base = validate_url(base_url, purpose=BASE_URL, allow_insecure_http=allow_insecure_http).rstrip("/")
        self._origin = origin(base_url)
        self.auth: Authenticator | None = None
        self._headers = {"Accept": "application/json", "User-Agent": "analytics_assets", **(headers or {})}
        self._errors = error_handler or ErrorHandler()
        self._pace = RateLimiter(max_requests_per_second)
        self._transport = Transport(
            self._origin, connect_timeout=connect_timeout, read_timeout=read_timeout, max_page_bytes=max_page_bytes
        )
        self._allow_insecure_http = allow_insecure_http
        self.counters = RequestMetrics()
        self._closed = False

    def close(self) -> None:
        """Nothing is sent from now on, by threads that still wait for their turn either."""
        self._closed = True
        self._transport.close()

    def url(self, path: str) -> str:
        """The URL of a path below the base URL, verbatim: `/v2` and `/v1/resource` give `/v2/v1/resource`."""
        return f"{self._base}/{path.lstrip('/')}"

    def next_page_url(self, url: str, *, found_at: str) -> str:
        """The absolute URL of a link found in an answer to `found_at`; refused if it leads to another host."""
        target, leads_to = resolve_reference(url, found_at)
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
            credential_id, response = self._retry("GET", url, params, {**self._headers, **(headers or {})}, None)
            if response.status != 401 or self.auth is None:
                return response
            if renewed or not self.auth.refresh(credential_id):
                raise CredentialsError(
                    f"{redacted_request(url)} answered 401 (unauthorized). {self.auth.rejection_hint(401)}"
                )
            renewed = True

    def post_form(self, url: str, fields: Mapping[str, str], headers: Mapping[str, str]) -> Response:
        """POST a form without the API's credentials: for token endpoints, on whatever host they are."""
        validate_url(url, purpose="token_url", allow_insecure_http=self._allow_insecure_http)
        sent = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded", **headers}
        return self._retry("POST", url, {}, sent, urlencode(fields).encode())[1]

    def error_reason(self, response: Response) -> str | None:
        """The API's own reason for an error status: one line of at most 200 characters, secrets masked; or None."""
        return error_reason(response.body, redactor(self.auth.secret_values() if self.auth else ()))

    def _retry(
        self, method: str, url: str, params: Mapping[str, str], headers: Mapping[str, str], body: bytes | None
    ) -> tuple[str, Response]:
        """Send until an answer needs no retry, or no retry is left. A POST goes out again only if it never arrived."""
        errors = self._errors
        for attempt in range(errors.max_retries + 1):
            last = attempt == errors.max_retries
            credential_id, query, signed = "", dict(params), dict(headers)
            if method == "GET" and self.auth is not None:
                credential_id = self.auth.sign(query, signed)
            try:
                response = self._follow(method, with_query(url, query), signed, body)
            except TransportError as error:
                if last or (method == "POST" and error.may_have_been_received):
                    raise UnavailableError(
                        f"{redacted_request(url, method)} failed after {attempt + 1} attempts: {error}"
                    ) from None
                delay = self._backoff(attempt)
            else:
                if last or response.status not in errors.retry_on_status_codes:
                    return credential_id, response
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
                raise UnavailableError(f"{redacted_request(url, method)} was not sent: the load is over")
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
            target, leads_to = resolve_reference(location, url)
            if leads_to != origin(asked):
                raise ResponseError(
                    f"{redacted_request(url)}: the API redirects to another host ({leads_to[1]!r}), where no credentials "
                    "are sent. Put the final address into `client.base_url`."
                )
            url = target
        raise ResponseError(f"{redacted_request(url)}: more than {MAX_REDIRECTS} redirects")

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
