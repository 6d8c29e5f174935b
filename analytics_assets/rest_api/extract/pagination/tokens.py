"""Paginators whose next page is named by the response: a cursor or a link, in the body or in a header."""

from __future__ import annotations

from typing import Any

from analytics_assets.rest_api import config
from analytics_assets.rest_api.errors import ResponseError
from analytics_assets.rest_api.extract.envelope import MISSING
from analytics_assets.rest_api.extract.pagination.base import PageRequest, PageResponse, Paginator
from analytics_assets.rest_api.extract.pagination.hints import header_link

INCLUSIVE_HINT = ", or the API returns the record of the cursor again (the parameter must exclude it)"
LinkConfig = config.JsonLinkConfig | config.HeaderLinkConfig


class LoopDetector:
    """Remembers the cursors or links of a read: one that is sent again would make the read endless."""

    def __init__(self) -> None:
        self._hashes: set[int] = set()

    def add(self, value: str, noun: str, hint: str = "") -> str:
        """Raises ResponseError if the value was added before."""
        if hash(value) in self._hashes:
            raise ResponseError(
                f"the API sent the same {noun} twice in one read, which would never end: the API ignores the "
                f"parameter that takes the {noun}, or the {noun} is at another place in the response{hint}"
            )
        self._hashes.add(hash(value))
        return value


class SinglePagePaginator(Paginator):
    """One request."""

    correction = "Name the API's pagination under `endpoint.paginator` in place of `single_page`"

    def first(self) -> PageRequest:
        return PageRequest()

    def next(self, response: PageResponse) -> PageRequest | None:  # noqa: ARG002
        return None


class TokenPaginator(Paginator):
    """What cursors and links share: where the token stands, and when it ends the read."""

    def __init__(self, spec: config.CursorConfig | config.HeaderCursorConfig | LinkConfig) -> None:
        self._spec = spec
        self._loops = LoopDetector()
        self.continuation_key = _continuation_key(spec)
        self.correction = f"Correct {self.continuation_key}"

    def next(self, response: PageResponse) -> PageRequest | None:
        token = self._token(response)
        self.continuation_was_found = self.continuation_was_found or token is not MISSING
        if self._says_end(response):
            self.end_is_proven = True
            return None
        if self._is_from_record:
            return self._after_record(token, response)
        if token is MISSING or token is None or token == "":
            self.end_is_proven = self.continuation_was_found  # some APIs leave the key out on the last page
            return None
        return self._request(token)

    @property
    def _is_from_record(self) -> bool:
        """Whether the cursor is a field of the page's last record: then an empty page ends the read."""
        return isinstance(self._spec, config.CursorConfig) and "[-" in self._spec.cursor_path

    def _after_record(self, token: Any, response: PageResponse) -> PageRequest | None:
        if not response.rows:
            return None
        if token is MISSING or token is None or token == "":
            raise ResponseError(f"the page has records, but there is no value at {self.continuation_key}")
        return self._request(token)

    def _says_end(self, response: PageResponse) -> bool:
        """Whether a flag or the stop condition ends the read, whatever the token is."""
        spec = self._spec
        if isinstance(spec, config.CursorConfig) and spec.stop_condition:
            return spec.stop_condition.holds(response.find(spec.stop_condition.path), MISSING)
        flag = spec.has_more_path if isinstance(spec, (config.CursorConfig, config.JsonLinkConfig)) else None
        return flag is not None and not response.get_bool(flag)

    def _token(self, response: PageResponse) -> Any:
        spec = self._spec
        if isinstance(spec, config.CursorConfig):
            return response.find(spec.cursor_path)
        if isinstance(spec, config.JsonLinkConfig):
            return response.find(spec.next_url_path)
        if isinstance(spec, config.HeaderCursorConfig):
            return response.headers.get(spec.cursor_key, MISSING)
        header = response.headers.get("Link")
        return MISSING if header is None else header_link(header, spec.links_next_key)

    def _request(self, token: Any) -> PageRequest:
        raise NotImplementedError


class CursorPaginator(TokenPaginator):
    """Sends back the cursor of the page before."""

    _spec: config.CursorConfig | config.HeaderCursorConfig

    def first(self) -> PageRequest:
        return PageRequest(*self._spec.place(limit=self._limit))

    @property
    def _limit(self) -> int | None:
        return self._spec.limit if isinstance(self._spec, config.CursorConfig) else None

    def _request(self, token: Any) -> PageRequest:
        if isinstance(token, bool) or not isinstance(token, (str, int, float)):
            place = self._spec.cursor_body_path or self._spec.cursor_param
            raise ResponseError(f"the cursor for `{place}` is a {type(token).__name__}, not text or a number")
        self._loops.add(str(token), "cursor", INCLUSIVE_HINT if self._is_from_record else "")
        return PageRequest(*self._spec.place(cursor=token, limit=self._limit))


class LinkPaginator(TokenPaginator):
    """Follows the link to the next page."""

    def first(self) -> PageRequest:
        return PageRequest()

    def _request(self, token: Any) -> PageRequest:
        if not isinstance(token, str):
            raise ResponseError(f"the link to the next page is a {type(token).__name__}, not text")
        return PageRequest(link=self._loops.add(token, "link"))


def _continuation_key(spec: config.CursorConfig | config.HeaderCursorConfig | LinkConfig) -> str:
    """The key of the YAML that names the next page's place, with its value."""
    if isinstance(spec, config.CursorConfig):
        return f"`paginator.cursor_path: {spec.cursor_path}`"
    if isinstance(spec, config.JsonLinkConfig):
        return f"`paginator.next_url_path: {spec.next_url_path}`"
    if isinstance(spec, config.HeaderCursorConfig):
        return f"the header of `paginator.cursor_key: {spec.cursor_key}`"
    return f"the header `Link` with `paginator.links_next_key: {spec.links_next_key}`"
