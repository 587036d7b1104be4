"""A client that goes in the middle of anything leaves nothing behind: no table of the server knows it any more."""

from __future__ import annotations

import gc
import weakref
from time import perf_counter_ns

import pytest

from pyredis.core.client import CLIENT_CLOSED, Client
from pyredis.core.dispatch import run_batch
from tests.support.local import LocalServer

STATES: dict[str, list[str]] = {
    "idle": ["ping"],
    "subscribed": ["subscribe a b", "psubscribe a* b*", "ssubscribe s"],
    "subscribed twice": ["subscribe a a", "subscribe a"],
    "in a transaction": ["watch k l", "multi", "set k v", "nope"],
    "watching in two databases": ["watch k", "select 3", "watch k l", "watch k"],
    "waiting for lists": ["blpop k l m 0", "ping"],
    "waiting for sorted sets": ["select 5", "bzpopmin k l 0"],
    "waiting and subscribed": ["hello 3", "subscribe a", "watch k", "blmove k l left right 0", "set behind 1"],
    "monitor": ["monitor"],
    "paused": ["client pause 100000 write", "set k v", "set l v"],
    "silent": ["client reply off", "subscribe a", "get k"],
    "with a last reply": ["quit", "set behind 1"],
}


def pipeline(c: Client, lines: list[str]) -> None:
    run_batch(c, [line.encode().split(b" ") for line in lines], perf_counter_ns())


def tables(server: LocalServer) -> dict[str, object]:
    """Everything in which a client may be registered, by name."""
    found: dict[str, object] = {
        "clients": server.clients,
        "pending writes": server.pending_writes,
        "blocked": server.blocked_clients,
        "paused": server.paused_clients,
        "monitors": server.monitors,
        "channels": server.channels,
        "patterns": server.patterns,
        "shard channels": server.shard_channels,
        "ready keys": server.ready_keys,
    }
    for db in server.dbs:
        found[f"watched in {db.id}"] = db.watched_keys
        found[f"blocking in {db.id}"] = db.blocking_keys
    return found


@pytest.mark.parametrize("state", sorted(STATES))
def test_nothing_is_left(state: str) -> None:
    server = LocalServer()
    local = server.client()
    client = local.client
    pipeline(client, STATES[state])
    assert client.id in server.clients
    server.free_client(client)
    server.free_client(client)
    assert {name: table for name, table in tables(server).items() if table} == {}
    assert client.flags & CLIENT_CLOSED
    assert not client.pending
    assert not client.out
    assert all(not db.hooks for db in server.dbs)
    assert b"behind" not in server.dbs[0].dict
    gone = weakref.ref(local)
    del client, local
    gc.collect()
    assert gone() is None, gc.get_referrers(gone())


@pytest.mark.parametrize("state", sorted(STATES))
def test_the_others_stay(state: str) -> None:
    """Another client in the same state notices nothing but the room that was made."""
    server = LocalServer()
    leaver, stayer = server.client(), server.client()
    for one in (leaver, stayer):
        pipeline(one.client, STATES[state])
    before = {name: len(table) for name, table in tables(server).items() if isinstance(table, dict)}
    server.free_client(leaver.client)
    after = {name: len(table) for name, table in tables(server).items() if isinstance(table, dict)}
    assert stayer.client.id in server.clients
    for name in ("channels", "patterns", "shard channels"):
        assert after[name] == before[name]
    assert after["blocked"] == before["blocked"] // 2
    assert after["monitors"] == before["monitors"] // 2
    assert all(leaver.client not in clients for db in server.dbs for clients in db.watched_keys.values())
    server.free_client(stayer.client)
    assert {name: table for name, table in tables(server).items() if table} == {}


def test_a_push_serves_who_is_left() -> None:
    server = LocalServer()
    first, second, pusher = server.client(), server.client(), server.client()
    for one in (first, second):
        pipeline(one.client, ["blpop k 0"])
    server.free_client(first.client)
    pipeline(pusher.client, ["rpush k a b"])
    server.handle_ready_keys()
    assert b"".join(second.client.out).endswith(b"$1\r\na\r\n")
    assert second.client.blocked is None
    assert server.dbs[0].peek(b"k") is not None


def test_a_client_killed_while_it_is_written_to() -> None:
    """PUBLISH to a client that is closed meanwhile, and CLIENT KILL of all but the killer."""
    server = LocalServer()
    listeners = [server.client() for _ in range(5)]
    for one in listeners:
        pipeline(one.client, ["hello 3", "subscribe c"])
    killer = server.client()
    pipeline(killer.client, ["client kill type pubsub", "publish c x", "client list"])
    assert list(server.clients.values()) == [killer.client]
    assert not server.channels
