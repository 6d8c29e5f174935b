"""The helpdesk, as docs/helpdesk.md describes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analytics_assets.sandbox.api import Api, Row
from analytics_assets.sandbox.filters import TimeFilter
from analytics_assets.sandbox.helpdesk import data
from analytics_assets.sandbox.helpdesk.endpoints import (
    CsvEndpoint,
    GraphQLEndpoint,
    LimitedEndpoint,
    RateLimit,
    SearchEndpoint,
)
from analytics_assets.sandbox.login import Login
from analytics_assets.sandbox.pagination import CursorPagination, OffsetPagination

REQUESTS, SECONDS = 500, 10  # the rate limit


def helpdesk() -> Api:
    """A login with refresh tokens; tickets and their comments, articles, agents, queues by region, ratings."""
    login = Login(email="sandbox@example.com", password="sandbox-password")  # noqa: S106
    return Api("helpdesk", list(_endpoints(RateLimit(REQUESTS, SECONDS))), auth=login)


def _endpoints(rate_limit: RateLimit) -> Iterator[LimitedEndpoint]:
    def resource(path: str, rows: Sequence[Row], updated: TimeFilter | None = None) -> LimitedEndpoint:
        return LimitedEndpoint(path, rows, OffsetPagination(max_limit=20), updated=updated, rate_limit=rate_limit)

    updated = TimeFilter("updated_at", {"updated_from": "{start}", "updated_to": "{end}"})
    tickets = data.tickets()
    yield resource("/v1/tickets", tickets, updated)
    for ticket in tickets:
        if ticket["id"] != data.DELETED_TICKET:
            yield resource(f"/v1/tickets/{ticket['id']}/comments", data.comments(ticket["id"]))
    for region in data.REGIONS:
        yield resource(f"/v1/regions/{region}/queues", data.queues(region))
    yield SearchEndpoint(
        "/v1/articles/search",
        data.articles(),
        OffsetPagination(offset_param="page.offset", limit_param="page.limit", max_limit=30),
        filter_field="status",
        rate_limit=rate_limit,
    )
    yield GraphQLEndpoint(
        "/graphql",
        data.agents(),
        CursorPagination(cursor_param="variables.after", limit_param="variables.first", cursor_path="endCursor"),
        rate_limit=rate_limit,
    )
    ratings = data.ratings()
    whole = OffsetPagination(default_limit=len(ratings))
    yield CsvEndpoint("/v1/ratings.csv", ratings, whole, rate_limit=rate_limit)
