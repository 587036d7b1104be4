"""Commands made of words thrown together: option names out of order and repeated, odd numbers, names of other keys.

The grammar of ``test_generated`` keeps to the usage of each command, more or less; here next to nothing fits, so it is
the order of the checks that is compared with redis-server's, and their texts. And rules of ACL, likewise.
"""

from __future__ import annotations

import random
import re

import pytest

from tests.differential.grammar import EXCLUDED, declared
from tests.support.raw import RawClient
from tests.support.servers import ServerProcess

COMMANDS = 2500
ROUND = 50
KEYS = ["s", "l", "h", "st", "z", "b", "hll", "g", "set", "nokey", "i"]
_ODD = """0 1 -1 2 10 100 -5 9223372036854775807 -9223372036854775808 18446744073709551615 18446744073709551616
99999999999999999999 1.5 -0 nan inf -inf 1e308 + - (1 [a [ ( * $ > 1-1 1-* 1-0 0-0 5-5 -1-1 1- 1-1-1 = ~ a b abc
4294967295 u8 i64 u64 i65 u0 #1 #-1 km m 0x1 +5 --1 m1 15 37 grp con nogrp"""
ODD = [*_ODD.split(), "", "1 ", " 1", "\0", "x" * 70]
DATA = """SET s hello
SET i 17
SETBIT b 100 1
RPUSH l a b c 1
HSET h a 1 b x c 1.5
SADD set a b 1
ZADD z 1 a 2 b 3 c
PFADD hll a b c
GEOADD g 13.3 38.1 a 15.0 37.5 b
XADD st 1-1 a 1
XADD st 2-1 b 2 c 3
XADD st 5-5 a 1
XGROUP CREATE st grp 0"""
LEFT_OUT = {
    *(
        "SCAN",
        "SWAPDB",
        "SELECT",
        "RESTORE",
        "RESTORE-ASKING",
        "UNWATCH",
        "DUMP",
        "SLOWLOG",
        "DEBUG",
        "SORT",
        "SORT_RO",
    ),
    *("BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BLMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP"),  # they would wait
    *("SETRANGE", "SETBIT", "BITFIELD", "APPEND"),  # of half a gigabyte
}
"""Beside what the generated comparison leaves out."""
LOOSE = {
    *("KEYS", "SMEMBERS", "SINTER", "SUNION", "SDIFF", "HGETALL", "HKEYS", "HVALS", "SSCAN", "HSCAN", "ZSCAN", "SPOP"),
    *("SRANDMEMBER", "HRANDFIELD", "ZRANDMEMBER", "RANDOMKEY", "TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME", "OBJECT"),
    *("XINFO", "XPENDING", "XADD"),
}
"""Of their replies the kind is compared, and errors: order, chance and time decide about the rest."""
DEADLINES = {"SET", "GETEX", "SETEX", "PSETEX", "EXPIRE", "PEXPIRE"}
"""Theirs are far away: nothing expires on one server before it does on the other."""
GROUPS = {"string", "list", "set", "hash", "sorted-set", "bitmap", "hyperloglog", "geo", "stream", "generic"}


def lines(rng: random.Random, count: int) -> list[list[str]]:
    """Commands, most with the right number of words."""
    some = [
        (name.decode().split("|"), spec)
        for name, spec in sorted(declared().items())
        if spec.group in GROUPS and name not in EXCLUDED and name.split(b"|")[0].decode() not in LEFT_OUT
    ]
    some = [(name, spec) for name, spec in some if name[-1] != "HELP"]
    found: list[list[str]] = []
    while len(found) < count:
        name, spec = rng.choice(some)
        options = re.findall(r"[A-Z][A-Z_]+", spec.usage)
        size = max(
            0, abs(spec.arity) - len(name) + rng.choice([0, 0, 0, 1, 1, 2, 3, 4, 5, -1] if spec.arity < 0 else [0])
        )
        words = []
        for at in range(size):
            kind = rng.random()
            if at == 0 and kind < 0.8:
                words.append(rng.choice(KEYS))
            elif kind < 0.35 and options:
                word = rng.choice(options)
                words.append(word if rng.random() < 0.7 else word.lower())
            else:
                words.append(rng.choice(KEYS if kind < 0.45 else ODD))
        if name[0] in DEADLINES:
            words = [word + "000000" if word.isdecimal() and 0 < int(word) < 1000 else word for word in words]
        if not any(word.upper() == "BLOCK" for word in words):
            found.append([*name, *words])
    return found


@pytest.mark.parametrize("protocol", [2, 3])
def test_words_thrown_together(server: ServerProcess, oracle: ServerProcess, protocol: int) -> None:
    rng = random.Random(f"words {protocol}")
    clients = [RawClient(one.connect()) for one in (server, oracle)]
    begin = [["FLUSHALL"], *[line.split() for line in DATA.splitlines()]]
    for client in clients:
        client.call("HELLO", protocol)
    try:
        for _ in range(COMMANDS // ROUND):
            argvs = begin + lines(rng, ROUND)
            encoded = [[word.encode() for word in argv] for argv in argvs]
            replies = [client.pipeline(encoded) for client in clients]
            for argv, mine, other in zip(argvs, *replies, strict=True):
                if argv[0] in LOOSE and mine[:1] == other[:1] != b"-":
                    continue
                assert mine == other, f"{argv}\n ours {mine[:300]!r}\nredis {other[:300]!r}"
    finally:
        for client in clients:
            client.close()


_RULES = """on off nopass resetpass >pw <pw > #abc !zz allkeys ~* ~a* ~ %R~x* %W~y %RW~z %~q %X~q %R resetkeys
allchannels &* &c* & resetchannels allcommands +@all nocommands -@all +get -get +GET +@read -@write
+@nosuch +nosuch -nosuch +config|get -config|get +config|nosuch +config| +| +select|0 -select|0 +get|x
-client +client|id -client|id reset clearselectors (+get (+get~k*) ~k*) (~a) (on) () ( (%R~a -get) (&x) )
sanitize-payload skip-sanitize-payload NOPASS On + - x +@ -@ +@All %w~A %r~B +acl|whoami -acl|whoami
+@scripting -@dangerous +debug|set-active-expire payload"""
RULES = [*_RULES.split(), "", "~a b", "&a b", "( +get ~k* )", "nopass ", "+get "]
RULES += ["#" + "a" * 64, "#" + "A" * 64, "!" + "a" * 64]
TRIALS = """GET k1
SET a1 v
CONFIG GET port
CLIENT ID
PUBLISH c1 x
SUBSCRIBE zz
MGET a1 k1
SORT a1 STORE y
EVAL x 1 a1
XINFO STREAM k2
COPY x1 y
NOSUCH
GET
RENAME a1 y
ZUNIONSTORE y 2 x1 a1
BITFIELD a1 GET u8 0
BITFIELD x1 SET u8 0 1
GETEX x1 EX 10
LMOVE x1 y LEFT RIGHT"""


def test_rules_thrown_together(server: ServerProcess, oracle: ServerProcess) -> None:
    """What ACL SETUSER says of them, the users that come of it (in any order of rules), and what these may do."""
    rng = random.Random("rules")
    clients = [RawClient(one.connect()) for one in (server, oracle)]
    try:
        for turn in range(1500):
            argv = ["ACL", "SETUSER", rng.choice("uv"), *rng.choices(RULES, k=rng.choice([0, 1, 1, 2, 3, 5, 8]))]
            if turn % 20 == 0:
                argv = ["ACL", "DELUSER", "u", "v"]
            mine, other = (client.call(*argv) for client in clients)
            assert mine == other, f"{argv}\n ours {mine!r}\nredis {other!r}"
            for user in "uv":
                mine, other = (client.call("ACL", "GETUSER", user) for client in clients)
                assert _words(mine) == _words(other), f"{argv}\n ours {mine!r}\nredis {other!r}"
            argv = ["ACL", "DRYRUN", rng.choice("uvw"), *rng.choice(TRIALS.splitlines()).split()]
            mine, other = (client.call(*argv) for client in clients)
            assert mine == other, f"{argv}\n ours {mine!r}\nredis {other!r}"
    finally:
        for client in clients:
            client.call("ACL", "DELUSER", "u", "v")
            client.close()


def _words(reply: bytes) -> list[bytes]:
    return sorted(re.sub(rb"[*$]\d+", b"", reply).split())
