"""Responses that are not pages: which are retried and after how long, which have no rows, which fail the load."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictBool, model_validator
from typing_extensions import Self

from analytics_assets.rest_api.config.parsing.model import Model
from analytics_assets.rest_api.config.parsing.validation import validation_error
from analytics_assets.rest_api.config.values import HeaderName, Name


class ResponseAction(Model):
    """What a response means, by its status, by text in its body, or by both. The first action that matches applies."""

    status_code: Annotated[int, Field(strict=True, ge=200, le=599)] | None = None
    """The status; by default any."""
    content: Name | None = None
    """Text in the first megabyte of the body, case-sensitive; by default any body."""
    action: Literal["ignore", "retry", "fail"]
    """`ignore`: the read has no rows, allowed for its first page. `retry`: sent again, up to `max_retries` times.
    `fail`: the load fails at once."""
    message: Name | None = None
    """What the error of `fail` says."""

    @model_validator(mode="after")
    def _validate_matches(self) -> Self:
        if self.status_code is None and self.content is None:
            raise ValueError("must have `status_code`, `content` or both: otherwise it matches every response")
        if self.status_code == 200 and self.content is None:
            raise validation_error((("status_code",), "200 needs `content`: otherwise it matches every page"))
        if self.message is not None and self.action != "fail":
            raise validation_error((("message",), "is for `action: fail` only"))
        return self


class Backoff(Model):
    """A header that says how long to wait before a retry, for APIs that send no `Retry-After`."""

    wait_header: HeaderName
    """The header's name. It is read on status 429, and on responses that a `retry` of `response_actions` matches."""
    format: Literal["seconds", "epoch_s", "iso8601"]
    """Its value: `seconds` from now, or the time when requests are allowed again."""


class ErrorHandler(Model):
    """Which responses are retried and how, and which have no rows or fail the load."""

    retry_on_status_codes: frozenset[Annotated[int, Field(strict=True, ge=400, le=599)]] = frozenset(
        {429, 500, 502, 503, 504}
    )
    """Statuses that are retried. Connection errors and timeouts are always retried."""
    response_actions: tuple[ResponseAction, ...] = ()
    """What responses mean, by status or text in the body. They come before `retry_on_status_codes`."""
    max_retries: Annotated[int, Field(strict=True, ge=0, le=50)] = 3
    """Retries of one request."""
    backoff_factor: Annotated[float, Field(strict=True, ge=0, le=3600)] = 2.0
    """Longest wait before the first retry, in seconds; doubled for each further one. The shortest is half of it."""
    backoff: Backoff | None = None
    """A header in place of `Retry-After`."""
    max_retry_after: Annotated[float, Field(strict=True, ge=0, le=86_400)] = 300.0
    """Longest wait, in seconds, that a header may ask for."""
    respect_rate_limit_headers: StrictBool = True
    """Whether requests wait for the reset once a rate-limit header says that the quota is used up."""
