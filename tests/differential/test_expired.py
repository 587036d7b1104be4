"""Keys whose time has come but that nobody has removed yet, beside redis-server: replies, events, and what is left.

Active expiry is off on both servers, so that a key set with a deadline in the past stays until it is met.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.differential.test_notifications import EXTRA, SILENT, Listener
from tests.support.raw import RawClient
from tests.support.servers import ServerProcess, start_oracle, start_ours
from tests.support.templates import GROUPS, KEYS, POPULATE, build, normalise
from tests.support.waiting import wait_until

EXPIRED = ["set K V exat 1", "set K V pxat 1000", "set a V exat 1", "set K V exat 1 get"]
VARIABLE = {b"scan", b"object", b"pttl", b"sort", b"sort_ro"}
"""Replies that are not compared: in any order, or of time (their events are compared)."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    """Ours and redis-server, without active expiry."""
    debug = ("--enable-debug-command", "yes")
    ours = start_ours(tmp_path_factory.mktemp("ours"), *debug)
    theirs = start_oracle(tmp_path_factory.mktemp("oracle"), *debug)
    for one in (ours, theirs):
        client = RawClient(one.connect())
        assert client.call("DEBUG", "SET-ACTIVE-EXPIRE", "0") == b"+OK\r\n"
        client.close()
    yield ours, theirs
    ours.stop()
    theirs.stop()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("group", sorted(GROUPS))
def test_generated(pair: tuple[ServerProcess, ServerProcess], group: str, seed: int) -> None:
    rng = random.Random(f"expired {group} {seed}")
    ours, theirs = (Listener(one, 2 + seed % 2) for one in pair)
    templates = [t for t in GROUPS[group] + EXTRA[group] if t.split()[0] not in (*SILENT, "randomkey")]
    history: list[list[bytes]] = []
    try:
        for listener in (ours, theirs):
            listener.call([b"FLUSHALL"])
        for _ in range(4):
            commands = [line.encode().split() for line in POPULATE]
            for _ in range(30):
                commands += [build(rng, rng.choice(EXPIRED)) for _ in range(rng.randint(0, 3))]
                commands += [build(rng, rng.choice(templates)) for _ in range(2)]
                commands.append([b"dbsize"])
            for argv in commands:
                history.append(argv)
                mine, my_events = ours.call(argv)
                other, other_events = theirs.call(argv)
                if argv[0].startswith((b"sort", b"scan")):
                    my_events, other_events = sorted(my_events), sorted(other_events)
                assert my_events == other_events, f"{argv}: ours {my_events!r}, redis {other_events!r}; {history[-12:]}"
                if argv[0] not in VARIABLE:
                    same = normalise(argv, mine) == normalise(argv, other)
                    assert same, f"{argv}: ours {mine!r}, redis {other!r}; before: {history[-12:]}"
            ours.call([b"discard"])
            theirs.call([b"discard"])
    finally:
        ours.close()
        theirs.close()


SCRIPTS = {
    "random key": ["set k v", "set a v exat 1", "randomkey"],
    "only expired keys": ["set a v exat 1", "set b v exat 1", "randomkey", "dbsize"],
    "keys": ["set a v exat 1", "keys *", "keys a", "dbsize", "exists a", "dbsize"],
    "scan": ["set a v exat 1", "scan 0 count 100", "dbsize", "set b v exat 1", "scan 0 type list count 10", "dbsize"],
    "watched": ["set a v exat 1", "watch a", "get a", "multi", "ping", "exec"],
    "watched and made": ["set a v exat 1", "watch a", "set a w", "multi", "ping", "exec"],
    "watched before": ["set a v", "watch a", "set a v exat 1", "multi", "ping", "exec"],
    "watched and gone": ["set a v exat 1", "watch a", "multi", "get a", "exec", "exists a"],
    "in a transaction": ["set a v exat 1", "multi", "get a", "incr a", "ttl a", "exec"],
    "statistics": ["config resetstat", "set a v exat 1", "get a", "set b v exat 1", "del b", "info expired"],
    "renamed": ["set a v exat 1", "rename a b", "set a w", "set b v exat 1", "renamenx a b", "get b"],
    "copied": ["set a v exat 1", "copy a b", "set b v exat 1", "set a w", "copy a b", "ttl b"],
    "moved": ["set a v exat 1", "move a 1", "set a v", "select 1", "set a v exat 1", "select 0", "move a 1", "dbsize"],
    "swapped": ["set a v exat 1", "swapdb 0 1", "dbsize", "select 1", "dbsize", "get a", "dbsize"],
    "flushed": ["set a v exat 1", "watch a", "flushall", "multi", "exec"],
    "persisted": ["set a v exat 1", "persist a", "expire a 10", "dbsize"],
    "blocked": ["set a v exat 1", "blpop a 0.01", "lpush a x", "lrange a 0 -1"],
}


def run(server: ServerProcess, script: list[str]) -> list[bytes]:
    """The replies; ``info expired`` stands for how many keys have expired."""
    client = RawClient(server.connect())
    client.call("FLUSHALL")
    replies = []
    for line in script:
        if line == "info expired":
            replies += [x for x in client.call("INFO", "stats").split(b"\r\n") if x.startswith(b"expired_keys")]
        else:
            replies.append(client.call(*line.split()))
    client.close()
    return replies


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_script(pair: tuple[ServerProcess, ServerProcess], name: str) -> None:
    assert run(pair[0], SCRIPTS[name]) == run(pair[1], SCRIPTS[name])


def test_kept_while_clients_are_paused(pair: tuple[ServerProcess, ServerProcess]) -> None:
    """CLIENT PAUSE holds the data as they are; who reads gets to see that the key's time has come all the same."""
    answers = []
    for one in pair:
        client, other = RawClient(one.connect()), RawClient(one.connect())
        client.call("FLUSHALL")
        for key in KEYS[:3]:
            client.call("SET", key, "v", "EXAT", "1")
        client.call("CLIENT", "PAUSE", "100000", "WRITE")
        reads = [
            "get a",
            "exists a",
            "mget a b",
            "strlen a",
            "ttl a",
            "type a",
            "keys *",
            "dbsize",
            "scan 0",
        ]
        answers.append([other.call(*line.split()) for line in reads])
        client.call("CLIENT", "UNPAUSE")
        answers[-1] += [other.call("GET", "a"), other.call("DBSIZE")]
        client.close()
        other.close()
    assert answers[0] == answers[1]


def test_ten_thousand_go_by_themselves(server: ServerProcess) -> None:
    client = RawClient(server.connect())
    client.call("CONFIG", "RESETSTAT")
    client.pipeline([[b"SET", b"k%d" % i, b"v", b"PX", b"%d" % (1 + i % 50)] for i in range(10_000)])
    client.call("SET", "stays", "v")
    client.call("SET", "later", "v", "PX", "1000000")
    wait_until(lambda: client.call("DBSIZE") == b":2\r\n")
    assert b"expired_keys:10000\r\n" in client.call("INFO", "stats")
    client.close()
