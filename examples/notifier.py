"""A notifier: one process publishes, another listens."""

from __future__ import annotations

import multiprocessing
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event

from common import connect

CHANNEL = "example:news"
MESSAGES = ["first", "second", "third"]


def listen(ready: Event, heard: Queue[list[str]]) -> None:
    """Subscribe, say so, collect the messages."""
    with connect().pubsub() as pubsub:
        pubsub.subscribe(CHANNEL)
        messages: list[str] = []
        for message in pubsub.listen():
            if message["type"] == "subscribe":
                ready.set()
            else:
                messages.append(message["data"])
            if len(messages) == len(MESSAGES):
                heard.put(messages)
                return


if __name__ == "__main__":
    r = connect()
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    heard: Queue[list[str]] = context.Queue()
    subscriber = context.Process(target=listen, args=(ready, heard))
    subscriber.start()
    assert ready.wait(20), "the subscriber did not start"
    for message in MESSAGES:
        assert r.publish(CHANNEL, message) == 1
    got = heard.get(timeout=20)
    subscriber.join(20)
    assert got == MESSAGES and subscriber.exitcode == 0
    print("heard:", ", ".join(got))
