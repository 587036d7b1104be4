"""Keyspace notifications of generated commands: the same events in the same order as redis-server's, each command's
before the next one's."""

from __future__ import annotations

import random

import pytest

from tests.support.raw import RawClient
from tests.support.servers import ServerProcess
from tests.support.templates import GROUPS, POPULATE, build

EXTRA = {
    "string": [
        "getex K exat 1",
        "getex K pxat 99999999999999",
        "set K V pxat 99999999999999 get",
        "set K V get",
        "setrange K 0 V",
        "append K V",
    ],
    "list": [
        "blpop K K 0.001",
        "brpop K 0.001",
        "blmove K K left right 0.001",
        "brpoplpush K K 0.001",
        "blmpop 0.001 2 K K left count N",
        "lrem l 0 V",
        "ltrim l 5 1",
        "lmove l l left right",
        "lmove l K left left",
    ],
    "stream": [
        "xread block 1 streams x $",
        "xreadgroup group g d block 1 streams x >",
        "xgroup create nokey g 0",
        "xtrim x maxlen 0",
        "copy x K",
        "rename x x",
        "del x",
    ],
    "set": ["spop s 100", "srem s 1 2 3", "smove s c 1", "smove s s 2", "sdiffstore K K K"],
    "hash": ["hdel h f1 f2 f3", "hset h f1 1 f2 2", "hincrby h f1 N", "hincrbyfloat h f2 V"],
    "zset": ["bzpopmin K K 0.001", "bzpopmax z 0.001", "zrem z a b c", "zadd z 1 a", "zadd z incr 1 a"],
    "zset_range": ["bzmpop 0.001 2 K z min count N", "zremrangebyrank z 0 -1", "zremrangebyscore z -inf +inf"],
    "hyperloglog": ["pfdebug getreg K", "pfmerge K p", "pfadd p"],
    "bitmap": ["setbit K 0 0", "setbit a 1 1", "bitfield a set u1 0 0 set u1 0 1", "bitop and K nokey", "bitop or K a"],
    "geo": ["geoadd g ch 1 1 a 2 2 b", "zrem g a b", "georadius g 14 38 200 km store g", "georadius g 0 0 1 m store g"],
    "generic": [
        "sort l by nosort store K",
        "sort K alpha store K",
        "sort K store K",
        "sort K by K* get K* get # alpha",
        "sort_ro s by a* get b*",
        "expire K -1",
        "expire K 1000 lt",
        "pexpireat K 1",
        "flushdb",
        "randomkey",
        "object idletime K",
        "object refcount K",
        "pttl K",
        "expiretime K",
        "scan 0",
    ],
}
ROUNDS = 3
SILENT = ("client", "config", "foo", "echo", "ping")


class Listener:
    """A subscriber to all keyspace events of one server, with two clients beside it: one works, one sets marks."""

    def __init__(self, server: ServerProcess, protocol: int) -> None:
        self.events, self.worker, self.marker = (RawClient(server.connect()) for _ in range(3))
        self.worker.call("HELLO", protocol)
        assert self.marker.call("CONFIG", "SET", "notify-keyspace-events", "KEAmn") == b"+OK\r\n"
        self.events.call("PSUBSCRIBE", "__key*__:*")

    def call(self, argv: list[bytes]) -> tuple[bytes, list[bytes]]:
        """The reply, and the messages that came until a message published after it."""
        reply = self.worker.call(*argv)
        self.marker.call("PUBLISH", "__keymark__:", "end")
        messages: list[bytes] = []
        while True:
            message = self.events.read()
            if b"__keymark__:" in message:
                return reply, messages
            messages.append(message)

    def wait_for(self, event: bytes) -> list[bytes]:
        """Messages up to one that says ``event``, with what came before."""
        messages = [self.events.read()]
        while not messages[-1].endswith(b"\r\n%b\r\n" % event):
            messages.append(self.events.read())
        return messages

    def hits_and_misses(self) -> list[bytes]:
        return [line for line in self.marker.call("INFO", "stats").split(b"\r\n") if line.startswith(b"keyspace_")]

    def close(self) -> None:
        self.marker.call("CONFIG", "SET", "notify-keyspace-events", "")
        for client in (self.events, self.worker, self.marker):
            client.close()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("group", sorted(GROUPS))
def test_same_events(server: ServerProcess, oracle: ServerProcess, group: str, seed: int) -> None:
    rng = random.Random(f"events {group} {seed}")
    ours, theirs = Listener(server, 2 + seed % 2), Listener(oracle, 2 + seed % 2)
    templates = [t for t in GROUPS[group] + EXTRA[group] if t.split()[0] not in SILENT]
    others = [t for g in GROUPS for t in GROUPS[g] + EXTRA[g] if t.split()[0] not in ("multi", "watch", *SILENT)]
    history: list[list[bytes]] = []
    try:
        for listener in (ours, theirs):
            listener.marker.call("CONFIG", "RESETSTAT")
        for _ in range(ROUNDS):
            commands = [line.encode().split() for line in POPULATE]
            commands += [build(rng, rng.choice(templates if rng.random() < 0.8 else others)) for _ in range(40)]
            for argv in commands:
                history.append(argv)
                mine, other = ours.call(argv)[1], theirs.call(argv)[1]
                if argv[0].startswith((b"sort", b"exec")):
                    mine, other = sorted(mine), sorted(other)  # BY and GET look up a set's members in any order
                assert mine == other, f"{argv}: ours {mine!r}, redis {other!r}; before: {history[-12:]}"
            assert ours.hits_and_misses() == theirs.hits_and_misses(), history
    finally:
        ours.close()
        theirs.close()


SCRIPTS = {
    "part of a set popped": ["sadd s a b c", "spop s 2", "spop s", "sadd s a b", "spop s 2"],
    "read after the deadline": ["set k v px 1", "set k2 v", "get k2", "expired", "get k"],
    "set with a deadline in the past": ["set k v exat 1", "expired", "exists k"],
    "expire and overwrite": ["set k v px 1", "expired", "set k v"],
    "getex in the past": ["set k v", "getex k exat 1", "get k"],
    "aggregate emptied by its deadline": ["rpush l a", "pexpire l 1", "expired", "lpush l b"],
    "transaction": ["multi", "set a 1", "del a", "lpush l 1", "rename l m", "exec"],
}


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_script(server: ServerProcess, oracle: ServerProcess, name: str) -> None:
    """``expired`` stands for waiting until a key has expired: before that, none goes by itself."""
    told: list[list[bytes]] = []
    for one in (server, oracle):
        listener = Listener(one, 2)
        try:
            told.append([])
            for line in SCRIPTS[name]:
                waits = line == "expired"
                assert listener.marker.call("DEBUG", "SET-ACTIVE-EXPIRE", int(waits)) == b"+OK\r\n"
                told[-1] += listener.wait_for(b"expired") if waits else listener.call(line.encode().split())[1]
        finally:
            listener.close()
    assert told[0] == told[1]
