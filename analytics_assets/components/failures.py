"""Failures: how an error of a load reaches the person who has to mend it."""

from __future__ import annotations

import logging

import dagster as dg
from dagster._core.execution.plan.objects import StepFailureData

from analytics_assets.rest_api.errors import RestApiError


def step_failure(context: dg.AssetExecutionContext, key: dg.AssetKey, error: RestApiError) -> dg.Failure:
    """The failure to raise: it is logged as one line, and its event shows the message without a stack trace."""
    message = f"{key.to_user_string()}: {error}"
    context.log.error(message)
    context.log.addFilter(_without_stack)
    return dg.Failure(description=message)


def _without_stack(record: logging.LogRecord) -> bool:
    """Takes the trace off a step's failure: it leads through Dagster's code to this file, and says nothing more."""
    event: dg.DagsterEvent | None = getattr(record, "dagster_event", None)
    data = event.event_specific_data if event else None
    if event and isinstance(data, StepFailureData) and data.error:
        data = data._replace(error=data.error.to_exception_message_only())
        record.dagster_event = event._replace(event_specific_data=data)
    return True
