"""A notifier: one process publishes, another listens."""

from __future__ import annotations

import multiprocessing
import sys

import redis
from common import connect

CHANNEL = "example:news"
MESSAGES = ["first", "second", "third"]


def listen(options: dict[str, object], ready: object, heard: object) -> None:
    """Subscribe, say so, collect the messages."""
    client = redis.Redis(**options)  # type: ignore[arg-type]
    with client.pubsub() as pubsub:
        pubsub.subscribe(CHANNEL)
        messages: list[str] = []
        for message in pubsub.listen():
            if message["type"] == "subscribe":
                ready.set()  # type: ignore[attr-defined]
            else:
                messages.append(message["data"])
            if len(messages) == len(MESSAGES):
                heard.put(messages)  # type: ignore[attr-defined]
                return


if __name__ == "__main__":
    r = connect()
    kwargs = r.connection_pool.connection_kwargs
    options = {name: kwargs[name] for name in ("host", "port")} | {"decode_responses": True}
    context = multiprocessing.get_context("spawn")
    ready, heard = context.Event(), context.Queue()
    subscriber = context.Process(target=listen, args=(options, ready, heard))
    subscriber.start()
    assert ready.wait(20), "the subscriber did not start"
    for message in MESSAGES:
        assert r.publish(CHANNEL, message) == 1
    got = heard.get(timeout=20)
    subscriber.join(20)
    assert got == MESSAGES and subscriber.exitcode == 0
    print("heard:", ", ".join(got))
    sys.exit(0)
