"""Redis as Celery's broker: a step that is on its way to a worker that dies is not lost.

Kombu, Celery's library of brokers, takes a message from its queue by `BRPOP`, and the worker then records it as in
progress. If the worker's machine dies, Redis gives the next message to the dead connection, and nobody has it any more:
the run waits for this step forever. Here a script in Redis does both at once, so another worker gets the message after
the visibility timeout. A script cannot wait for a message, so workers ask for one regularly.
"""

from __future__ import annotations

import time
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis

POLL_SECONDS = 0.25  # between two requests of a worker, also after a message: idle workers take turns
# KEYS: messages in progress, their times of delivery, then the queues. ARGV: the time.
TAKE_MESSAGE = """
for position = 3, #KEYS do
    local message = redis.call('LINDEX', KEYS[position], -1)
    if message then
        local properties = cjson.decode(message)['properties']
        local info, tag = properties['delivery_info'], properties['delivery_tag']
        local origin = cjson.encode(info['exchange']) .. ',' .. cjson.encode(info['routing_key'])
        redis.call('HSET', KEYS[1], tag, '[' .. message .. ',' .. origin .. ']')
        redis.call('ZADD', KEYS[2], ARGV[1], tag)
        redis.call('RPOP', KEYS[position])
        return {KEYS[position], message}
    end
end
return false
"""


class Channel(redis.Channel):  # type: ignore[misc]
    """Takes messages by a script that records them as in progress.

    Attributes:
        without_acknowledgement: Queues whose messages are not recorded. While one is read, Kombu takes all messages.
        next_poll: When a message may be requested again.
    """

    next_poll = 0.0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.without_acknowledgement: set[str] = set()
        super().__init__(*arguments, **options)

    def basic_consume(self, queue: str, no_ack: bool = False, **options: Any) -> Any:
        if no_ack:  # replies to questions between workers, on the same channel as steps while a worker starts
            self.without_acknowledgement.add(queue)
        return super().basic_consume(queue, no_ack=no_ack, **options)

    def _brpop_start(self, timeout: float | None = None) -> None:
        if not self.without_acknowledgement.isdisjoint(self.active_queues):
            super()._brpop_start(timeout)
            return
        if (seconds := self.next_poll - time.monotonic()) > 0:
            if self.connection.has_event_loop:
                return  # it calls this method again
            time.sleep(seconds)
        queues = self._queue_cycle.consume(len(self.active_queues))
        if not queues:
            return
        names = [self._q_for_pri(queue, priority) for priority in self.priority_steps for queue in queues]
        keys = [f"{self.global_keyprefix}{key}" for key in (self.unacked_key, self.unacked_index_key, *names)]
        self._in_poll = self.client.connection
        self._brpop_sent_at = time.monotonic()
        self.next_poll = self._brpop_sent_at + POLL_SECONDS
        self.client.connection.send_command("EVAL", TAKE_MESSAGE, len(keys), *keys, time.time())


class Transport(redis.Transport):  # type: ignore[misc]
    """Kombu's transport with these channels."""

    Channel = Channel
    has_event_loop = False

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        super().register_with_event_loop(connection, loop)
        self.has_event_loop = True
        if timer := getattr(self.cycle, "poll_timer", None):
            timer.cancel()
        # Wakes the loop, which then calls `_brpop_start`.
        self.cycle.poll_timer = loop.call_repeatedly(POLL_SECONDS, lambda: None)


def register_transport() -> None:
    """Use this transport for broker URLs of Redis in this process."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:{Transport.__name__}"
