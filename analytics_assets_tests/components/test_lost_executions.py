"""Steps whose worker died are executed again by Celery, a limited number of times."""

import dagster as dg
import pytest
from dagster._core.execution.plan.objects import StepFailureData

from analytics_assets.components.runs.lost_executions import MAX_LOST_EXECUTIONS, check_lost_executions


def run_after_lost_executions(lost: int) -> dg.ExecuteInProcessResult:
    """Run an op whose run has starts of earlier executions in its history."""

    @dg.op
    def load(context: dg.OpExecutionContext) -> None:
        for _ in range(lost):
            start = dg.DagsterEvent(dg.DagsterEventType.STEP_START.value, "job", step_key="load")
            context.instance.report_dagster_event(start, context.run_id)
            other = dg.DagsterEvent(dg.DagsterEventType.STEP_START.value, "job", step_key="other")
            context.instance.report_dagster_event(other, context.run_id)
        check_lost_executions(context, "shop/orders")

    @dg.job
    def job() -> None:
        load()

    with dg.instance_for_test() as instance:
        return job.execute_in_process(instance=instance, raise_on_error=False)


@pytest.mark.parametrize("lost", range(MAX_LOST_EXECUTIONS + 1))
def test_step_is_executed_again_after_its_worker_died(lost: int) -> None:
    assert run_after_lost_executions(lost).success


def test_step_fails_after_too_many_workers_died() -> None:
    result = run_after_lost_executions(MAX_LOST_EXECUTIONS + 1)
    assert not result.success
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert isinstance(failure.event_specific_data, StepFailureData)
    assert failure.event_specific_data.error
    assert "shop/orders: 3 executions of this step ended without a result" in str(
        failure.event_specific_data.user_failure_data
    )


def test_retries_that_the_step_requested_are_not_lost_executions() -> None:
    @dg.op
    def load(context: dg.OpExecutionContext) -> None:
        check_lost_executions(context, "shop/orders")
        if context.retry_number < MAX_LOST_EXECUTIONS + 1:
            raise dg.RetryRequested(max_retries=9)

    @dg.job
    def job() -> None:
        load()

    with dg.instance_for_test() as instance:
        assert job.execute_in_process(instance=instance, raise_on_error=False).success
