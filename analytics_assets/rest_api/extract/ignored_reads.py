"""Reads without rows because `response_actions` ignores the response: what is allowed, and what the load says of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from analytics_assets.rest_api.errors import ResponseError, SliceError
from analytics_assets.rest_api.extract.selector import Selector
from analytics_assets.rest_api.extract.status_errors import action_error
from analytics_assets.rest_api.http.client import HttpClient
from analytics_assets.rest_api.http.response import Response


def check_response_action(
    response: Response, *, where: str, pages_read: int, in_slice: bool, selector: Selector, client: HttpClient
) -> None:
    """Return if a response that matches an action ends its read without rows.

    Args:
        response: The response, with its action.
        where: The request and the page, without query and secret.
        pages_read: Pages of the read before this one.
        in_slice: Whether a slice of a window was requested: the window itself has rows.
        selector: Finds records in the body.
        client: Masks secrets in the API's own reason.

    Raises:
        SliceError: A slice was ignored; without slices it may be a page of the read.
        ResponseError: The action is another, or the response is not the first, or it has records.
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


def check_ignored_reads(
    ignored: Mapping[int, int], *, reads: int, windowed: bool, name: str, log: logging.Logger
) -> None:
    """Log the reads that were ignored.

    Args:
        ignored: Ignored reads by the status of their response.
        reads: All reads of the load.
        windowed: Whether the load is of a window: then a single read may have no rows.
        name: The resource, as log lines begin.
        log: Receives the warning.

    Raises:
        ResponseError: All were ignored, so the load would be empty because of a response that is no page.
    """
    count = sum(ignored.values())
    if not count:
        return
    statuses = ", ".join(f"{status}: {times}" for status, times in sorted(ignored.items()))
    if count >= reads and not (windowed and reads == 1):
        raise ResponseError(
            f"`response_actions` ignores the responses to all reads of {name} ({statuses}), so there are no rows to "
            "load. Check the credentials, `base_url`, `endpoint.path`, and the action"
        )
    log.warning(f"{name}: {count} of {reads} reads are without rows: `response_actions` ignores them ({statuses})")
