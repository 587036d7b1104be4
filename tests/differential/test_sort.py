"""SORT with generated options beside redis-server: the same replies, the same lists stored, the same keys found."""

from __future__ import annotations

import random

import pytest

from tests.support.raw import RawClient
from tests.support.servers import ServerProcess

KEYS = [b"l", b"s", b"z", b"n", b"m", b"ties", b"big", b"none", b"str", b"h"]
PATTERNS = [
    b"w_*",
    b"nosort",
    b"w_*",
    b"h_*->f",
    b"h_*->",
    b"h_*->none",
    b"*_w",
    b"*",
    b"#",
    b"w_*->f",
    b"bad_*",
    b"a\0_*",
    b"x->y*",
    b"h_*->f\0g",
    b"**",
    b"",
]
LIMITS = [
    b"0",
    b"1",
    b"2",
    b"3",
    b"-1",
    b"-2",
    b"100",
    b"x",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"99999999999999999999",
    b"1.5",
]
POPULATE = [
    "rpush l 3 1 2 10 -5 2.5 1e2 0x10",
    "rpush n 5 4 3 2 1 1 2",
    "rpush m b a C B c aa",
    "sadd s 3 1 2 10 20",
    "zadd z 1 b 2 a 3 c 3 1 4 2",
    "rpush ties 1 1.0 01 +1 1e0",
    "set str x",
    "hset h f v",
    "mset w_1 9 w_2 8 w_3 7 w_a 3 w_b 2 w_10 x bad_1 abc 1_w 5 2_w 6",
    "hset h_1 f 3",
    "hset h_2 f 2",
    "hset h_3 g 2",
    "append w_3 5",
    "hset h_a f zz",
    "hset h_b f yy",
]
ODD_NUMBERS = [
    b"",
    b" 1",
    b"1 ",
    b"\t2",
    b"1\0x",
    b"\0",
    b"nan",
    b"inf",
    b"-inf",
    b"1e400",
    b"1e-400",
    b"4e-320",
    b"0e-400",
    b"0x1p3",
    b"1_0",
    b"+",
    b" ",
    b".5",
    b"5.",
    b"-0",
    b"infinity",
    b"0x",
    b"\xc2\xa01",
]


def build(rng: random.Random) -> list[bytes]:
    argv = [rng.choice([b"sort", b"SORT", b"sort_ro"]), rng.choice(KEYS)]
    options = [
        [b"asc"],
        [b"DESC"],
        [b"desc"],
        [b"alpha"],
        [b"Alpha"],
        [b"limit", rng.choice(LIMITS), rng.choice(LIMITS)],
        [b"limit", b"1", b"2"],
        [b"by", rng.choice(PATTERNS)],
        [b"by", rng.choice(PATTERNS)],
        [b"get", rng.choice(PATTERNS)],
        [b"get", rng.choice(PATTERNS)],
        [b"get", b"#"],
        [b"store", rng.choice([b"d1", b"d2", b"l"])],
        [b"foo"],
        [b"limit", b"1"],
    ]
    for option in rng.choices(options, [6] * 13 + [1, 1], k=rng.randint(0, 5)):
        argv += option
    return argv


def ambiguous(argv: list[bytes]) -> bool:
    """Whether Redis leaves the order open: a set that is not sorted, or equal weights under BY … ALPHA."""
    words = [word.lower() for word in argv]
    return b"by" in words and (argv[1] in (b"s", b"ties") or b"alpha" in words)


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("seed", range(8))
def test_generated(server: ServerProcess, oracle: ServerProcess, seed: int, protocol: int) -> None:
    rng = random.Random(seed)
    ours, theirs = RawClient(server.connect()), RawClient(oracle.connect())
    for client in (ours, theirs):
        client.call("HELLO", protocol)
    for round_number in range(10):
        for client in (ours, theirs):
            client.call("FLUSHALL")
            client.pipeline([line.encode().split() for line in POPULATE])
        for _ in range(30):
            argv = build(rng)
            mine, other = ours.call(*argv), theirs.call(*argv)
            if not ambiguous(argv):
                assert mine == other, f"{argv}: ours {mine!r}, redis {other!r}"
            elif mine.startswith((b"*", b"-")):
                assert mine[:3] == other[:3], f"{argv}: ours {mine!r}, redis {other!r}"
            if b"store" in [word.lower() for word in argv]:
                if ambiguous(argv):
                    break  # what was stored may differ from now on
                for key in (b"d1", b"d2", b"l"):
                    for probe in ([b"lrange", key, b"0", b"-1"], [b"object", b"encoding", key]):
                        assert ours.call(*probe) == theirs.call(*probe), argv
        for probe in ([b"object", b"encoding", b"z"], [b"dbsize"]):
            assert ours.call(*probe) == theirs.call(*probe), round_number
    ours.close()
    theirs.close()


@pytest.mark.parametrize("number", ODD_NUMBERS)
def test_numbers(server: ServerProcess, oracle: ServerProcess, number: bytes) -> None:
    replies = []
    for one in (server, oracle):
        client = RawClient(one.connect())
        client.call("RPUSH", "k", "0.5", number, "-1", "7")
        replies.append([client.call("SORT", "k"), client.call("SORT", "k", "ALPHA", "DESC")])
        client.close()
    assert replies[0] == replies[1]


@pytest.mark.parametrize("kind", ["rpush", "sadd"])
def test_many_equal(server: ServerProcess, oracle: ServerProcess, kind: str) -> None:
    """Elements of equal weight are in the order of their bytes, whatever the order in which they are kept."""
    rng = random.Random(kind)
    elements = [b"%d.%s" % (rng.randint(1, 5), b"0" * rng.randint(0, 9)) for _ in range(500)]
    replies = []
    for one in (server, oracle):
        client = RawClient(one.connect())
        client.call(kind, "k", *elements)
        replies.append(
            [client.call("SORT", "k", *words) for words in ([], ["DESC"], ["LIMIT", "100", "50"], ["BY", "none_*"])]
        )
        client.close()
    assert replies[0] == replies[1]


@pytest.mark.parametrize(
    "argv",
    [
        "sort a",
        "sort a store b",
        "sort a store b store c by x_* get store",
        "sort a limit store b",
        "sort a get store b",
        "SORT a LIMIT 0 1 STORE b",
        "sort a store",
        "sort_ro a store b",
        "sort",
        "sort_ro a by x*",
    ],
)
def test_getkeys(server: ServerProcess, oracle: ServerProcess, argv: str) -> None:
    for sub in ("GETKEYS", "GETKEYSANDFLAGS"):
        answers = []
        for one in (server, oracle):
            client = RawClient(one.connect())
            answers.append(client.call("COMMAND", sub, *argv.split()))
            client.close()
        assert answers[0] == answers[1]
