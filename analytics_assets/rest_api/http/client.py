"""The HTTP client of one API: signed requests, retries, rate limit, redirects, request metrics."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from analytics_assets.rest_api.auth.authenticator import Authenticator
from analytics_assets.rest_api.auth.tokens import TokenRequest
from analytics_assets.rest_api.config import ErrorHandler
from analytics_assets.rest_api.errors import CredentialsError, ResponseError, UnavailableError
from analytics_assets.rest_api.http.backoff import exponential_wait, wait_before_retry
from analytics_assets.rest_api.http.error_reason import error_reason
from analytics_assets.rest_api.http.metrics import RequestMetrics
from analytics_assets.rest_api.http.rate_limit_headers import RATE_LIMIT_NAMES, Quota, read_quotas
from analytics_assets.rest_api.http.rate_limiter import MAX_INEFFECTIVE_PAUSES, RateLimiter
from analytics_assets.rest_api.http.request import Request
from analytics_assets.rest_api.http.response import Response
from analytics_assets.rest_api.http.response_actions import ResponseActions
from analytics_assets.rest_api.http.transport import Transport, TransportError
from analytics_assets.rest_api.http.urls import BASE_URL, origin, resolve_reference, validate_url, with_query
from analytics_assets.rest_api.redaction import redacted_request, redactor
from analytics_assets.rest_api.state.slots import ReservedSlots

MAX_REDIRECTS = 5
REDIRECT_STATUSES = (301, 302, 303, 307, 308)
NOT_PROCESSED = frozenset({429, 503})  # statuses of servers that have not processed the request
SAME_METHOD_REDIRECTS = (307, 308)


class HttpClient:
    """Sends requests to one API; safe to share between threads.

    Attributes:
        auth: Signs the requests; None for an API without credentials. It is set after construction, because OAuth2
            requests its tokens through this client.
        limits_requests: Whether `max_requests_per_second` limits the requests.
        metrics: Counts of the requests sent so far.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        secret_values: frozenset[str] = frozenset(),
        error_handler: ErrorHandler | None = None,
        connect_timeout: float = 10.0,
        read_timeout: float = 60.0,
        max_requests_per_second: float | None = None,
        slots: ReservedSlots | None = None,
        max_page_bytes: int = 100_000_000,
        allow_insecure_http: bool = False,
        log: logging.Logger | None = None,
        log_prefix: str = "",
    ) -> None:
        """Open no connection yet.

        Args:
            base_url: Paths are appended to it; links and redirects must not leave its scheme, host and port.
            headers: Sent with every request but those for tokens.
            secret_values: Values to mask in messages, besides those of the credentials.
            error_handler: Which responses are retried, how often, and the waits between.
            connect_timeout: Seconds.
            read_timeout: Seconds without a byte received.
            max_requests_per_second: Over all threads; None for no limit.
            slots: The slots of the limit if all runs of the API share it. They are closed with the client.
            max_page_bytes: Maximum length of a response body, decompressed.
            allow_insecure_http: Send credentials over plain http to other machines.
            log: Where retries are logged; by default this module's logger.
            log_prefix: Starts each logged line, for example with the resource's name.

        Raises:
            ConfigError: The base URL or the environment's proxy is not usable.
        """
        self._base = validate_url(base_url, purpose=BASE_URL, allow_insecure_http=allow_insecure_http).rstrip("/")
        self._origin = origin(base_url)
        self.auth: Authenticator | None = None
        self._secret_values = secret_values
        self._headers = {"Accept": "application/json", "User-Agent": "analytics_assets", **(headers or {})}
        self._error_handler = error_handler or ErrorHandler()
        self._actions = ResponseActions(self._error_handler.response_actions)
        self._slots = slots
        self.limits_requests = max_requests_per_second is not None
        self._rate_limiter = RateLimiter(
            max_requests_per_second, max_pause=self._error_handler.max_retry_after, slots=slots
        )
        self._transport = Transport(
            self._origin, connect_timeout=connect_timeout, read_timeout=read_timeout, max_page_bytes=max_page_bytes
        )
        self._allow_insecure_http = allow_insecure_http
        self._log = log or logging.getLogger(__name__)
        self._log_prefix = log_prefix
        self.metrics = RequestMetrics()
        self._closed = False

    def close(self) -> None:
        """Close all connections. Later requests, including waiting ones, raise UnavailableError."""
        self._closed = True
        self._transport.close()
        if self._slots:
            self._slots.close()

    def url(self, path: str) -> str:
        """The URL of a path below the base URL, verbatim: `/v2` and `/v1/resource` give `/v2/v1/resource`."""
        return f"{self._base}/{path.lstrip('/')}"

    def next_page_url(self, url: str, *, found_at: str) -> str:
        """The absolute URL of a link in the response to `found_at`.

        Raises:
            ResponseError: The link leads to another host, or is not a URL.
        """
        target, target_origin = resolve_reference(url, found_at)
        if target_origin != self._origin:
            raise ResponseError(
                f"the API's link leads to another host ({target_origin[1]!r}): credentials are not sent there. "
                "If that is the API's own name, put it into `client.base_url`."
            )
        return target

    def send(self, request: Request) -> Response:
        """Send with credentials, refreshed once after a 401. Other error statuses are returned, after the retries.

        A POST is retried as a GET is: it reads.

        The response holds the action of the configuration that it matches, also when no retry is left for `retry`.

        Raises:
            UnavailableError: There was no response, or the client is closed.
            ResponseError: The response is too large, or redirects to another host.
            CredentialsError: The API returned 401 to refreshed credentials too.
        """
        refreshed = False
        while True:
            credential_id, response = self._retry(request)
            if response.status != 401 or self.auth is None:
                return response
            if refreshed or not self.auth.refresh(credential_id):
                if response.action:
                    return response
                raise CredentialsError(
                    f"{request.redacted} returned 401 (unauthorized). {self.auth.rejection_hint(401)}"
                )
            refreshed = True

    def send_token_request(self, request: TokenRequest) -> Response:
        """Send a token request without the API's credentials, to any host.

        It is retried only if the server has not processed it: it may use up a refresh token.

        Raises:
            ConfigError: Credentials must not be sent to this URL.
            UnavailableError: There was no response, or the client is closed.
            ResponseError: The response is too large.
        """
        validate_url(request.url, purpose=request.purpose, allow_insecure_http=self._allow_insecure_http)
        sent = Request(request.url, request.method, headers=request.headers, body=request.body)
        return self._retry(sent, token_request=request)[1]

    def open_early(self, requests: Iterable[Request]) -> None:
        """Open a connection for each request, over which `send` sends it. Nothing is sent before."""
        for _, signed in map(self._signed, requests):
            self._transport.open_early(signed.method, signed.url, signed.headers, signed.body)

    def close_early(self) -> None:
        """Close the connections whose requests were not sent."""
        self._transport.close_early()

    def secret_values(self) -> frozenset[str]:
        """All values to mask in messages. Grows with each new token: call it again for each message."""
        return self._secret_values | (self.auth.secret_values() if self.auth else frozenset())

    def error_reason(self, response: Response) -> str | None:
        """The API's own reason for an error status: one line of at most 200 characters, or None.

        Secrets, and values of records that the request contained, are masked.
        """
        return error_reason(response.body, redactor(self.secret_values() | response.record_values))

    def _retry(self, request: Request, *, token_request: TokenRequest | None = None) -> tuple[str, Response]:
        """Send until a response needs no retry or no retry is left.

        A token request is not signed, and is retried only if the server cannot have received it. If it uses a refresh
        token, a status that does not exclude that the token is used up is not retried either.

        Returns:
            The id of the credential that was used, and the response.
        """
        handler, statuses = self._error_handler, frozenset(self._error_handler.retry_on_status_codes)
        if token_request and token_request.uses_refresh_token:
            statuses &= NOT_PROCESSED
        for attempt in range(handler.max_retries + 1):
            is_last = attempt == handler.max_retries
            credential_id, signed = self._signed(request, is_token_request=token_request is not None)
            try:
                response = self._follow_redirects(signed, is_token_request=token_request is not None)
            except TransportError as error:
                if is_last or (token_request is not None and error.may_have_been_received):
                    attempts = "1 attempt" if attempt == 0 else f"{attempt + 1} attempts"
                    raise UnavailableError(f"{request.redacted} failed after {attempts}: {error}") from None
                wait, cause = exponential_wait(handler, attempt), str(error)
            else:
                if token_request is None:
                    self.metrics.last_status = response.status
                    if action := self._actions.match(response):
                        response = replace(response, action=action)
                retried = response.action.action == "retry" if response.action else response.status in statuses
                if is_last or not retried:
                    return credential_id, response
                wait = wait_before_retry(handler, response, attempt)
                cause = f"HTTP {response.status}" + (f" with {wait.header}" if wait.header else "")
                cause += " matches `response_actions`" if response.action else ""
                if response.status == 429 or (response.action and wait.header):
                    self._rate_limiter.pause(wait.seconds)
            self._warn(
                f"{request.redacted}: {cause}. Retry {attempt + 1} of {handler.max_retries} in {wait.seconds:.1f} s"
            )
            self.metrics.add(retries=1, waited=wait.seconds)
            time.sleep(wait.seconds)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _signed(self, request: Request, *, is_token_request: bool = False) -> tuple[str, Request]:
        """The credential's id, and the request with it and with the client's headers; token requests get neither."""
        credential_id, body = "", request.body
        query: dict[str, Any] = dict(request.params)
        headers = {**({} if is_token_request else self._headers), **request.headers}
        if not is_token_request and self.auth is not None:
            credential_id = self.auth.sign(query, headers)
            body = self.auth.sign_body(body, headers)
        url = with_query(request.url, query)
        return credential_id, Request(url, request.method, headers=headers, body=body, shown_url=request.shown_url)

    def _follow_redirects(self, request: Request, *, is_token_request: bool) -> Response:
        """Send once, and follow redirects that stay on the same host. Those of token requests are not followed."""
        url, method = request.url, request.method
        for _ in range(MAX_REDIRECTS + 1):
            response = self._send(request, url, reuse_connection=not is_token_request)
            is_redirect = not is_token_request and response.status in REDIRECT_STATUSES
            location = response.headers.get("Location") if is_redirect else None
            if not location:
                return response
            target, target_origin = resolve_reference(location, url)
            if target_origin != origin(request.url):
                raise ResponseError(
                    f"{request.redacted}: the API redirects to another host ({target_origin[1]!r}): "
                    "credentials are not sent there. Put the final URL into `client.base_url`."
                )
            is_plain_get = method == "GET" and request.body is None
            if not is_plain_get and response.status not in SAME_METHOD_REDIRECTS:
                final = "" if request.shown_url else f" ({redacted_request(target, method)})"
                raise ResponseError(
                    f"{request.redacted}: the API redirects with {response.status}, which would turn the {method} into "
                    f"a GET without its body. Put the final URL{final} "
                    "into `client.base_url` and `endpoint.path`."
                )
            url = target
        raise ResponseError(f"{request.redacted}: more than {MAX_REDIRECTS} redirects")

    def _send(self, request: Request, url: str, *, reuse_connection: bool) -> Response:
        waited = self._rate_limiter.wait(self._warn_of_pause)
        try:
            if self._closed:
                raise UnavailableError(f"{request.redacted} was not sent: the load is over")
            self.metrics.add(requests=1, waited=waited)
            started = time.monotonic()
            try:
                response = self._transport.send(
                    request.method, url, request.headers, request.body, reuse_connection=reuse_connection
                )
            except ResponseError as error:
                raise error.with_message(f"{request.redacted}: {error}") from None
            finally:
                self.metrics.add(api=time.monotonic() - started)
        finally:
            self._rate_limiter.done()
        self.metrics.add(received=len(response.body))
        if self._error_handler.respect_rate_limit_headers and response.headers.mention(*RATE_LIMIT_NAMES):
            self._observe_quotas(response, url)
        return response

    def _observe_quotas(self, response: Response, url: str) -> None:
        """Pause all threads if the response says that the API's rate limit is used up."""
        if response.status == 429 or origin(url) != self._origin:  # the retry waits; another host has other limits
            return
        if wrong := self._rate_limiter.observe(read_quotas(response.headers)):
            self._warn(
                f"{wrong.header} still says {wrong.remaining} after {MAX_INEFFECTIVE_PAUSES} waits for its reset: this "
                "load ignores it from now on, and waits when the API returns 429"
            )

    def _warn_of_pause(self, quota: Quota, seconds: float) -> None:
        self._warn(f"{quota.header} says {quota.remaining}: all requests wait {seconds:.1f} s for its reset")

    def _warn(self, message: str) -> None:
        self._log.warning(redactor(self.secret_values())(f"{self._log_prefix}{message}"))
