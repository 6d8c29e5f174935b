"""Errors that a response reports, by its status or as GraphQL: what the API said, and what to check."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from analytics_assets.rest_api import config
from analytics_assets.rest_api.auth.authenticator import Authenticator
from analytics_assets.rest_api.errors import ResponseError, UnavailableError
from analytics_assets.rest_api.extract.envelope import MISSING, Envelope
from analytics_assets.rest_api.http.client import HttpClient
from analytics_assets.rest_api.http.response import Response

MAX_GRAPHQL_ERRORS = 10  # a query has one for each row that it cannot return
TRANSIENT_STATUSES = (408, 425, 429)  # besides 5xx: a later request may succeed


def status_error(
    response: Response, *, where: str, paginator: config.PaginatorConfig, pages_read: int, client: HttpClient
) -> ResponseError:
    """The error for a status that is not 2xx, with the API's own reason.

    Args:
        response: The response.
        where: The request and the page, without query and secret.
        paginator: The paginator's configuration.
        pages_read: Pages that were read before.
        client: Masks secrets in the reason, and names the variables of its credentials.
    """
    status = response.status
    kind = UnavailableError if status in TRANSIENT_STATUSES or status >= 500 else ResponseError
    hint = status_hint(status, paginator=paginator, pages_read=pages_read, auth=client.auth)
    return kind(f"{where}: the API returned {_status_text(response, client)}. {hint}")


def action_error(response: Response, action: config.ResponseAction, *, where: str, client: HttpClient) -> ResponseError:
    """The error for a response whose action is `fail`, `retry` with no retry left, or `ignore` after the first page.

    Args:
        response: The response.
        action: The action that it matches.
        where: The request and the page, without query and secret.
        client: Masks secrets in the API's own reason.
    """
    problem = f"{where}: the API returned {_status_text(response, client)}"
    matched = " and ".join(
        f"{key} {value!r}" for key, value in action.model_dump(include={"status_code", "content"}).items() if value
    )
    if action.action == "fail":
        return ResponseError(f"{problem}. {action.message or f'`response_actions` fails the load for {matched}'}")
    if action.action == "retry":
        return UnavailableError(
            f"{problem}, after all retries for {matched} of `response_actions`. Run again later, raise `max_retries`, "
            "or correct the action"
        )
    return ResponseError(
        f"{problem}. `response_actions` ignores {matched} for the first page of a read only: later, rows would be "
        "missing"
    )


def _status_text(response: Response, client: HttpClient) -> str:
    """The status, and the API's own reason if it is a client error."""
    reason = client.error_reason(response) if 400 <= response.status < 500 else None
    return f"{response.status} ({reason})" if reason else str(response.status)


def status_hint(status: int, *, paginator: config.PaginatorConfig, pages_read: int, auth: Authenticator | None) -> str:
    """What to check for a status that remains after all retries."""
    if status == 404 and pages_read and isinstance(paginator, config.PageNumberConfig):
        return "If the API returns 404 past its last page, set `paginator.end_on_404: true`."
    if status == 404:
        return "Check `base_url` and `endpoint.path`."
    if status in (401, 403):
        return auth.rejection_hint(status) if auth else "The API needs credentials: describe them under `client.auth`."
    if status == 405:
        return "The API expects another method: set `endpoint.method`."
    if status == 429:
        return "The API's rate limit is still exceeded: lower `client.max_requests_per_second`, or raise `max_retries`."
    if status >= 500:
        return "The API itself failed: run again later."
    return "Check `endpoint.params`, the body, and the paginator's parameters."


def is_graphql(endpoint: config.Endpoint) -> bool:
    """Whether requests are GraphQL queries: they have a `query` in braces, or a path that ends in `graphql`."""
    if endpoint.path.rstrip("/").lower().endswith("graphql"):
        return True
    parts = (endpoint.json_, endpoint.data, endpoint.params)
    return any("{" in str(part.get("query", "")) for part in parts if isinstance(part, dict))


def check_graphql_errors(response: Response, client: HttpClient) -> None:
    """Reject a response with errors, even if it has data too: the rows that belong to the errors are missing.

    Args:
        response: The response, of a 2xx status.
        client: Masks secrets in the messages.

    Raises:
        ResponseError: There are errors; the message has their reasons.
    """
    errors = Envelope(response.body).find("errors")
    if errors is MISSING or not errors:
        return
    shown = errors[:MAX_GRAPHQL_ERRORS] if isinstance(errors, list) else errors
    reason = client.error_reason(replace(response, body=msgspec.json.encode({"errors": shown})))
    raise ResponseError(f"the response has GraphQL errors{f' ({reason})' if reason else ''}: correct the query")
