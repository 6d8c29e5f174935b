"""Reads without rows because `response_actions` ignores the response: when they are allowed, and the warning."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Protocol

from analytics_assets.rest_api.errors import ResponseError, SliceError
from analytics_assets.rest_api.extract.selector import Selector
from analytics_assets.rest_api.extract.status_errors import action_error
from analytics_assets.rest_api.http.client import HttpClient
from analytics_assets.rest_api.http.response import Response
from analytics_assets.rest_api.windows import Window


def check_response_action(
    response: Response, *, where: str, pages_read: int, in_slice: bool, selector: Selector, client: HttpClient
) -> None:
    """Check that the action of a response may end the read without rows.

    Args:
        response: The response, with its action.
        where: The request and the page, without query and secret.
        pages_read: Pages of the read before this one.
        in_slice: Whether a slice of a window was requested: the window itself has rows.
        selector: Finds records in the body.
        client: Masks secrets in the API's own reason.

    Raises:
        SliceError: A slice was ignored; without slices it may be a page of the read.
        ResponseError: The action is not `ignore`, the response is not the first of its read, or it has records.
    """
    assert response.action is not None
    if response.action.action == "ignore" and in_slice:
        raise SliceError(f"{where}: `response_actions` ignores the response to a part of the window")
    if response.action.action != "ignore" or pages_read:
        raise action_error(response, response.action, where=where, client=client)
    if 200 <= response.status < 300 and (rows := selector.count_records(response.body)):
        raise ResponseError(
            f"{where}: `response_actions` ignores a response with {rows} records: change the action's `content` to "
            "text that only the error has"
        )


class Reads(Protocol):
    """One read of an endpoint, or many.

    Attributes:
        name: The resource, as log lines begin.
        log: Receives a warning.
        window: The time range that was requested; None for all rows.
        reads: How many reads there were.
        ignored: The number of ignored reads, by the status of their response.
    """

    name: str
    log: logging.Logger
    window: Window | None
    reads: int
    ignored: Counter[int]


def check_ignored_reads(done: Reads) -> int:
    """Log a warning for the reads that were ignored; returns their number.

    Raises:
        ResponseError: All were ignored, so the load would have no rows because of responses that are not pages. Only a
            single read of a window may have none.
    """
    count = done.ignored.total()
    statuses = ", ".join(f"{status}: {times}" for status, times in sorted(done.ignored.items()))
    if count and count >= done.reads and (done.reads > 1 or done.window is None):
        raise ResponseError(
            f"`response_actions` ignores the responses to all reads ({statuses}), so there are no rows to load. "
            "Check the credentials, `base_url`, `endpoint.path`, and the action"
        )
    if count:
        done.log.warning(
            f"{done.name}: {count} of {done.reads} reads are without rows: `response_actions` ignores them ({statuses})"
        )
    return count
