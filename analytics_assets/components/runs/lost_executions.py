"""Executions of a step whose Celery worker died. Their number is limited: the step itself may crash its workers."""

from __future__ import annotations

import dagster as dg

MAX_LOST_EXECUTIONS = 2
STARTS = {dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_RESTARTED}


def check_lost_executions(context: dg.OpExecutionContext, asset: str) -> None:
    """Fail a step that has been lost several times.

    Raises:
        dagster.Failure: The workers of more than MAX_LOST_EXECUTIONS executions died.
    """
    step_key = context.get_step_execution_context().step.key
    lost = count_lost_executions(context.instance, context.run_id, step_key, retries=context.retry_number)
    if lost > MAX_LOST_EXECUTIONS:
        raise dg.Failure(
            f"{asset}: {lost} executions of this step ended without a result, because their workers died. The step may "
            "need more memory than a worker has: check that, then execute the run again from failure",
            allow_retries=False,
        )
    if lost:
        context.log.warning(
            f"{asset}: the worker of an earlier execution of this step died. Partitions that it loaded are not loaded "
            "again"
        )


def count_lost_executions(instance: dg.DagsterInstance, run_id: str, step_key: str, *, retries: int) -> int:
    """How often a step of a run was started although no earlier execution had requested a retry.

    Args:
        instance: Dagster's history.
        run_id: The run.
        step_key: The step, which is executing.
        retries: The retries that the step requested.
    """
    entries = instance.all_logs(run_id, of_type=STARTS)
    return sum(entry.step_key == step_key for entry in entries) - 1 - retries
