"""A probe session: reads of a few pages with the reader of loads, over a client that counts and stores responses."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from typing_extensions import Self

from analytics_assets.rest_api.auth.tokens import TokenRequest
from analytics_assets.rest_api.config import ResolvedResource
from analytics_assets.rest_api.errors import ResponseError, RestApiError
from analytics_assets.rest_api.extract.envelope import Envelope
from analytics_assets.rest_api.extract.formats.body import BodyReader, with_accept
from analytics_assets.rest_api.extract.masking import Masking
from analytics_assets.rest_api.extract.pagination.proof import Completeness
from analytics_assets.rest_api.extract.reader import EndpointReader
from analytics_assets.rest_api.extract.request_template import RequestTemplate
from analytics_assets.rest_api.http.client import HttpClient
from analytics_assets.rest_api.http.request import Request
from analytics_assets.rest_api.http.response import Response
from analytics_assets.rest_api.load.reader import build_client, resolve_request
from analytics_assets.rest_api.load.request import LoadRequest
from analytics_assets.rest_api.windows import Window

MAX_REQUESTS = 30  # of one resource; retries and token requests are not counted


class PageLimitError(Exception):
    """The read has more pages than were asked for."""


class RequestLimitError(ResponseError):
    """The resource has used up its requests."""


@dataclass(frozen=True)
class Exchange:
    """A request and its response.

    Attributes:
        seconds: The time between them.
    """

    request: Request
    response: Response
    seconds: float


class ProbeClient(HttpClient):
    """An HTTP client that sends no request twice and no more than MAX_REQUESTS.

    Attributes:
        sent: Requests that were sent.
        exchanges: The exchanges of the current read, repeated ones included.
        seconds: The time of each request that was sent.
        pages_left: How many pages the current read may still request.
        last_response: The last response of the API, also one that `send` reports as an error.
    """

    def __init__(self, base_url: str, **options: Any) -> None:
        super().__init__(base_url, **options)
        self.sent = 0
        self.exchanges: list[Exchange] = []
        self.seconds: list[float] = []
        self.pages_left = 0
        self.last_response: Response | None = None
        self._known: dict[tuple[Any, ...], Exchange] = {}

    def begin(self, pages: int) -> None:
        """Start a read of that many pages."""
        self.pages_left, self.exchanges = pages, []

    def send(self, request: Request) -> Response:
        """Send as `HttpClient.send`, or return the response to an equal request.

        Raises:
            PageLimitError: The read has more pages than it may request.
            RequestLimitError: MAX_REQUESTS were sent.
        """
        if not self.pages_left:
            raise PageLimitError
        self.pages_left -= 1
        parts = (request.params, request.headers)
        key = (request.method, request.url, request.body, *(tuple(sorted(part.items())) for part in parts))
        if key not in self._known:
            if self.sent >= MAX_REQUESTS:
                raise RequestLimitError(f"probing stopped after {MAX_REQUESTS} requests")
            self.sent += 1
            started = time.monotonic()
            response = super().send(request)
            self.seconds.append(time.monotonic() - started)
            self._known[key] = Exchange(request, response, self.seconds[-1])
        self.exchanges.append(self._known[key])
        return self._known[key].response

    def _retry(self, request: Request, *, token_request: TokenRequest | None = None) -> tuple[str, Response]:
        credential_id, response = super()._retry(request, token_request=token_request)
        if token_request is None:
            self.last_response = response
        return credential_id, response


@dataclass
class TrialRead:
    """The first pages of a read.

    Attributes:
        pages: The records of each page.
        exchanges: The requests and their responses; one more than pages if the last one is not a page.
        error: Why the read failed; None if it did not.
        ended: Whether the read came to its end.
        proof: What proves that it is complete, if it ended.
    """

    pages: list[list[dict[str, Any]]] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    error: RestApiError | None = None
    ended: bool = False
    proof: Completeness | None = None

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The records of all pages."""
        return [row for page in self.pages for row in page]

    @property
    def first(self) -> Exchange | None:
        """The first exchange; None if there was no response."""
        return self.exchanges[0] if self.exchanges else None

    @property
    def status(self) -> int | None:
        """The status of the first response; None if there was none."""
        return self.exchanges[0].response.status if self.exchanges else None

    @property
    def repeated(self) -> float:
        """The share of the second page's rows that are on the first page too."""
        if len(self.pages) < 2 or not self.pages[1]:
            return 0.0
        first = set(map(repr, self.pages[0]))
        return sum(repr(row) in first for row in self.pages[1]) / len(self.pages[1])

    @property
    def moves_on(self) -> bool:
        """Whether a second page was read, with other rows than the first."""
        return len(self.pages) > 1 and bool(self.pages[1]) and not self.repeated and self.error is None


@dataclass
class ProbeSession:
    """Reads a few pages of one resource, also with other settings than those of the YAML."""

    request: LoadRequest
    client: ProbeClient
    headers: Mapping[str, str]
    masking: Masking | None = None
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)
    bindings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, request: LoadRequest) -> Self:
        """A session with connections of its own; close it.

        Raises:
            RestApiError: The credentials are not set, or a setting of the client is wrong.
        """
        resolved, masking = resolve_request(request)
        client = build_client(request, resolved, ProbeClient)
        assert isinstance(client, ProbeClient)
        endpoint = request.resource.endpoint
        headers = with_accept(endpoint.format, resolved.endpoint_headers, resolved.headers)
        return cls(request, client, headers, masking, resolved.endpoint_values)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def read(self, resource: ResolvedResource, *, pages: int = 2, window: Window | None = None) -> TrialRead:
        """Read the first pages, as a load with one thread reads them.

        Args:
            resource: The resource, maybe with other settings than in the YAML.
            pages: How many pages to read.
            window: The time range to request; None for all rows.
        """
        trial = TrialRead()
        self.client.begin(pages)
        url = self.client.url(resource.endpoint.path)
        reader = EndpointReader(
            resource.endpoint,
            self.client,
            self.headers,
            window=window,
            bindings=self.bindings,
            template=RequestTemplate(resource.endpoint, url=url, headers=self.headers, values=self.values),
            has_primary_key=bool(resource.primary_key) and resource.write_disposition != "append",
            masking=self.masking,
            read_body=self.body_reader(resource),
            name=self.request.name,
            log=self.request.log,
        )
        try:
            for page in reader.read_batches():
                assert isinstance(page.records, list)
                trial.pages.append(page.records)
            trial.ended = True
            trial.proof = reader.parts[0] if reader.parts else None
        except PageLimitError:
            pass
        except RestApiError as error:
            trial.error = error
        trial.exchanges = self.client.exchanges
        return trial

    def body_reader(self, resource: ResolvedResource) -> BodyReader:
        """Reads the resource's responses as JSON."""
        return BodyReader.of(resource, max_bytes=self.request.client.max_page_bytes)

    def envelope(self, resource: ResolvedResource, exchange: Exchange) -> Envelope | None:
        """The body of a response; None if it is not of the resource's format."""
        try:
            return Envelope(self.body_reader(resource)(exchange.response))
        except ResponseError:
            return None

    @property
    def seconds_per_request(self) -> float:
        """The median time of a request."""
        ordered = sorted(self.client.seconds)
        return ordered[len(ordered) // 2] if ordered else 0.0
