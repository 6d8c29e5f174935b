"""Outages of the database of Dagster's history: the step requests a retry, or the daemon retries the run."""

# Without `from __future__ import annotations`: Dagster evaluates the annotation of `context` itself.
import dagster as dg
import pytest
import sqlalchemy
from sqlalchemy.exc import OperationalError

from analytics_assets.components.assets import retry_run_after_outage
from analytics_assets.components.runs.failures import retry_after_outage
from analytics_assets.components.settings import Settings

SETTINGS = Settings(step_retries=2, step_retry_seconds=0)


def connect_to_nowhere() -> None:
    """Fail as Dagster's storage does: an error of its own, caused by SQLAlchemy's."""
    try:
        sqlalchemy.create_engine("postgresql+psycopg2://nobody@127.0.0.1:1/nothing").connect()
    except OperationalError as error:
        raise RuntimeError("too many retries for DB connection") from error


def test_step_is_retried_after_an_outage() -> None:
    attempts = []

    @dg.op
    def load(context: dg.OpExecutionContext) -> None:
        attempts.append(context.retry_number)
        try:
            if len(attempts) <= SETTINGS.step_retries:
                connect_to_nowhere()
        except RuntimeError as error:
            request = retry_after_outage(context, "shop/orders", error, SETTINGS)
            assert request
            raise request from request.__cause__

    @dg.job
    def job() -> None:
        load()

    assert job.execute_in_process(raise_on_error=False).success
    assert attempts == [0, 1, 2]


@pytest.mark.parametrize(
    ("fail", "tags"),
    [(connect_to_nowhere, {"dagster/retry_on_asset_or_op_failure": "true"}), (lambda: int("missing"), {})],
    ids=["outage", "other error"],
)
def test_daemon_retries_a_run_only_after_an_outage(fail: object, tags: dict[str, str]) -> None:
    @dg.op
    def load() -> None:
        assert callable(fail)
        fail()

    @dg.job(hooks={retry_run_after_outage})
    def job() -> None:
        load()

    with dg.instance_for_test() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
        run = instance.get_run_by_id(result.run_id)
    assert run
    assert {name: value for name, value in run.tags.items() if name in {"dagster/retry_on_asset_or_op_failure"}} == tags
