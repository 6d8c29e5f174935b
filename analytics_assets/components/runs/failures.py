"""Failures of a step: one line for the log, and a retry where it may help.

Three layers retry, each for another reason:

- The HTTP client repeats a request (`error_handler` in the YAML).
- A step is retried if the API, the warehouse or the database of Dagster's history stayed unavailable for longer than
  that.
- Dagster's daemon starts a run again if its process died (`run_retries` in dagster.yaml).

Retried steps and runs continue with the partitions of a range that are not loaded yet. Steps request their retries
themselves: a `retry_policy` would also retry a step that a person terminates.
"""

from __future__ import annotations

import logging
import random

import dagster as dg
from dagster._core.execution.plan.objects import StepFailureData, StepRetryData
from sqlalchemy.exc import DBAPIError

from analytics_assets.components.settings import Settings
from analytics_assets.rest_api.errors import BusyError, RestApiError, UnavailableError

MAX_DELAY_SECONDS = 3_600  # one hour


def step_failure(
    context: dg.OpExecutionContext, asset: str, error: RestApiError, settings: Settings
) -> dg.Failure | dg.RetryRequested:
    """The exception to raise for an error: a retry if it may help and is left, else a failure.

    The error is logged as one line, and the step's event shows it without a stack trace.
    """
    message, retry = f"{asset}: {error}", context.retry_number + 1
    context.log.addFilter(_without_stack_trace)
    failure = dg.Failure(description=message)
    if retry > settings.step_retries or not isinstance(error, (UnavailableError, BusyError)):
        context.log.error(message)
        return failure
    seconds = retry_delay(retry, settings.step_retry_seconds)
    context.log.warning(
        f"{message.removesuffix('.')}. Retry {retry} of {settings.step_retries} of the step in {seconds:.0f} s"
    )
    request = dg.RetryRequested(max_retries=settings.step_retries, seconds_to_wait=seconds)
    request.__cause__ = failure
    return request


def retry_after_outage(
    context: dg.OpExecutionContext, asset: str, error: Exception, settings: Settings
) -> dg.RetryRequested | None:
    """The retry after the database of Dagster's history was unavailable; None for other errors."""
    if isinstance(error, (dg.Failure, dg.RetryRequested)) or not is_database_error(error):
        return None
    request = dg.RetryRequested(
        max_retries=settings.step_retries,
        seconds_to_wait=retry_delay(context.retry_number + 1, settings.step_retry_seconds),
    )
    request.__cause__ = dg.Failure(
        f"{asset}: the database of Dagster's history was not reached ({type(error).__name__})"
    )
    return request


def is_database_error(error: BaseException | None) -> bool:
    """Whether an error, or the cause of it, is one of the database that Dagster uses by SQLAlchemy."""
    while error is not None and not isinstance(error, DBAPIError):
        error = error.__cause__
    return error is not None


def retry_delay(retry: int, first_seconds: int) -> float:
    """Seconds before a retry: doubled each time, and up to a quarter less by chance.

    Without the random part, steps that fail together would be retried together.
    """
    return min(first_seconds * 2.0 ** (retry - 1), MAX_DELAY_SECONDS) * random.uniform(0.75, 1.0)  # noqa: S311


def _without_stack_trace(record: logging.LogRecord) -> bool:
    """Remove the stack trace of a step's failure: it shows Dagster's code and this package's, not the cause."""
    event: dg.DagsterEvent | None = getattr(record, "dagster_event", None)
    data = event.event_specific_data if event else None
    if event and isinstance(data, (StepFailureData, StepRetryData)) and data.error:
        error = data.error.cause or data.error if isinstance(data, StepRetryData) else data.error
        data = data._replace(error=error.to_exception_message_only())
        record.dagster_event = event._replace(event_specific_data=data)
    return True
