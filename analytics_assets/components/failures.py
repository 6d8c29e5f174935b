"""Failures: how an error of a load reaches the person who has to mend it."""

from __future__ import annotations

import logging

import dagster as dg
from dagster._core.execution.plan.objects import StepFailureData, StepRetryData

from analytics_assets.components.retries import Retries
from analytics_assets.rest_api.errors import BusyError, RestApiError, UnavailableError


def step_failure(
    context: dg.AssetExecutionContext, key: dg.AssetKey, error: RestApiError, retries: Retries
) -> dg.Failure | dg.RetryRequested:
    """What to raise: it is logged as one line, and its event shows the message without a stack trace.

    The step is tried again only where that may help: what was configured wrong, refused or unreadable stays so.
    """
    message, attempt = f"{key.to_user_string()}: {error}", context.retry_number + 1
    context.log.addFilter(_without_stack)
    failure = dg.Failure(description=message)
    if attempt > retries.max_retries or not isinstance(error, (UnavailableError, BusyError)):
        context.log.error(message)
        return failure
    seconds = retries.seconds_before(attempt)
    context.log.warning(f"{message} Trying again in {seconds:.0f} s: retry {attempt} of {retries.max_retries}")
    again = dg.RetryRequested(max_retries=retries.max_retries, seconds_to_wait=seconds)
    again.__cause__ = failure
    return again


def _without_stack(record: logging.LogRecord) -> bool:
    """Takes the trace off a step's failure: it leads through Dagster's code to this file, and says nothing more."""
    event: dg.DagsterEvent | None = getattr(record, "dagster_event", None)
    data = event.event_specific_data if event else None
    if event and isinstance(data, (StepFailureData, StepRetryData)) and data.error:
        told = data.error.cause or data.error if isinstance(data, StepRetryData) else data.error
        data = data._replace(error=told.to_exception_message_only())
        record.dagster_event = event._replace(event_specific_data=data)
    return True
