"""A sandbox API: its credentials, and its endpoints with their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from analytics_assets.sandbox.auth import Auth
from analytics_assets.sandbox.filters import Bounds, TimeFilter
from analytics_assets.sandbox.http import Request, Response, encode_json
from analytics_assets.sandbox.oauth2 import OAuth2
from analytics_assets.sandbox.pagination import Page, Pagination

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Endpoint:
    """One path that returns rows in pages, under the key `data`.

    Attributes:
        updated: The filter by time of change, if the endpoint has one.
        method: GET; or POST, whose body carries parameters too: form fields, or JSON values by dotted path.
        params: Query parameters that are accepted and ignored.
        repeatable: Query parameters that may occur more than once.
    """

    path: str
    rows: Sequence[Row]
    pagination: Pagination
    updated: TimeFilter | None = None
    params: frozenset[str] = frozenset()
    repeatable: frozenset[str] = frozenset()
    method: str = "GET"
    _matching: dict[Bounds, Sequence[Row]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def known_params(self) -> frozenset[str]:
        """All query parameters that the endpoint accepts."""
        known = self.params | self.pagination.params
        return known | set(self.updated.params) if self.updated else known

    def page(self, request: Request) -> Page:
        """The page that a request asks for.

        Raises:
            HTTPError: A parameter is not valid, or the page does not exist.
        """
        return self.pagination.page(request, len(self._matching_rows(request)))

    def response(self, page: Page, request: Request) -> Response:
        """The response that carries a page."""
        metadata = self.pagination.page_metadata(page, request)
        body = self.build_body(self._matching_rows(request)[page.start : page.stop], metadata.body, page)
        return Response(body=encode_json(body), headers={"Content-Type": "application/json", **metadata.headers})

    def build_body(self, rows: Sequence[Row], fields: Mapping[str, Any], page: Page) -> Any:  # noqa: ARG002
        """The body of a page, from its rows and its metadata."""
        return {**fields, "data": rows}

    def _matching_rows(self, request: Request) -> Sequence[Row]:
        """The rows that the request's filter selects, computed once per time range."""
        if self.updated is None:
            return self.rows
        updated, bounds = self.updated, self.updated.bounds(request)
        if bounds not in self._matching:
            self._matching[bounds] = [row for row in self.rows if updated.matches(row.get(updated.field), bounds)]
        return self._matching[bounds]


@dataclass(frozen=True)
class Api:
    """One REST service, served below `/<name>`. If it has several credentials, each of them is accepted."""

    name: str
    endpoints: Sequence[Endpoint]
    auth: Auth | tuple[Auth, ...] = ()

    @property
    def auths(self) -> tuple[Auth, ...]:
        return self.auth if isinstance(self.auth, tuple) else (self.auth,)

    @property
    def credential_params(self) -> frozenset[str]:
        """Query parameters that carry credentials."""
        return frozenset(name for auth in self.auths for name in auth.query_params)

    def variables(self, url: str) -> dict[str, str]:
        """The environment variables of a client of this API, on the server at `url`."""
        values = {"BASE_URL": f"{url}/{self.name}"}
        for auth in self.auths:
            values |= auth.variables()
            if isinstance(auth, OAuth2):
                values["TOKEN_URL"] = f"{url}/{self.name}{auth.token_path}"
        return {f"{self.name.upper()}_{name}": value for name, value in values.items()}

    def unknown_params(self, endpoint: Endpoint, names: frozenset[str]) -> frozenset[str]:
        """Query parameters that the API rejects."""
        return names - endpoint.known_params
