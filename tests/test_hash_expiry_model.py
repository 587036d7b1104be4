"""Every command on hashes whose fields expire, against a plain model, with a clock that the test moves.

Two more servers follow: one is told what an append-only file would be told, and must hold the same at every moment; in
the other, everything runs on a hash that has been made large, so that its deadlines are kept by time.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

import hiredis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pyredis.engines.deadlines import BUCKET_BITS
from pyredis.engines.volatile_hash import NEVER, VolatileHashObj
from tests.support.local import DRIVEN_FROM as START
from tests.support.local import DrivenServer

KEYS = st.sampled_from([b"h", b"g"])
FIELD = st.sampled_from([b"a", b"b", b"c", b"d", b"", b"1"])
FIELDS = st.lists(FIELD, min_size=1, max_size=4)
VALUE = st.sampled_from([b"", b"1", b"-7", b"2.5", b"x" * 70])
PAIRS = st.lists(st.tuples(FIELD, VALUE), min_size=1, max_size=3)
TIMES = st.integers(0, 300)
FILLING: Final = 200

Hash = dict[bytes, tuple[bytes, int]]
"""Field → value and deadline, ``NEVER`` if it has none."""


def parse(data: bytes) -> Any:
    reader = hiredis.Reader()
    reader.feed(data)
    return reader.gets()


class HashFields(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.server, self.follower = DrivenServer(), DrivenServer()
        self.client, self.following = self.server.client(), self.follower.client()
        self.model: dict[bytes, Hash] = {}
        self.now = START
        self.fed: list[tuple[int, bytes]] = []
        self.server.feeders.append(lambda db, data: self.fed.append((db, data)))

    def call(self, *argv: bytes | str | int) -> Any:
        reply = parse(self.client.call(*argv))
        for db, data in self.fed:
            self.following.call("SELECT", db)
            reader = hiredis.Reader()
            reader.feed(data)
            while (fed := reader.gets()) is not False:
                answer = parse(self.following.call(*fed))
                assert not isinstance(answer, Exception), (fed, answer)
        self.fed.clear()
        return reply

    @initialize(many=st.booleans())
    def fill(self, many: bool) -> None:
        """Sometimes there are many fields with deadlines, none of which comes."""
        if many:
            for at in range(FILLING):
                self.call("HSETEX", "h", "PXAT", START * 2, "FIELDS", 1, f"f{at}", "v")
                self.model.setdefault(b"h", {})[b"f%d" % at] = b"v", START * 2

    # --- the model --------------------------------------------------------------------------------------------

    def hash(self, key: bytes) -> Hash:
        """What is at the key now."""
        found = {f: (v, when) for f, (v, when) in self.model.get(key, {}).items() if when > self.now}
        self.model[key] = found
        return found

    def value(self, key: bytes, field: bytes) -> bytes | None:
        return self.hash(key).get(field, (None, 0))[0]

    @rule(ms=st.integers(0, 200))
    def wait(self, ms: int) -> None:
        self.now += ms
        self.server.now = self.follower.now = self.now

    @rule()
    def active_expiry(self) -> None:
        """Afterwards, what came due more than 64 ms ago is gone, and what is not due is there."""
        self.server.expire_cycle()
        self.call("PING")
        for key in (b"h", b"g"):
            value = self.server.dbs[0].dict.get(key)
            if isinstance(value, VolatileHashObj):
                assert all(when > self.now - (1 << BUCKET_BITS) for when in value.expires.values())

    # --- values -----------------------------------------------------------------------------------------------

    @rule(key=KEYS, pairs=PAIRS)
    def hset(self, key: bytes, pairs: list[tuple[bytes, bytes]]) -> None:
        found = self.hash(key)
        new = len({field for field, _ in pairs} - found.keys())
        assert self.call("HSET", key, *[word for pair in pairs for word in pair]) == new
        found.update({field: (value, NEVER) for field, value in pairs})

    @rule(key=KEYS, field=FIELD, value=VALUE)
    def hsetnx(self, key: bytes, field: bytes, value: bytes) -> None:
        new = field not in self.hash(key)
        assert self.call("HSETNX", key, field, value) == new
        if new:
            self.hash(key)[field] = value, NEVER

    @rule(key=KEYS, fields=FIELDS)
    def hdel(self, key: bytes, fields: list[bytes]) -> None:
        there = self.hash(key).keys() & set(fields)
        assert self.call("HDEL", key, *fields) == len(there)
        for field in there:
            del self.hash(key)[field]

    @rule(key=KEYS, field=FIELD, by=st.integers(-3, 3), whole=st.booleans())
    def increment(self, key: bytes, field: bytes, by: int, whole: bool) -> None:
        """A counter keeps its deadline."""
        old, when = self.hash(key).get(field, (b"0", NEVER))
        reply = self.call("HINCRBY" if whole else "HINCRBYFLOAT", key, field, by)
        if isinstance(reply, Exception):
            assert old in (b"", b"x" * 70) or (whole and b"." in old)
            return
        total = Fraction(old.decode()) + by
        assert Fraction(str(reply) if whole else reply.decode()) == total
        self.hash(key)[field] = b"%d" % reply if whole else reply, when

    @rule(key=KEYS, fields=FIELDS)
    def read(self, key: bytes, fields: list[bytes]) -> None:
        expected = [self.value(key, field) for field in fields]
        assert self.call("HGET", key, fields[0]) == expected[0]
        assert self.call("HMGET", key, *fields) == expected
        assert self.call("HEXISTS", key, fields[-1]) == (expected[-1] is not None)
        assert self.call("HSTRLEN", key, fields[-1]) == len(expected[-1] or b"")
        self.call("DEL", "list")
        self.call("RPUSH", "list", *fields)
        # An empty element leaves the key's own name in the pattern; the others name keys that are not there.
        found = [expected[0] if not element and fields[0] else None for element in fields]
        assert self.call("SORT", "list", "BY", "nosort", "GET", key + b"*->" + fields[0]) == found
        self.call("DEL", "list")
        self.call("RPUSH", "list", key)
        assert self.call("SORT", "list", "BY", "nosort", "GET", "*->" + fields[0].decode()) == [expected[0]] * (
            fields[0] != b""
        ) + [None] * (fields[0] == b"")

    @rule(key=KEYS)
    def read_all(self, key: bytes) -> None:
        found = self.hash(key)
        flat = self.call("HGETALL", key)
        assert dict(zip(flat[::2], flat[1::2], strict=True)) == {f: v for f, (v, _) in found.items()}
        assert set(self.call("HKEYS", key)) == found.keys()
        assert sorted(self.call("HVALS", key)) == sorted(v for v, _ in found.values())
        assert self.call("HLEN", key) == len(found)
        assert set(self.call("HRANDFIELD", key, 1000)) == found.keys()
        assert set(self.call("HRANDFIELD", key, -20)) <= found.keys()
        assert (self.call("HRANDFIELD", key) in found) == bool(found)
        cursor, seen = b"0", {}
        while True:
            cursor, some = self.call("HSCAN", key, cursor, "COUNT", 7)
            seen.update(zip(some[::2], some[1::2], strict=True))
            if cursor == b"0":
                break
        assert seen == {f: v for f, (v, _) in found.items()}

    # --- deadlines --------------------------------------------------------------------------------------------

    def deadline(self, form: str, ms: int) -> tuple[int, int]:
        """A number for HEXPIRE and its relatives that is about ``ms`` from now, and the deadline it means."""
        if form in ("PX", "PXAT"):
            return (ms, self.now + ms) if form == "PX" else (self.now + ms, self.now + ms)
        n = ms // 100 if form == "EX" else self.now // 1000 + ms // 100
        return n, n * 1000 + (self.now if form == "EX" else 0)

    @rule(
        key=KEYS,
        fields=FIELDS,
        ms=TIMES,
        form=st.sampled_from(["EX", "PX", "EXAT", "PXAT"]),
        condition=st.sampled_from(["", "NX", "XX", "GT", "LT"]),
    )
    def expire(self, key: bytes, fields: list[bytes], ms: int, form: str, condition: str) -> None:
        found = self.hash(key)
        n, when = self.deadline(form, ms)
        name = {"EX": "HEXPIRE", "PX": "HPEXPIRE", "EXAT": "HEXPIREAT", "PXAT": "HPEXPIREAT"}[form]
        expected = []
        for field in fields:
            if field not in found:
                expected.append(-2)
                continue
            value, current = found[field]
            met = {
                "": True,
                "NX": current == NEVER,
                "XX": current < NEVER,
                "GT": current < when,
                "LT": when < current,
            }
            if not met[condition]:
                expected.append(0)
            elif when <= self.now:
                del found[field]
                expected.append(2)
            else:
                found[field] = value, when
                expected.append(1)
        words = [condition] if condition else []
        assert self.call(name, key, n, *words, "FIELDS", len(fields), *fields) == expected

    @rule(key=KEYS, fields=FIELDS)
    def persist(self, key: bytes, fields: list[bytes]) -> None:
        found = self.hash(key)
        expected = []
        for field in fields:
            value, when = found.get(field, (b"", 0))
            expected.append(-2 if field not in found else -1 if when == NEVER else 1)
            if field in found:
                found[field] = value, NEVER
        assert self.call("HPERSIST", key, "FIELDS", len(fields), *fields) == expected

    @rule(key=KEYS, fields=FIELDS)
    def read_deadlines(self, key: bytes, fields: list[bytes]) -> None:
        found = self.hash(key)
        whens = [found[field][1] if field in found else -2 for field in fields]

        def expected(base: int, unit: int) -> list[int]:
            return [-1 if w == NEVER else w if w < 0 else -(-(w - base) // unit) for w in whens]

        tail = ("FIELDS", len(fields), *fields)
        assert self.call("HPEXPIRETIME", key, *tail) == expected(0, 1)
        assert self.call("HEXPIRETIME", key, *tail) == expected(0, 1000)
        assert self.call("HPTTL", key, *tail) == expected(self.now, 1)
        assert self.call("HTTL", key, *tail) == expected(self.now, 1000)

    @rule(key=KEYS, fields=FIELDS)
    def getdel(self, key: bytes, fields: list[bytes]) -> None:
        found = self.hash(key)
        expected = [found.pop(field, (None, 0))[0] for field in fields]
        assert self.call("HGETDEL", key, "FIELDS", len(fields), *fields) == expected

    @rule(key=KEYS, fields=FIELDS, ms=TIMES, form=st.sampled_from(["EX", "PX", "EXAT", "PXAT", "PERSIST", ""]))
    def getex(self, key: bytes, fields: list[bytes], ms: int, form: str) -> None:
        found = self.hash(key)
        n, when = self.deadline(form, ms) if form not in ("", "PERSIST") else (0, NEVER)
        expected = []
        for field in fields:
            expected.append(found.get(field, (None, 0))[0])
            if field in found and form:
                found[field] = found[field][0], when
                if when <= self.now:
                    del found[field]
        words = [form] * bool(form) + [str(n)] * (when < NEVER)
        assert self.call("HGETEX", key, *words, "FIELDS", len(fields), *fields) == expected

    @rule(
        key=KEYS,
        pairs=PAIRS,
        ms=TIMES,
        form=st.sampled_from(["EX", "PX", "EXAT", "PXAT", "KEEPTTL", ""]),
        condition=st.sampled_from(["", "FNX", "FXX"]),
        turned=st.booleans(),
    )
    def setex(
        self, key: bytes, pairs: list[tuple[bytes, bytes]], ms: int, form: str, condition: str, turned: bool
    ) -> None:
        found = self.hash(key)
        named = {field for field, _ in pairs}
        done = {"": True, "FNX": not named & found.keys(), "FXX": named <= found.keys()}[condition]
        n, when = self.deadline(form, ms) if form not in ("", "KEEPTTL") else (0, NEVER)
        words: list[list[Any]] = [[condition] * bool(condition), [form] * bool(form) + [n] * (when < NEVER)]
        if turned:
            words.reverse()
        flat = [word for pair in pairs for word in pair]
        assert self.call("HSETEX", key, *words[0], *words[1], "FIELDS", len(pairs), *flat) == done
        if done:
            for field, value in pairs:
                found[field] = value, found.get(field, ("", NEVER))[1] if form == "KEEPTTL" else when

    # --- whole keys -------------------------------------------------------------------------------------------

    @rule(how=st.sampled_from(["RENAME", "COPY", "DEL", "SET", "MOVE"]))
    def whole(self, how: str) -> None:
        for key in (b"h", b"g"):
            assert self.call("HLEN", key) == len(self.hash(key))  # none of the two is there without a field now
        if how == "DEL" or (how == "SET" and self.call("SET", "h", "v") == b"OK"):
            self.call("DEL", "h")
            self.model[b"h"] = {}
        elif how == "COPY":
            copied = self.call("COPY", "h", "g", "REPLACE")
            if copied:
                self.model[b"g"] = dict(self.hash(b"h"))
        elif how == "MOVE":
            for database in (0, 1):
                self.call("SELECT", database)
                moved = self.call("MOVE", "h", 1 - database)
                assert moved == bool(self.hash(b"h"))
            self.call("SELECT", 0)
        elif not isinstance(self.call("RENAME", "h", "g"), Exception):
            self.model[b"g"] = self.model.pop(b"h")

    @invariant()
    def agrees(self) -> None:
        contents = []
        for server in (self.server, self.follower):
            db = server.dbs[0]
            contents.append({})
            for key, value in db.dict.items():
                if key == b"list":
                    continue
                value.check()
                deadlines = value.expires if isinstance(value, VolatileHashObj) else {}
                contents[-1][key] = (value.fields, deadlines)
                assert value.fields
                if deadlines:
                    assert db.gate and db.volatile[key] <= min(deadlines.values())
                    assert key in db.field_deadlines.buckets[db.volatile[key] >> BUCKET_BITS]
            assert db.volatile.keys() <= db.dict.keys()
            assert all(isinstance(db.dict[key], VolatileHashObj) for key in db.volatile)
            assert not server.dbs[1].dict and not server.dbs[1].volatile
        assert contents[0] == contents[1]
        for key, (fields, deadlines) in contents[0].items():
            live = {f: (v, deadlines.get(f, NEVER)) for f, v in fields.items() if deadlines.get(f, NEVER) > self.now}
            assert live == self.hash(key)
        assert contents[0].keys() >= {key for key in self.model if self.hash(key)}


TestHashFields = HashFields.TestCase
TestHashFields.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
