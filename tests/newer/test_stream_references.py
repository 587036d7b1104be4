"""Streams of Redis 8.2: what becomes of the references of groups when entries go (each test names its page)."""

from __future__ import annotations

import random

import pytest

from pyredis.engines.stream import StreamObj
from tests.support.local import DrivenServer, LocalClient, LocalServer, call, run
from tests.support.newer import Feeding

POLICIES = ("KEEPREF", "DELREF", "ACKED")


@pytest.fixture
def c() -> LocalClient:
    return LocalServer().client()


def stream_with_groups(c: LocalClient, entries: int = 5, read: tuple[int, ...] = (4, 4)) -> None:
    """Entries 1-0, 2-0 …, and groups g1, g2 … that have read so many of them."""
    for number in range(1, entries + 1):
        call(c, f"xadd s {number}-0 f {number}")
    for number, count in enumerate(read, 1):
        call(c, f"xgroup create s g{number} 0")
        if count:
            call(c, f"xreadgroup group g{number} me count {count} streams s >")


def ids(c: LocalClient) -> list[int]:
    return [int(entry[0].split("-")[0]) for entry in call(c, "xrange s - +")]


def pending(c: LocalClient, group: str) -> list[int]:
    return [int(entry[0].split("-")[0]) for entry in call(c, f"xpending s {group} - + 100")]


def check(c: LocalClient) -> None:
    value = c.server.dbs[0].peek(b"s")
    assert type(value) is StreamObj
    value.check()


def test_xdelex_of_the_manual(c: LocalClient) -> None:
    """https://redis.io/docs/latest/commands/xdelex/"""
    stream_with_groups(c, 3, ())
    assert call(c, "xdelex s keepref ids 2 1526919030474-55 1526919030474-56") == [-1, -1]
    assert ids(c) == [1, 2, 3]
    assert call(c, "xdelex s ids 3 2-0 2-0 9-9") == [1, -1, -1]
    assert ids(c) == [1, 3]
    assert call(c, "xdelex none acked ids 2 1-0 2-0") == [-1, -1]
    assert call(c, "exists none") == 0
    call(c, "set string x")
    assert call(c, "xdelex string ids 1 1-0").startswith("WRONGTYPE ")


def test_xdelex_policies(c: LocalClient) -> None:
    """https://redis.io/docs/latest/commands/xdelex/"""
    stream_with_groups(c)
    assert call(c, "xdelex s ids 1 1-0") == [1]
    assert (pending(c, "g1"), pending(c, "g2"), ids(c)) == ([1, 2, 3, 4], [1, 2, 3, 4], [2, 3, 4, 5])
    assert call(c, "xdelex s delref ids 1 2-0") == [1]
    assert (pending(c, "g1"), pending(c, "g2"), ids(c)) == ([1, 3, 4], [1, 3, 4], [3, 4, 5])
    assert call(c, "xdelex s delref ids 1 1-0") == [-1], "gone already, but the references go, too"
    assert (pending(c, "g1"), pending(c, "g2")) == ([3, 4], [3, 4])
    call(c, "xack s g1 3-0")
    assert call(c, "xdelex s ids 3 3-0 5-0 6-0 acked") == [2, 2, -1], "pending in one group; read by none; not there"
    call(c, "xack s g2 3-0")
    assert call(c, "xdelex s acked ids 1 3-0") == [1]
    assert ids(c) == [4, 5]
    assert call(c, "xinfo stream s")[9] == "3-0"
    check(c)


def test_acked_where_there_are_no_groups(c: LocalClient) -> None:
    """https://redis.io/docs/latest/commands/xtrim/ ("no consumer groups … no effect")"""
    stream_with_groups(c, 4, ())
    assert call(c, "xdelex s acked ids 1 1-0") == [1]
    assert call(c, "xtrim s acked maxlen 2") == 1
    call(c, "xadd s acked maxlen 2 5-0 f v")
    assert ids(c) == [4, 5]
    assert call(c, "xtrim s minid ~ 9 limit 0 acked") == 2, "a whole block"


def test_a_new_group_has_to_read_everything(c: LocalClient) -> None:
    """https://redis.io/docs/latest/commands/xdelex/ ("read and acknowledged by all consumer groups")"""
    stream_with_groups(c, 2, (2,))
    call(c, "xack s g1 1-0 2-0")
    call(c, "xgroup create s late 1-0")
    assert call(c, "xdelex s acked ids 2 1-0 2-0") == [1, 2]


def test_xackdel_of_the_manual(c: LocalClient) -> None:
    """https://redis.io/docs/latest/commands/xackdel/"""
    stream_with_groups(c, 2, (2,))
    assert call(c, "xackdel s g1 keepref ids 2 1-0 2-0") == [1, 1]
    assert call(c, "xpending s g1") == [0, None, None, None]
    assert call(c, "xrange s - +") == []
    assert call(c, "xackdel s g1 ids 1 1-0") == [-1]
    assert call(c, "xackdel s none ids 1 1-0") == call(c, "xackdel none g1 ids 1 1-0") == [-1]


def test_xackdel_policies(c: LocalClient) -> None:
    """https://redis.io/docs/latest/commands/xackdel/"""
    stream_with_groups(c)
    assert call(c, "xackdel s g1 keepref ids 1 1-0") == [1]
    assert (pending(c, "g1"), pending(c, "g2"), ids(c)) == ([2, 3, 4], [1, 2, 3, 4], [2, 3, 4, 5])
    assert call(c, "xackdel s g1 delref ids 2 2-0 1-0") == [1, -1], "the second is pending elsewhere only: forgotten"
    assert (pending(c, "g1"), pending(c, "g2"), ids(c)) == ([3, 4], [3, 4], [3, 4, 5])
    assert call(c, "xackdel s g1 acked ids 2 3-0 5-0") == [2, -1], "g2 needs it; not pending"
    assert (pending(c, "g1"), pending(c, "g2"), ids(c)) == ([4], [3, 4], [3, 4, 5])
    assert call(c, "xackdel s g2 acked ids 1 3-0") == [1]
    assert ids(c) == [4, 5]
    check(c)


@pytest.mark.parametrize("command", ["xdelex s", "xackdel s g1"])
@pytest.mark.parametrize(
    ("rest", "error"),
    [
        ("ids x 1-0", "ERR Number of IDs must be a positive integer"),
        ("ids 0 1-0", "ERR Number of IDs must be a positive integer"),
        ("ids -1 1-0", "ERR Number of IDs must be a positive integer"),
        ("ids 9223372036854775808 1-0", "ERR Number of IDs must be a positive integer"),
        ("ids 9223372036854775807 1-0", "ERR The `numids` parameter must match the number of arguments"),
        ("ids 3 1-0 2-0", "ERR The `numids` parameter must match the number of arguments"),
        ("ids 1 1-0 2-0", "ERR syntax error"),
        ("keepref acked ids 1 1-0", "ERR syntax error"),
        ("noref ids 1 1-0", "ERR syntax error"),
        ("ids 1 1-0 ids", "ERR syntax error"),
        ("ids 2 1-0 x", "ERR Invalid stream ID specified as stream command argument"),
        ("ids 2 1-0 -", "ERR Invalid stream ID specified as stream command argument"),
    ],
)
def test_no_command(c: LocalClient, command: str, rest: str, error: str) -> None:
    """https://redis.io/docs/latest/commands/xdelex/ and /xackdel/"""
    stream_with_groups(c)
    assert call(c, f"{command} {rest}") == error
    assert (ids(c), pending(c, "g1")) == ([1, 2, 3, 4, 5], [1, 2, 3, 4])


def test_words_that_are_missing(c: LocalClient) -> None:
    assert call(c, "xdelex s keepref ids 1") == "ERR The `numids` parameter must match the number of arguments"
    assert call(c, "xdelex s ids 1") == "ERR wrong number of arguments for 'xdelex' command"
    assert call(c, "xackdel s g ids 1") == "ERR wrong number of arguments for 'xackdel' command"
    assert call(c, "xdelex s keepref 1 1-0") == "ERR syntax error"


def test_trimming_policies(c: LocalClient) -> None:
    """https://redis.io/docs/latest/commands/xtrim/ and /xadd/"""
    stream_with_groups(c, 8, (6, 3))
    call(c, "xdel s 1-0")
    assert call(c, "xtrim s maxlen 5 delref") == 2
    assert (ids(c), pending(c, "g1"), pending(c, "g2")) == ([4, 5, 6, 7, 8], [1, 4, 5, 6], [1]), (
        "what was removed before"
    )
    assert call(c, "xtrim s acked maxlen 0") == 0
    call(c, "xreadgroup group g2 me count 3 streams s >")
    call(c, "xack s g1 4-0 6-0")
    call(c, "xack s g2 4-0 5-0 6-0")
    assert call(c, "xtrim s maxlen = 0 acked") == 2
    assert ids(c) == [5, 7, 8], "5-0 is pending, 7-0 and 8-0 are unread"
    assert call(c, "xinfo stream s")[9] == "6-0", "a gap in the middle"
    assert call(c, "xtrim s minid 6 keepref") == 1
    assert (ids(c), pending(c, "g1")) == ([7, 8], [1, 5])
    check(c)


def test_the_limit_counts_what_is_left(c: LocalClient) -> None:
    """https://redis.io/docs/latest/commands/xtrim/ ("trimming will still stop at the limit")"""
    stream_with_groups(c, 6, (6,))
    call(c, "xack s g1 2-0 3-0 5-0 6-0")
    assert call(c, "xtrim s maxlen 4 acked") == 2
    assert ids(c) == [1, 4, 5, 6]
    assert call(c, "xtrim s minid 6 acked") == 1
    assert ids(c) == [1, 4, 6]


def test_trimming_by_blocks(c: LocalClient) -> None:
    """https://redis.io/docs/latest/commands/xtrim/ ("Nearly exact trimming")"""
    call(c, "config set stream-node-max-entries 3")
    stream_with_groups(c, 10, (10,))
    call(c, "xack s g1 1-0 3-0 4-0 5-0 6-0 7-0")
    assert call(c, "xtrim s maxlen ~ 5 limit 4 acked") == 2, "only the first block is within the limit"
    assert ids(c) == [2, 4, 5, 6, 7, 8, 9, 10]
    assert call(c, "xtrim s minid ~ 6-1 limit 0 acked") == 3
    assert call(c, "xtrim s minid ~ 9 limit 0 acked") == 0, "the block of 8-0 is not all below"
    assert ids(c) == [2, 7, 8, 9, 10]
    assert call(c, "xtrim s maxlen ~ 2 delref") == 1
    assert (ids(c), pending(c, "g1")) == ([7, 8, 9, 10], [8, 9, 10])
    check(c)


def test_xadd_with_a_policy(c: LocalClient) -> None:
    """https://redis.io/docs/latest/commands/xadd/"""
    stream_with_groups(c, 4, (4,))
    call(c, "xack s g1 2-0 4-0")
    assert call(c, "xadd s nomkstream acked maxlen 2 5-0 f v") == "5-0"
    assert ids(c) == [1, 3, 5]
    assert call(c, "xadd s maxlen 1 delref 6-0 f v") == "6-0"
    assert (ids(c), pending(c, "g1")) == ([6], [])
    assert call(c, "xadd s keepref 7-0 f v") == "7-0", "without trimming"
    assert call(c, "xadd s keepref acked 8-0 f v").startswith("ERR Invalid stream ID")
    assert call(c, "xtrim s keepref acked maxlen 2") == "ERR syntax error"
    assert call(c, "xtrim s acked delref") == "ERR syntax error"
    assert call(c, "xtrim s acked minid").startswith("ERR syntax error")


@pytest.mark.parametrize("release", ["7.0", "7.4", "8.0"])
def test_not_before_8_2(release: str) -> None:
    c = LocalServer(release).client()
    for name in ("XDELEX", "XACKDEL"):
        assert call(c, f"{name} s g ids 1 1-0").startswith(f"ERR unknown command '{name}', with args beginning with: ")
    for policy in POLICIES:
        assert call(c, f"xadd s {policy} 1-0 f v") == "ERR Invalid stream ID specified as stream command argument"
        assert call(c, f"xtrim s maxlen 2 {policy}") == "ERR syntax error"


def test_what_is_announced_and_propagated() -> None:
    f = Feeding()
    for line in ("xadd s 1-0 f v", "xadd s 2-0 f v", "xadd s 3-0 f v", "xadd s 4-0 f v", "xgroup create s g 0"):
        f.call(*line.split())
    f.call(*b"xreadgroup group g me streams s >".split())
    f.clear()
    for line in ("xdelex s acked ids 1 1-0", "xdelex s ids 1 9-0", "xackdel s x ids 1 1-0", "xtrim s acked maxlen 0"):
        f.call(*line.split())
    assert (f.events, f.fed) == ([], [])
    f.call(*b"xackdel s g acked ids 2 1-0 9-0".split())
    f.call(*b"xdelex s ids 1 2-0".split())
    f.call(*b"xdelex s delref ids 1 2-0".split())  # only a reference
    f.call(*b"xack s g 4-0".split())
    f.call(*b"config set stream-node-max-entries 1".split())
    f.call(*b"xadd s acked minid ~ 5 5-0 f v".split())
    f.call(*b"xtrim s minid = 5 acked".split())  # what is left is pending
    assert f.events == [b"xdel s", b"xdel s", b"xadd s", b"xtrim s"]
    assert [b" ".join(argv) for argv in f.fed] == [
        b"xackdel s g acked ids 2 1-0 9-0",
        b"xdelex s ids 1 2-0",
        b"xdelex s delref ids 1 2-0",
        b"xack s g 4-0",
        b"xadd s acked MAXLEN = 2 5-0 f v",
    ]


def test_replaying_what_is_propagated() -> None:
    """Whatever was trimmed, and however approximately: who replays it has the same stream."""
    rng = random.Random(5)
    for _ in range(40):
        f = Feeding()
        copy = DrivenServer().client()
        f.call("config", "set", "stream-node-max-entries", "4")
        last = 0
        for _ in range(60):
            roll = rng.randrange(10)
            group = rng.choice("gh")
            policy = rng.choice(POLICIES)
            some = b" ".join(b"%d-0" % rng.randint(1, last + 1) for _ in range(3))
            if roll < 3:
                last += 1
                f.call("xadd", "s", policy, "maxlen", rng.choice("=~"), rng.randint(4, 20), f"{last}-0", "f", "v")
            elif roll == 3:
                f.call("xgroup", "create", "s", group, "0")
            elif roll == 4:
                f.call("xreadgroup", "group", group, rng.choice("ab"), "count", 6, "streams", "s", ">")
            elif roll == 5:
                f.call("xack", "s", group, *some.split())
            elif roll == 6:
                f.call("xdelex", "s", policy, "ids", "3", *some.split())
            elif roll == 7:
                f.call("xackdel", "s", group, policy, "ids", "3", *some.split())
            elif roll == 8:
                f.call("xtrim", "s", "minid", rng.choice("=~"), rng.randint(0, last), policy)
            else:
                f.call("xtrim", "s", "maxlen", rng.choice("=~"), rng.randint(0, 10), policy)
        check(f.client)
        for argv in f.fed:
            copy.call(*argv)
        for line in ("xrange s - +", "xpending s g - + 99", "xpending s h - + 99"):
            mine, theirs = call(f.client, line), call(copy, line)
            assert len(mine) == len(theirs)
            assert isinstance(mine, str) or [one[:2] for one in mine] == [one[:2] for one in theirs]


def test_keys_and_documentation(c: LocalClient) -> None:
    """https://redis.io/docs/latest/commands/command-getkeys/"""
    assert run(c, "command getkeys xdelex s ids 1 1-0\ncommand getkeys xackdel s g ids 1 1-0") == [["s"], ["s"]]
