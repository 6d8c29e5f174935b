"""The client of an API: base URL, authentication, rate limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field, StrictBool

from analytics_assets.rest_api.config.auth import Auth
from analytics_assets.rest_api.config.paginators import PaginatorConfig
from analytics_assets.rest_api.config.parsing.model import Model, OneOrMany
from analytics_assets.rest_api.config.values import Headers, StrictPositiveInt, Url

Seconds = Annotated[float, Field(strict=True, gt=0, le=86_400)]


class Client(Model):
    """Base URL, authentication and rate limits."""

    base_url: Url
    """The URL that paths are appended to as they are: `/v2` and `/v1/users` give `/v2/v1/users`."""
    auth: Annotated[tuple[Auth, ...], OneOrMany()] = ()
    """Authentication, or a list of alternatives: the first whose variables are all set is used. None if left out."""
    headers: Headers = Field(default_factory=dict)
    """Headers of every request."""
    max_concurrency: Annotated[StrictPositiveInt, Field(le=64)] = 4
    """Requests that may run at the same time."""
    max_requests_per_second: Annotated[float, Field(strict=True, gt=0)] | None = None
    """Rate limit over all runs of the API, see [Operations](operations.md#rate-limits). No limit if left out."""
    connect_timeout: Seconds = 10.0
    """Seconds to wait for a connection."""
    read_timeout: Seconds = 60.0
    """Seconds to wait for data of a response."""
    max_page_bytes: StrictPositiveInt = 100_000_000
    """The largest response, decompressed. Memory must hold one for each parallel request."""
    allow_insecure_http: StrictBool = False
    """Whether credentials may be sent over plain `http` to another machine."""
    paginator: PaginatorConfig | None = None
    """The paginator of resources that name none, as in dlt."""

    unsupported: ClassVar[Mapping[str, str]] = {
        "session": "use the keys of `client`",
    }
