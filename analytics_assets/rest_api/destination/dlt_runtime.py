"""Keeps a load's use of dlt apart from other dlt pipelines of the same process."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dlt.common.configuration.container import Container
from dlt.common.configuration.specs import RuntimeConfiguration
from dlt.common.configuration.utils import get_resolved_traces
from dlt.common.pipeline import PipelineContext
from dlt.common.runtime.telemetry import start_telemetry

DLT_LOGGER = "dlt"
LOG_LEVEL_VARIABLE = "RUNTIME__LOG_LEVEL"


@contextmanager
def isolated_dlt() -> Iterator[None]:
    """A scope in which this thread uses dlt: quietly, and leaving dlt's active pipeline as it was.

    dlt's log records of the scope are discarded, since they quote SQL and values of rows; if the variable
    RUNTIME__LOG_LEVEL is set, they are logged. dlt sends no telemetry, and writes no file for it.
    """
    start_telemetry(RuntimeConfiguration(dlthub_telemetry=False))  # does nothing if dlt was used before
    context = Container()[PipelineContext]
    active = context.pipeline() if context.is_active() else None
    try:
        with _no_log_records():
            yield
    finally:
        # dlt clears these at the end of `Pipeline.run` only. They hold settings, and errors with their stack frames.
        get_resolved_traces().clear()
        context.deactivate()
        if active:
            context.activate(active)


@contextmanager
def _no_log_records() -> Iterator[None]:
    """Discard dlt's log records of this thread, and of the threads that dlt starts for it."""
    if LOG_LEVEL_VARIABLE in os.environ:
        yield
        return
    thread, logger = threading.get_ident(), logging.getLogger(DLT_LOGGER)
    pool = Container.thread_pool_prefix()

    def is_foreign(record: logging.LogRecord) -> bool:
        return record.thread != thread and not (record.threadName or "").startswith(pool)

    logger.addFilter(is_foreign)
    try:
        yield
    finally:
        logger.removeFilter(is_foreign)
