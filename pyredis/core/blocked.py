"""Blocking commands: a record per waiting client, served when a key is ready, in the order of arrival.

A blocking command that finds nothing calls :func:`block_for_keys` and returns None; when one of its keys changed it is
simply run again. It never leaves anything behind: time-out, CLIENT UNBLOCK and a lost connection all go through
:func:`unblock_client`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pyredis.core.client import CLIENT_BLOCKED, BlockedState, Client
from pyredis.core.dispatch import call_blocked, end_reply_skip, error_reply, refresh_fast
from pyredis.keyspace.state import HOOK_BLOCKING

if TYPE_CHECKING:
    from pyredis.core.server import Server
    from pyredis.keyspace.db import Database

BLOCKED_LIST: Final = 1
BLOCKED_ZSET: Final = 2
BLOCKED_STREAM: Final = 3
BLOCKED_WAIT: Final = 4
BLOCKED_WAITAOF: Final = 5
BLOCKED_SHUTDOWN: Final = 6
BLOCKED_MIGRATE: Final = 7
BLOCKED_SAVE: Final = 8
"""A sentinel's client, until the sentinel's state is saved."""
BLOCKED_SCRIPT: Final = 9
"""A client whose script takes long, until it has ended."""
_FOR_EVER: Final = 1e9
"""Seconds (30 years) from which on no timer is set."""


def block_for_keys(
    c: Client, kind: int, keys: list[bytes], timeout: float, argv: list[bytes], on_timeout: bytes
) -> None:
    """Park the client until one of ``keys`` holds a value of ``kind``.

    ``timeout`` is in seconds, 0 = for ever; ``on_timeout`` is the reply then. A command that is run again and finds
    nothing keeps its place in the queues and its deadline.
    """
    if c.blocked is not None:
        return
    server = c.server
    state = BlockedState(kind, c.db, list(dict.fromkeys(keys)), 0.0)
    state.argv, state.command, state.on_timeout = argv, c.last_cmd, on_timeout
    c.blocked = state
    for key in state.keys:
        queue = c.db.blocking_keys.get(key)
        if queue is None:
            queue = c.db.blocking_keys[key] = {}
        queue[c] = None
    c.db.set_hook(HOOK_BLOCKING, True)
    c.flags |= CLIENT_BLOCKED
    server.blocked_clients[c] = None
    if 0 < timeout < _FOR_EVER and server.loop is not None:
        state.deadline = server.loop.time() + timeout
        state.timer = server.loop.call_at(state.deadline, _on_timeout, c)
    refresh_fast(c)


def look_again_in(c: Client, ms: int) -> None:
    """Run the command of a waiting client again in ``ms`` milliseconds, even if none of its keys has changed then."""
    state = c.blocked
    if state is not None and c.server.loop is not None and ms / 1000 < _FOR_EVER:
        if state.alarm is not None:
            state.alarm.cancel()
        state.alarm = c.server.loop.call_later(ms / 1000, _on_alarm, c)


def _on_alarm(c: Client) -> None:
    state, server = c.blocked, c.server
    if state is not None:
        server.update_time()
        for key in state.keys:
            signal_key_as_ready(state.db, key)
        server.after_event()


def shift_waits(server: Server, seconds: float) -> None:
    """Time has jumped by ``seconds``: those who wait with a time-out wait that much less."""
    loop = server.loop
    if loop is None:
        return
    for c in list(server.blocked_clients):
        state = c.blocked
        if state is None:
            continue
        if state.timer is not None:
            state.timer.cancel()
            state.deadline -= seconds
            state.timer = loop.call_at(state.deadline, _on_timeout, c)
        if state.alarm is not None and not state.alarm.cancelled():
            due = state.alarm.when() - seconds
            state.alarm.cancel()
            state.alarm = loop.call_at(due, _on_alarm, c)


def keys_to_try(c: Client, keys: list[bytes]) -> list[bytes]:
    """The keys that a blocking command looks at: all of its own, but only the ready one when it is run again."""
    if c.blocked is not None and c.blocked.ready is not None:
        return [c.blocked.ready]
    return keys


def unblock_client(c: Client) -> None:
    """Take the client out of every queue. Sends nothing and does not resume the commands that wait."""
    state = c.blocked
    if state is None:
        return
    c.blocked = None
    if state.timer is not None:
        state.timer.cancel()
    if state.alarm is not None:
        state.alarm.cancel()
    blocking = state.db.blocking_keys
    for key in state.keys:
        queue = blocking.get(key)
        if queue is not None:
            queue.pop(c, None)
            if not queue:
                del blocking[key]
    state.db.set_hook(HOOK_BLOCKING, bool(blocking))
    c.flags &= ~CLIENT_BLOCKED
    c.server.blocked_clients.pop(c, None)
    refresh_fast(c)


def _on_timeout(c: Client) -> None:
    if c.blocked is not None:
        c.server.update_time()
        end_wait(c, c.blocked.on_timeout)


def end_wait(c: Client, reply: bytes) -> None:
    """Unblock with a reply: the command's own, the one for having waited too long, or CLIENT UNBLOCK's."""
    unblock_client(c)
    c.add_reply(reply)
    end_reply_skip(c)
    c.server.resume(c)


def signal_key_as_ready(db: Database, key: bytes) -> None:
    """Hook of the keyspace: a key that somebody waits for was changed."""
    db.ks.ready_keys[(db.id, key)] = None  # type: ignore[attr-defined]  # the keyspace state is the server


def _kind_of(server: Server, value: Any) -> int:
    return server.blocking_kinds.get(type(value), 0)


def handle_clients_blocked_on_keys(server: Server) -> None:
    """Serve the clients whose keys became ready. Serving may make other keys ready (BLMOVE): goes on until none is."""
    if server.serving_blocked:
        return
    server.serving_blocked = True
    try:
        while server.ready_keys:
            ready, server.ready_keys = server.ready_keys, {}
            for number, key in ready:
                _serve_key(server, server.dbs[number], key)
    finally:
        server.serving_blocked = False


def _serve_key(server: Server, db: Database, key: bytes) -> None:
    queue: dict[Client, None] | None = db.blocking_keys.get(key)
    if not queue:
        return
    for waiter in list(queue):
        value = db.peek(key)
        state = waiter.blocked
        if state is None:
            continue
        if value is not None and state.kind == _kind_of(server, value):
            state.ready = key
            call_blocked(waiter)
            state.ready = None
        elif state.on_gone:
            end_wait(waiter, error_reply(server, state.on_gone))
