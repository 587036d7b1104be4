"""Keyspaces with a bit of everything, from a seed; and the one digest by which two of them are compared."""

from __future__ import annotations

import random

from tests.support.raw import RawClient
from tests.support.servers import ServerProcess
from tests.support.templates import GROUPS, POPULATE, build

_STREAMS = [
    "xadd x * f V",
    "xadd x maxlen ~ 3 * f V",
    "xgroup create x g 0 mkstream",
    "xreadgroup group g c count 2 streams x >",
    "xadd y 5-5 a b",
    "xdel y 5-5",
    "hset hf a 1 b 2",
    "hset h a 1 b 2 c V",
    "pfadd p V V",
    "geoadd g 13.3 38.1 V",
    "setbit b 70 1",
]
_SKIPPED = {"subscribe", "psubscribe", "multi", "watch", "blpop", "brpop", "blmove", "bzpopmin", "blmpop", "bzmpop"}


def _lasting(argv: list[bytes]) -> list[bytes]:
    """No key may be there for one digest and gone for the next: lifetimes of seconds become long."""
    name = argv[0].upper()
    for at in range(2, len(argv)):
        before = argv[at - 1].upper()
        lifetime = before in (b"EX", b"PX") or (at == 2 and name in (b"EXPIRE", b"PEXPIRE", b"SETEX", b"PSETEX"))
        if lifetime and argv[at].isdigit() and 0 < int(argv[at]) < 10**6:
            argv[at] = b"10000000"
    return argv


def small_commands(rng: random.Random, count: int) -> list[list[bytes]]:
    """Commands that write to a few keys of all types in several databases, and what they make of each other."""
    templates = [t for group in GROUPS.values() for t in group if t.split()[0] not in _SKIPPED] + _STREAMS * 3
    commands = [line.encode().split() for line in POPULATE]
    for _ in range(count):
        commands.append(_lasting(build(rng, rng.choice(templates))))
        if rng.random() < 0.03:
            commands.append([b"SELECT", b"%d" % rng.randrange(3)])
    return commands


def _text(rng: random.Random) -> bytes:
    kind = rng.randrange(6)
    if kind == 0:
        return b"%d" % rng.choice(
            (0, -1, 127, 128, -129, 32768, -32769, 1 << 31, -(1 << 31) - 1, 1 << 40, rng.getrandbits(63))
        )
    if kind == 1:
        return rng.randbytes(rng.choice((0, 1, 5, 63, 64, 65, 200)))
    if kind == 2:
        return b"ab" * rng.choice((8, 11, 100, 9000))
    return b"w%d" % rng.randrange(1000)


def large_commands(rng: random.Random) -> list[list[bytes]]:
    """Commands that make values of all types and encodings, from the smallest to some thousand elements."""
    commands: list[list[bytes]] = []
    sizes = (1, 2, 5, 60, 127, 128, 129, 513, 3000)
    for n in range(24):
        texts = [_text(rng) for _ in range(rng.choice(sizes))]
        pairs = [word for text in texts for word in (text, _text(rng))]
        scored = [word for text in texts for word in (b"%.17g" % rng.uniform(-1e3, 1e3), text)]
        key = b"key:%d:" % n + rng.randbytes(2)
        commands += [
            [b"SET", key + b"s", _text(rng)],
            [b"RPUSH", key + b"l", *texts],
            [b"SADD", key + b"t", *texts],
            [b"SADD", key + b"i", *[b"%d" % rng.randrange(-(10**n) - 9, 10**n + 9) for _ in texts]],
            [b"HSET", key + b"h", *pairs],
            [b"ZADD", key + b"z", *scored],
        ]
        for number, text in enumerate(texts[:200]):
            fields = [b"f", text] if rng.random() < 0.8 else [b"g", text, b"f", b"2"]
            commands.append([b"XADD", key + b"x", b"%d-%d" % (number // 7 + 1, number % 7 + 1), *fields])
        commands.append([b"XGROUP", b"CREATE", key + b"x", b"group", b"0"])
        commands.append([b"XREADGROUP", b"GROUP", b"group", b"c%d" % n, b"COUNT", b"5", b"STREAMS", key + b"x", b">"])
        commands.append([b"XDEL", key + b"x", b"1-3"])
        if rng.random() < 0.5:
            commands.append(
                [
                    b"PEXPIREAT",
                    key + rng.choice((b"s", b"l", b"h", b"x")),
                    b"%d" % rng.randrange(4 * 10**12, 5 * 10**12),
                ]
            )
        if rng.random() < 0.2:
            commands.append([b"SELECT", b"%d" % rng.randrange(16)])
    return commands


def commands(seed: str, large: bool = True) -> list[list[bytes]]:
    """Commands that make a keyspace."""
    rng = random.Random(seed)
    return small_commands(rng, 300) + (large_commands(rng) if large else [])


def fill(client: RawClient, seed: str, large: bool = True) -> None:
    """Write a keyspace."""
    todo = commands(seed, large)
    for at in range(0, len(todo), 50):
        client.pipeline(todo[at : at + 50])


def digest(server: ServerProcess) -> bytes:
    """DEBUG DIGEST; keys that are due are kept from now on."""
    client = RawClient(server.connect())
    client.call("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    found = client.call("DEBUG", "DIGEST")
    client.close()
    assert len(found) == 43, found
    return found
