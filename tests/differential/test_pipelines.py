"""Long pipelines of one command, which ours may run at once as columns: replies, keyspace, notifications, count of
changes and statistics as redis-server's, whatever is in the middle of them and whoever watches, waits or listens.
"""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyredis.commands import all as _declared
from pyredis.core.command import ALIKE as COMMANDS_ALIKE
from pyredis.core.command import COLUMNS
from tests.differential import pools
from tests.differential.compare import Comparison
from tests.differential.pair import compare_keyspaces, connect, show
from tests.support.servers import ServerProcess
from tests.support.waiting import wait_until

assert _declared
Argv = list[bytes]

_NUMBERS = [b"%d" % n for n in range(-20, 700)]
_MEMBERS = [*_NUMBERS, *pools.WORDS, *(b"member:%d" % n for n in range(200))]
_ARGUMENTS: dict[bytes, list[list[bytes]]] = {
    b"PING": [],
    b"SET": [[*pools.KEYS, *_NUMBERS], [*pools.VALUES, *_NUMBERS]],
    b"MSET": [[*pools.KEYS, *_NUMBERS], [*pools.VALUES, *_NUMBERS]] * 2,
    b"GET": [[*pools.STRINGS, b"m", b"absent"]],
    b"INCR": [[b"s1", b"m"]],
    b"LPUSH": [pools.LISTS, _MEMBERS],
    b"RPUSH": [pools.LISTS, _MEMBERS],
    b"LPOP": [[*pools.LISTS, b"m", b"absent"]],
    b"RPOP": [[*pools.LISTS, b"m", b"absent"]],
    b"SADD": [pools.SETS, _MEMBERS],
    b"ZADD": [pools.ZSETS, [b"0", b"1", b"-1", b"2.5", b"1e17", b"inf", b"-inf", *_NUMBERS], _MEMBERS],
    b"ZPOPMIN": [[*pools.ZSETS, b"m", b"absent"]],
    b"HSET": [pools.HASHES, _MEMBERS, _MEMBERS],
    # These are columns for nobody, but follow the same ways through slices and turns.
    b"HGET": [pools.HASHES, _MEMBERS],
    b"SREM": [pools.SETS, _MEMBERS],
    b"LRANGE": [pools.LISTS, [b"0", b"-3"], [b"-1", b"5"]],
}
"""For each command what its arguments are drawn from; the first is the key."""
ALIKE = sorted(COMMANDS_ALIKE & set(_ARGUMENTS))
"""What may run at once with an append-only file, too."""
_ONE_KEY = 0.8
_ODD = 0.4
_ALIKE = 0.5
_SETTINGS = ("plain", "watched", "listened", "waited", "deadline", "far", "indexed", "multi", "monitored")
"""Who else has to do with the key, or what the client is in the middle of."""
_WAITS = {b"LPUSH": b"BLPOP", b"RPUSH": b"BRPOP", b"ZADD": b"BZPOPMIN"}


def pipelines_of(name: bytes, n: int, seed: int) -> tuple[list[list[Argv]], bytes]:
    """Pipelines of ``n`` lines, most of them plain, and the key that most of them name.

    Three at most come before the one that may hold odd lines, so that the server may know what to expect.
    """
    rng = random.Random(seed)
    # A few values, so that they come again, or many; sets of integers stay such.
    choices = [
        rng.sample(pool, min(len(pool), rng.choice([2, 5, 20, 1000])))
        for pool in (_NUMBERS if pool is _MEMBERS and rng.random() < 0.5 else pool for pool in _ARGUMENTS[name])
    ]
    if rng.random() < _ALIKE:
        sizes = [len(rng.choice(pool)) for pool in choices]
        choices = [[value for value in pool if len(value) == size] for pool, size in zip(choices, sizes, strict=True)]
    key = rng.choice(choices[0]) if choices else b"m"
    one_key = rng.random() < _ONE_KEY and name not in (b"SET", b"GET", b"MSET")
    pipelines: list[list[Argv]] = []
    for _ in range(rng.choice([1, 4])):
        found = [[name, *map(rng.choice, choices)] for _ in range(n)]
        if one_key and choices:
            found = [[name, key, *argv[2:]] for argv in found]
        pipelines.append(found)
    if rng.random() < _ODD:
        for at in rng.sample(range(n), min(n, rng.randint(1, 3))):
            found[at] = _odd(rng, found[at])
    return pipelines, key


def _odd(rng: random.Random, argv: Argv) -> Argv:
    """The line with something wrong or unusual about it."""
    what = rng.randrange(6)
    at = rng.randrange(len(argv))
    if what == 0:
        return argv[:at] or [b""]
    if what == 1:
        return [*argv, rng.choice(pools.HOSTILE)]
    if what == 2:
        return [argv[0].swapcase(), *argv[1:]]
    if what == 3:
        return [*argv[:1], rng.choice(pools.KEYS), *argv[2:]]
    if what == 4:
        return rng.choice(
            [[b"DEL", *argv[1:2]], [b"TYPE", b"t1"], [b"NOSUCH"], [b"SELECT", b"9"], [b"EXPIRE", b"m", b"0"]]
        )
    return [*argv[:at], rng.choice([*pools.HOSTILE, *pools.FLOATS, *pools.INTEGERS, *pools.LONG]), *argv[at + 1 :]]


class Scene:
    """One server: the client with the pipeline, another that watches, waits or listens, and one that looks."""

    def __init__(self, server: ServerProcess, protocol: int, thresholds: Argv) -> None:
        self.client, self.other, self.control = self.clients = [connect(server) for _ in range(3)]
        self.control.pipeline([[b"FLUSHALL"], [b"CONFIG", b"SET", *thresholds, b"notify-keyspace-events", b""]])
        # While any key has a deadline, nothing runs at once.
        self.control.pipeline([*pools.POPULATION, [b"PERSIST", b"s4"], [b"PERSIST", b"l2"]])
        self.client.call(b"HELLO", b"%d" % protocol)

    def close(self) -> None:
        for client in self.clients:
            client.close()

    def prepare(self, setting: str, name: bytes, key: bytes) -> None:
        """Bring about the situation."""
        client, other, control = self.clients
        other_id = other.call(b"CLIENT", b"ID")[1:-2]
        self.let_go = [b"CLIENT", b"UNBLOCK", other_id]
        if setting == "watched":
            other.pipeline([[b"WATCH", key, b"m"], [b"MULTI"], [b"PING"]])
        elif setting == "listened":
            control.call(b"CONFIG", b"SET", b"notify-keyspace-events", b"KEA")
            other.call(b"PSUBSCRIBE", b"__key*")
        elif setting == "waited" and name in _WAITS:
            control.call(b"DEL", key)
            other.send(_WAITS[name], key, b"0")
            wait_until(lambda: b"blocked_clients:1\r" in control.call(b"INFO", b"clients"))
        elif setting == "deadline":
            control.call(b"PEXPIREAT", key, b"9999999999999")
        elif setting == "far":
            control.call(b"PEXPIREAT", b"y", b"9999999999999")
        elif setting == "indexed":
            control.call(b"RANDOMKEY")
        elif setting == "multi":
            client.call(b"MULTI")
        elif setting == "monitored":
            other.call(b"MONITOR")
        self.changes = self.info(b"persistence", rb"rdb_changes_since_last_save:(\d+)")
        control.call(b"CONFIG", b"RESETSTAT")

    def info(self, section: bytes, pattern: bytes) -> list[bytes]:
        return re.findall(pattern, self.control.call(b"INFO", section))

    def outcome(self, setting: str, name: bytes) -> dict[str, object]:
        """What there is to see besides the replies."""
        changes = self.info(b"persistence", rb"rdb_changes_since_last_save:(\d+)")
        found: dict[str, object] = {
            "changes": int(changes[0]) - int(self.changes[0]),
            "calls": self.info(b"commandstats", rb"cmdstat_%b:(calls=\d+).*(rejected.*)\r" % name.lower()),
            "errors": self.info(b"errorstats", rb"errorstat_.*"),
            "lookups": self.info(b"stats", rb"keyspace_\w+:\d+"),
        }
        self.control.call(*self.let_go)
        if setting == "watched":
            found["exec"] = self.other.call(b"EXEC")
        self.other.send(b"PING", b"#end#")
        seen = []
        while not seen or b"#end#" not in seen[-1]:
            seen.append(re.sub(rb"^\+[\d.]+ \[\d+ [\d.:]+\]", b"", self.other.read()))
        found["seen"] = [line for line in seen if b'"INFO"' not in line and b'"CONFIG"' not in line]
        return found


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("setting", _SETTINGS)
def test_same_as_one_by_one(server: ServerProcess, oracle: ServerProcess, setting: str, protocol: int) -> None:
    @settings(
        max_examples=settings.default.max_examples * 3 if setting == "plain" else settings.default.max_examples // 4
    )
    @given(
        st.sampled_from(sorted(_ARGUMENTS)),
        st.integers(4, 40) | st.integers(100, 300),
        st.sampled_from([pools.DEFAULTS, pools.TIGHT]),
        st.integers(0, 1 << 32),
    )
    def run(name: bytes, n: int, thresholds: Argv, seed: int) -> None:
        pipelines, key = pipelines_of(name, n, seed)
        scenes = [Scene(one, protocol, thresholds) for one in (server, oracle)]
        try:
            for scene in scenes:
                scene.prepare(setting, name, key)
            if setting == "multi":
                pipelines.append([[b"EXEC"]])
            commands = [argv for pipeline in pipelines for argv in pipeline]
            comparison = Comparison(commands)
            ours, theirs = [[r for p in pipelines for r in scene.client.pipeline(p)] for scene in scenes]
            for at, (argv, mine, other) in enumerate(zip(commands, ours, theirs, strict=True)):
                assert not comparison.differ(argv, mine, other), (at, show(argv), mine, other)
            mine, other = [scene.outcome(setting, name) for scene in scenes]
            if setting == "waited" and name != b"ZADD":
                # redis-server counts no change for the element that it hands to who waits for a list.
                mine["changes"] = other["changes"]
            assert mine == other
            compare_keyspaces([scene.client for scene in scenes], comparison, commands)
        finally:
            for scene in scenes:
                scene.close()

    run()


@pytest.mark.parametrize("n", [4, 17, 129, 300])
def test_random_members_in_a_row(server: ServerProcess, oracle: ServerProcess, n: int) -> None:
    members = [b"%d" % i for i in range(150)]
    for one in (server, oracle):
        client = connect(one)
        client.call(b"SADD", b"set", *members)
        popped = client.pipeline([[b"SPOP", b"set"]] * n)
        left = client.call(b"SMEMBERS", b"set").split(b"\r\n")[2:-1:2]
        found = [reply.split(b"\r\n")[1] for reply in popped if reply != b"$-1\r\n"]
        assert len(found) == min(n, len(members))
        assert sorted(found + left) == sorted(members)
        assert client.call(b"EXISTS", b"set") == b":%d\r\n" % (n < len(members))
        client.close()


def test_all_that_runs_at_once_takes_part() -> None:
    assert COLUMNS.keys() <= {*_ARGUMENTS, b"SPOP"}
