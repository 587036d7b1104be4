"""OBJECT ENCODING beside redis-server's, after generated commands and with generated thresholds."""

from __future__ import annotations

import random

import pytest

from tests.support.raw import RawClient
from tests.support.servers import ServerProcess

DIRECTIVES = {
    "set-max-intset-entries": ["0", "1", "3", "4", "512"],
    "hash-max-listpack-entries": ["0", "1", "2", "5", "128"],
    "hash-max-listpack-value": ["0", "1", "3", "64"],
    "zset-max-listpack-entries": ["0", "1", "2", "5", "128"],
    "zset-max-listpack-value": ["0", "1", "3", "64"],
    "hash-max-ziplist-entries": ["2", "64"],
    "zset-max-ziplist-value": ["2", "64"],
}
DEFAULTS = {
    "set-max-intset-entries": "512",
    "hash-max-listpack-entries": "128",
    "hash-max-listpack-value": "64",
    "zset-max-listpack-entries": "128",
    "zset-max-listpack-value": "64",
}
KEYS = {
    "string": [b"i", b"t", b"r"],
    "list": [b"l", b"m"],
    "set": [b"s", b"u", b"v"],
    "hash": [b"h", b"g"],
    "zset": [b"z", b"y", b"x"],
}
TEMPLATES = {
    "string": [
        "set K V",
        "set K I",
        "set K T44",
        "set K T45",
        "setnx K I",
        "getset K I",
        "mset K I K V",
        "append K I",
        "append K V",
        "setrange K N V",
        "setrange K 0 I",
        "incr K",
        "incrby K I",
        "decr K",
        "copy K K replace",
        "rename K K",
        "getdel K",
        "del K",
        "set K V keepttl",
        "setex K 100 I",
        "getrange K 0 1",
        "msetnx K I",
    ],
    "list": [
        "rpush K V V V",
        "lset K 0 T70",
        "lpop K",
        "sort K alpha store K",
        "copy K K replace",
        "linsert K after V V",
    ],
    "set": [
        "sadd K I",
        "sadd K I I I",
        "sadd K V",
        "srem K I I",
        "spop K 0",
        "smove K K I",
        "sinterstore K K K",
        "sunionstore K K K",
        "sdiffstore K K K",
        "copy K K replace",
        "del K",
        "rename K K",
        "srandmember K 2",
    ],
    "hash": [
        "hset K I V",
        "hset K V I V V",
        "hset K T70 a",
        "hset K a T70",
        "hmset K I I I V",
        "hsetnx K I V",
        "hincrby K I I",
        "hincrbyfloat K a 1.5",
        "hdel K I V a",
        "copy K K replace",
        "del K",
    ],
    "zset": [
        "zadd K 1 I",
        "zadd K 1 V 2 I 3 V",
        "zadd K xx 1 I",
        "zadd K 1 T70",
        "zincrby K 1 I",
        "zincrby K 1 T70",
        "zrem K I V",
        "zunionstore K 2 K K",
        "zinterstore K 2 K K",
        "zdiffstore K 2 K K",
        "zrangestore K K 0 -1",
        "zrangestore K K 0 N",
        "zpopmin K",
        "copy K K replace",
        "del K",
        "sort K alpha",
        "sort K by nosort",
        "zremrangebyrank K 0 0",
    ],
}
INTEGERS = [b"0", b"1", b"-1", b"2", b"3", b"7", b"9999", b"10000", b"9223372036854775807", b"-9223372036854775808"]
TEXTS = [
    b"",
    b"a",
    b"01",
    b"+1",
    b"-0",
    b" 1",
    b"1.0",
    b"9223372036854775808",
    b"abc",
    b"\xff\x00",
    b"x" * 63,
    b"x" * 65,
]


def command(rng: random.Random, template: str, keys: list[bytes]) -> list[bytes]:
    """K a key, V any value, I an integer, N a small number, T<n> a text of n bytes."""
    pools = {b"K": keys, b"V": TEXTS + INTEGERS, b"I": INTEGERS, b"N": [b"0", b"1", b"3"]}
    argv = []
    for word in template.encode().split():
        if word in pools:
            argv.append(rng.choice(pools[word]))
        elif word[:1] == b"T":
            argv.append(b"y" * int(word[1:]))
        else:
            argv.append(word)
    return argv


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("group", sorted(TEMPLATES))
def test_same_encodings(server: ServerProcess, oracle: ServerProcess, group: str, seed: int) -> None:
    rng = random.Random(f"{group} {seed}")
    ours, theirs = RawClient(server.connect()), RawClient(oracle.connect())
    keys = KEYS[group]
    probes = [[b"OBJECT", b"ENCODING", key] for key in keys]
    history: list[list[bytes]] = []
    try:
        for _ in range(20):
            batch = []
            for _ in range(rng.randint(0, 2)):
                name = rng.choice(list(DIRECTIVES))
                batch.append([b"CONFIG", b"SET", name.encode(), rng.choice(DIRECTIVES[name]).encode()])
            for _ in range(10):
                batch.append(command(rng, rng.choice(TEMPLATES[group]), keys))
                batch += probes
            for argv, mine, other in zip(batch, ours.pipeline(batch), theirs.pipeline(batch), strict=True):
                if argv not in probes:
                    history.append(argv)
                if argv[0] not in (b"srandmember",):
                    assert mine == other, f"{argv}: ours {mine!r}, redis {other!r}; before: {history[-12:]}"
    finally:
        for client in (ours, theirs):
            for name, value in DEFAULTS.items():
                client.call("CONFIG", "SET", name, value)
            client.close()


@pytest.mark.parametrize("value", [b"0", b"9999", b"10000", b"-1", b"00", b"abc", b"9223372036854775807"])
def test_refcount(server: ServerProcess, oracle: ServerProcess, value: bytes) -> None:
    answers = []
    for one in (server, oracle):
        client = RawClient(one.connect())
        client.call("SET", "k", value)
        client.call("RPUSH", "l", value)
        client.call("INCR", "i")
        answers.append([client.call("OBJECT", "REFCOUNT", key) for key in ("k", "l", "i", "none")])
        client.close()
    assert answers[0] == answers[1]


@pytest.mark.parametrize("n", [511, 512, 513])
def test_default_thresholds(server: ServerProcess, oracle: ServerProcess, n: int) -> None:
    answers = []
    for one in (server, oracle):
        client = RawClient(one.connect())
        numbers = [b"%d" % i for i in range(n)]
        client.call("SADD", "s", *numbers)
        client.call("HSET", "h", *[x for i in numbers[: n - 384] for x in (i, i)])
        client.call("ZADD", "z", *[x for i in numbers[: n - 384] for x in (i, i)])
        client.call("SUNIONSTORE", "s2", "s")
        client.call("ZUNIONSTORE", "z2", "1", "z")
        client.call("RPUSH", "l", *numbers)
        keys = ("s", "h", "z", "s2", "z2", "l")
        answers.append([client.call("OBJECT", "ENCODING", key) for key in keys])
        client.call("SREM", "s", "5")
        client.call("HDEL", "h", "5", "6")
        client.call("ZREM", "z", "5", "6")
        answers[-1] += [client.call("OBJECT", "ENCODING", key) for key in keys]
        client.close()
    assert answers[0] == answers[1]
