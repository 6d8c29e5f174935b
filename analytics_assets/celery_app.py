"""The app of Celery workers: another worker executes the steps of a worker that dies.

Start a worker with `dagster-celery worker start -A analytics_assets.celery_app`.
"""

from __future__ import annotations

import os
import time
from typing import Any

from celery import bootsteps
from celery.utils.log import get_logger
from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_task
from kombu.transport.redis import QoS

from analytics_assets.celery_redis import register_transport
from analytics_assets.components.settings import Settings

WORKER_TIMEOUT_SECONDS = Settings.from_environ(os.environ).worker_timeout_seconds
RENEWALS_PER_TIMEOUT = 4
SECONDS_BETWEEN_SEARCHES = min(10, WORKER_TIMEOUT_SECONDS)


class UnackedRenewal(bootsteps.StartStopStep):  # type: ignore[misc]
    """Tells Redis regularly that the worker still executes its steps.

    Redis gives a step to another worker `visibility_timeout` after its delivery, also if its worker is alive. With the
    renewal the time counts from the last sign of life, so it can be short although steps take hours. Other brokers
    notice a dead worker by its connection.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)
    timer: Any = None

    def start(self, consumer: Any) -> None:
        qos = consumer.task_consumer.channel.qos
        if isinstance(qos, QoS):
            self.timer = consumer.timer.call_repeatedly(WORKER_TIMEOUT_SECONDS / RENEWALS_PER_TIMEOUT, renew, (qos,))

    def stop(self, consumer: Any) -> None:  # noqa: ARG002
        if self.timer:
            self.timer.cancel()


def renew(qos: Any) -> None:
    """Set the delivery time of the steps that this worker has in progress to now."""
    try:
        if tags := list(qos._delivered):
            with qos.channel.conn_or_acquire() as client:
                client.zadd(qos.unacked_index_key, dict.fromkeys(tags, time.time()), xx=True)
    except qos.channel.connection_errors as error:
        get_logger(__name__).warning("Redis was not reached, the next renewal follows: %s", error)


register_transport()
app = make_app()  # type: ignore[no-untyped-call]
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,  # of a step whose process died while the worker lives
    worker_deduplicate_successful_tasks=True,
    broker_transport_options={
        **app.conf.broker_transport_options,
        "visibility_timeout": WORKER_TIMEOUT_SECONDS,
        "unacked_restore_interval": SECONDS_BETWEEN_SEARCHES,
        "unacked_restore_throttle": 1,
        "unacked_mutex_expire": SECONDS_BETWEEN_SEARCHES,  # of a worker that dies while it puts steps back
    },
)
app.steps["consumer"].add(UnackedRenewal)
execute_plan = create_task(app)  # type: ignore[no-untyped-call]
