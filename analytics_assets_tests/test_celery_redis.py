"""Messages between Redis and a Celery worker that dies."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Consumer, Queue
from kombu.asynchronous import Hub
from redis import Redis

from analytics_assets.celery_redis import Transport, register_transport
from analytics_assets_tests.support.requirements import free_port, require_or_skip

QUEUE = Queue("dagster", routing_key="dagster.#", queue_arguments={"x-max-priority": 10})
OPTIONS = {"visibility_timeout": 1, "unacked_restore_interval": 1, "unacked_restore_throttle": 1}


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    program = shutil.which("redis-server")
    require_or_skip(program is not None, "redis-server")
    folder: Path = tmp_path_factory.mktemp("redis")
    port = free_port()
    with (folder / "redis.log").open("ab") as log:
        server = subprocess.Popen(
            [str(program), "--port", str(port), "--save", "", "--dir", str(folder)], stdout=log, stderr=log
        )
    try:
        client = Redis(port=port)
        wait_until(lambda: is_ready(client))
        yield client
    finally:
        server.kill()
        server.wait()


def is_ready(client: Redis) -> bool:
    with contextlib.suppress(ConnectionError, OSError):
        return bool(client.ping())
    return False


def wait_until(condition: Any) -> None:
    ends = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


@pytest.fixture
def url(redis: Redis) -> str:
    redis.flushall()
    register_transport()
    return f"redis://localhost:{redis.connection_pool.connection_kwargs['port']}/0"


def publish(url: str, *bodies: str, priority: int = 5) -> None:
    with Connection(url) as connection, connection.Producer() as producer:
        for body in bodies:
            producer.publish(body, declare=[QUEUE], exchange=QUEUE.exchange, routing_key="dagster", priority=priority)


def receive(url: str, count: int, *, acknowledge: bool = True, event_loop: bool = True) -> list[str]:
    """The next messages, by a connection of its own, with or without an event loop as in workers."""
    received: list[str] = []
    with (
        Connection(url, transport_options=OPTIONS) as connection,
        Consumer(connection, [QUEUE], no_ack=not acknowledge) as consumer,
    ):

        def store(body: str, message: Any) -> None:
            received.append(body)
            if acknowledge:
                message.ack()

        consumer.register_callback(store)
        hub = Hub()
        loop = hub.create_loop()
        if event_loop:
            connection.register_with_event_loop(hub)
        wait_until(lambda: len(received) == count or (next(loop) if event_loop else connection.drain_events(timeout=9)))
        hub.close()
    return received


def test_message_that_was_on_its_way_to_a_worker_that_died_is_delivered_again(redis: Redis, url: str) -> None:
    publish(url, "step")
    with Connection(url, transport_options=OPTIONS) as dying:
        with Consumer(dying, [Queue("replies")], no_ack=True):  # as each worker that starts
            pass
        consumer = Consumer(dying, [QUEUE])
        consumer.consume()
        assert isinstance(dying.transport, Transport)
        dying.transport.cycle.on_poll_start()  # requests a message
        wait_until(lambda: not any(redis.llen(key) for key in redis.keys("dagster*")))
        consumer.channel.client.connection.disconnect()  # and never reads the response
        consumer.channel._in_poll = None
        assert receive(url, 1) == ["step"]
    assert redis.keys("unacked*") == []


@pytest.mark.parametrize("event_loop", [True, False])
@pytest.mark.parametrize("prefix", ["", "analytics."])
def test_acknowledged_messages_are_delivered_once_in_the_order_of_their_priority(
    redis: Redis, url: str, monkeypatch: pytest.MonkeyPatch, prefix: str, event_loop: bool
) -> None:
    monkeypatch.setattr(Transport.Channel, "global_keyprefix", prefix)
    publish(url, "second", "third", priority=5)
    publish(url, "first", priority=0)  # the highest one
    assert receive(url, 3, event_loop=event_loop) == ["first", "second", "third"]
    assert redis.keys(f"{prefix}unacked*") == redis.keys(f"{prefix}dagster*") == []


def test_message_that_needs_no_acknowledgement_is_not_delivered_again(redis: Redis, url: str) -> None:
    publish(url, "reply")
    assert receive(url, 1, acknowledge=False) == ["reply"]
    assert redis.keys("unacked*") == []
