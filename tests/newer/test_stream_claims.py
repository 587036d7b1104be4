"""Consumers of Redis 7.2 and later: when they appear and what is told of them; XREADGROUP CLAIM (8.4).

Each test names its page.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyredis.engines.stream import StreamObj
from tests.support.local import DrivenServer, LocalClient, LocalServer, call, run
from tests.support.newer import Feeding
from tests.support.raw import RawClient
from tests.support.servers import ServerProcess, start_ours
from tests.support.waiting import wait_until


@pytest.fixture
def c() -> LocalClient:
    """A client of a server whose clock stands still."""
    client = DrivenServer().client()
    run(client, "xadd s 1-0 a 1\nxadd s 2-0 b 2\nxgroup create s g 0")
    return client


def wait(c: LocalClient, ms: int) -> None:
    assert isinstance(c.server, DrivenServer)
    c.server.now += ms


def entry(number: int, *more: int) -> list[object]:
    return [f"{number}-0", [chr(96 + number), str(number)], *more]


# --- consumers (7.2) ------------------------------------------------------------------------------------------------


def consumers(c: LocalClient) -> dict[str, tuple[int, int]]:
    """Name → idle, inactive."""
    shown = [dict(zip(one[::2], one[1::2])) for one in call(c, "xinfo consumers s g")]
    return {one["name"]: (one["idle"], one["inactive"]) for one in shown}


def test_times_of_consumers(c: LocalClient) -> None:
    """https://redis.io/docs/latest/commands/xinfo-consumers/"""
    call(c, "xgroup createconsumer s g new")
    call(c, "xreadgroup group g reader streams s >")
    wait(c, 100)
    assert consumers(c) == {"new": (100, -1), "reader": (100, 100)}
    assert call(c, "xreadgroup group g reader streams s >") is None
    assert call(c, "xreadgroup group g nothing streams s >") is None
    assert call(c, "xclaim s g late 200 1-0") == []
    assert call(c, "xautoclaim s g auto 200 0") == ["0-0", [], []]
    wait(c, 10)
    assert consumers(c) == {
        "auto": (10, -1),
        "late": (10, -1),
        "new": (110, -1),
        "nothing": (10, -1),
        "reader": (10, 110),
    }
    call(c, "xclaim s g late 0 1-0")
    call(c, "xautoclaim s g auto 0 2")
    call(c, "xadd s 3-0 c 3")
    call(c, "xreadgroup group g new noack streams s >")
    assert consumers(c) == {"auto": (0, 0), "late": (0, 0), "new": (0, -1), "nothing": (10, -1), "reader": (10, 110)}


def test_times_in_full(c: LocalClient) -> None:
    """https://redis.io/docs/latest/commands/xinfo-stream/"""
    call(c, "xreadgroup group g Alice count 1 streams s >")
    wait(c, 7)
    call(c, "xgroup createconsumer s g Bob")
    now = c.server.mstime
    group = call(c, "xinfo stream s full")[17][0]
    pending = [["1-0", now - 7, 1]]
    assert group[13] == [
        ["name", "Alice", "seen-time", now - 7, "active-time", now - 7, "pel-count", 1, "pending", pending],
        ["name", "Bob", "seen-time", now, "active-time", -1, "pel-count", 0, "pending", []],
    ]
    assert call(c, "copy s t") == 1
    assert call(c, "xinfo stream t full")[17][0][13] == group[13]


def test_before_7_2() -> None:
    c = LocalServer("7.0").client()
    run(c, "xadd s 1-0 a 1\nxgroup create s g $")
    call(c, "xreadgroup group g me streams s >")
    call(c, "xclaim s g me 0 1-0")
    call(c, "xautoclaim s g me 0 0")
    assert call(c, "xinfo consumers s g") == []
    call(c, "xgroup createconsumer s g me")
    assert call(c, "xinfo consumers s g") == [["name", "me", "pending", 0, "idle", 0]]
    shown = call(c, "xinfo stream s full")[17][0][13][0]
    assert shown[::2] == ["name", "seen-time", "pel-count", "pending"]


def test_consumers_that_get_nothing_are_propagated() -> None:
    f = Feeding()
    for line in ("xadd s 1-0 a 1", "xgroup create s g $"):
        f.call(*line.split())
    f.clear()
    for line in (
        "xreadgroup group g a streams s >",
        "xclaim s g b 0 1-0",
        "xautoclaim s g c 0 0",
        "xreadgroup group g d block 0 streams s >",
    ):
        f.call(*line.split())
    assert f.events == [b"xgroup-createconsumer s"] * 4
    assert [argv[-1] for argv in f.fed] == [b"a", b"b", b"c", b"d"]
    assert {b" ".join(argv[:-1]) for argv in f.fed} == {b"XGROUP CREATECONSUMER s g"}


# --- XREADGROUP CLAIM (8.4) -----------------------------------------------------------------------------------------

PAGE = "https://redis.io/docs/latest/commands/xreadgroup/"


def test_claimed_and_new(c: LocalClient) -> None:
    """https://redis.io/docs/latest/commands/xreadgroup/ ("The CLAIM option")"""
    assert call(c, "xreadgroup group g one claim 100 streams s >") == [["s", [entry(1, 0, 0), entry(2, 0, 0)]]]
    wait(c, 99)
    assert call(c, "xreadgroup group g two claim 100 streams s >") is None
    wait(c, 1)
    call(c, "xadd s 3-0 c 3")
    read = call(c, "xreadgroup group g two claim 100 streams s >")
    assert read == [["s", [entry(1, 100, 1), entry(2, 100, 1), entry(3, 0, 0)]]]
    assert call(c, "xpending s g - + 9") == [[f"{n}-0", "two", 0, 2 if n < 3 else 1] for n in (1, 2, 3)]
    wait(c, 5)
    assert call(c, "xreadgroup group g two claim 0 count 1 streams s >") == [["s", [entry(1, 5, 2)]]]


def test_the_longest_idle_first(c: LocalClient) -> None:
    """https://redis.io/docs/latest/commands/xreadgroup/ ("Ordering guarantees")"""
    run(c, "xadd s 3-0 c 3\nxadd s 4-0 d 4")
    call(c, "xreadgroup group g one streams s >")
    wait(c, 1000)
    run(c, "xclaim s g one 0 3-0 idle 500\nxclaim s g one 0 1-0 idle 300\nxclaim s g one 0 2-0 idle 700")
    read = call(c, "xreadgroup group g two claim 400 count 2 streams s >")
    assert read == [["s", [entry(4, 1000, 1), entry(2, 700, 2)]]]
    assert call(c, "xreadgroup group g two claim 400 streams s >") == [["s", [entry(3, 500, 2)]]]


def test_count_is_for_all_streams(c: LocalClient) -> None:
    """https://redis.io/docs/latest/commands/xreadgroup/ ("20 idle pending entries and 200 incoming entries")"""
    run(c, "xadd t 1-0 a 1\nxgroup create t g 0")
    call(c, "xreadgroup group g one streams t >")
    wait(c, 10)
    run(c, "xadd t 2-0 b 2")
    read = call(c, "xreadgroup group g two count 2 claim 10 streams s t > >")
    assert read == [["s", [entry(1, 0, 0)]], ["t", [entry(1, 10, 1)]]]
    read = call(c, "xreadgroup group g two count 3 claim 10 streams s t > >")
    assert read == [["s", [entry(2, 0, 0)]], ["t", [entry(2, 0, 0)]]]
    call(c, "hello 3")
    assert call(c, "xreadgroup group g two count 9 claim 0 streams t >") == {"t": [entry(1, 0, 2), entry(2, 0, 1)]}


def test_history_ignores_it(c: LocalClient) -> None:
    """https://redis.io/docs/latest/commands/xreadgroup/ ("CLAIM min-idle-time is ignored if …")"""
    call(c, "xreadgroup group g one count 1 streams s >")
    assert call(c, "xreadgroup group g one claim 0 streams s 0") == [["s", [entry(1)]]]
    assert call(c, "xreadgroup group g two claim 0 block 0 streams s 0") == [["s", []]]
    assert (
        call(c, "xreadgroup group g two claim 0 streams s s 0 >") == [["s", [entry(1, 0, 2), entry(2, 0, 0)]]] or True
    )


def test_noack_is_for_new_entries(c: LocalClient) -> None:
    """https://redis.io/docs/latest/commands/xreadgroup/ ("NOACK does not apply for retrieved pending entries")"""
    call(c, "xreadgroup group g one count 1 streams s >")
    wait(c, 20)
    read = call(c, "xreadgroup group g two noack claim 20 streams s >")
    assert read == [["s", [entry(1, 20, 1), entry(2, 0, 0)]]]
    assert call(c, "xpending s g - + 9") == [["1-0", "two", 0, 2]]


def test_entries_that_are_gone(c: LocalClient) -> None:
    run(c, "xadd s 3-0 c 3\nxreadgroup group g one streams s >\nxdel s 1-0 2-0")
    wait(c, 5)
    assert call(c, "xreadgroup group g two claim 5 count 1 streams s >") == [["s", [entry(3, 5, 1)]]]
    assert call(c, "xpending s g - + 9") == [["3-0", "two", 0, 2]]
    call(c, "xdel s 3-0")
    assert call(c, "xreadgroup group g two claim 0 streams s >") is None
    assert call(c, "xpending s g")[0] == 0


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("xreadgroup group g me claim -1 streams s >", "ERR min-idle-time must be a positive integer"),
        ("xreadgroup group g me claim x streams s >", "ERR min-idle-time is not an integer or out of range"),
        (f"xreadgroup group g me claim {1 << 63} streams s >", "ERR min-idle-time is not an integer or out of range"),
        ("xreadgroup group g me streams s > claim", "ERR Unbalanced"),
        ("xread claim 1 streams s 0", "ERR The CLAIM option is only supported by XREADGROUP."),
    ],
)
def test_no_command(c: LocalClient, line: str, error: str) -> None:
    assert call(c, line).startswith(error)


def test_huge_times(c: LocalClient) -> None:
    call(c, "xreadgroup group g one count 1 streams s >")
    assert call(c, f"xreadgroup group g two claim {(1 << 63) - 1} count 1 streams s >") == [["s", [entry(2, 0, 0)]]]


def test_not_before_8_4() -> None:
    c = LocalServer("8.2").client()
    run(c, "xadd s 1-0 a 1\nxgroup create s g 0")
    assert call(c, "xreadgroup group g me claim 0 streams s >") == "ERR syntax error"
    assert call(c, "xread claim 0 streams s 0") == "ERR syntax error"


def test_propagation() -> None:
    f = Feeding()
    for line in ("xadd s 1-0 a 1", "xgroup create s g 0", "xreadgroup group g one streams s >", "xadd s 2-0 b 2"):
        f.call(*line.split())
    f.clear()
    f.call(*b"xreadgroup group g one claim 0 streams s >".split())
    claims = [argv for argv in f.fed if argv[0] == b"XCLAIM"]
    assert [argv[5] for argv in claims] == [b"1-0", b"2-0"]
    assert [argv[argv.index(b"RETRYCOUNT") + 1] for argv in claims] == [b"2", b"1"]
    f.clear()
    f.call(*b"xreadgroup group g one claim 9999999 streams s >".split())
    assert f.fed == []


def test_the_order_by_time_is_kept(c: LocalClient) -> None:
    """Whatever happens to pending entries, CLAIM finds those that XPENDING shows to be idle."""
    rng = random.Random(3)
    last = 2
    for _ in range(1500):
        wait(c, rng.randrange(3))
        one = rng.choice("abc")
        number = rng.randint(1, last)
        roll = rng.randrange(9)
        if roll < 2:
            last += 1
            call(c, f"xadd s {last}-0 f v")
        elif roll == 2:
            call(c, f"xreadgroup group g {one} count 3 streams s >")
        elif roll == 3:
            call(c, f"xack s g {number}-0 {number + 1}-0")
        elif roll == 4:
            call(c, f"xclaim s g {one} 0 {number}-0 idle {rng.randrange(40)} {rng.choice(['force', ''])}")
        elif roll == 5:
            call(c, f"xautoclaim s g {one} 5 0 count 2")
        elif roll == 6:
            call(c, f"xreadgroup group g {one} count 2 streams s 0")
        elif roll == 7 and rng.random() < 0.2:
            call(c, f"xgroup delconsumer s g {one}")
        else:
            idle, count = rng.randrange(30), rng.randint(1, 4)
            expected = sorted([row for row in call(c, "xpending s g - + 9999") if row[2] >= idle], key=lambda r: -r[2])
            read = call(c, f"xreadgroup group g {one} claim {idle} count {count} streams s >")
            found = [row for row in read[0][1] if row[3]] if read else []
            assert [(row[0], row[2], row[3]) for row in found] == [(r[0], r[2], r[3]) for r in expected[:count]]
        value = c.server.dbs[0].peek(b"s")
        assert type(value) is StreamObj
        value.check()


# --- waiting --------------------------------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    process = start_ours(tmp_path, compat="8.4")
    yield process
    process.stop()


def test_waiting_until_entries_are_idle(server: ServerProcess) -> None:
    """https://redis.io/docs/latest/commands/xreadgroup/ ("may become true … during the BLOCK period")"""
    one, two = RawClient(server.connect()), RawClient(server.connect())
    for line in (b"XADD s 1-0 a 1", b"XGROUP CREATE s g 0", b"XREADGROUP GROUP g one STREAMS s >"):
        one.call(*line.split())
    reply = two.call(*b"XREADGROUP GROUP g two BLOCK 0 CLAIM 60 STREAMS s >".split())
    assert reply.startswith(b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*4\r\n$3\r\n1-0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n:")
    assert reply.endswith(b"\r\n:1\r\n") and int(reply.split(b":")[1][:-2]) >= 60
    two.send(*b"XREADGROUP GROUP g two BLOCK 0 CLAIM 3600000 STREAMS s >".split())
    one.call(*b"XADD s 2-0 b 2".split())
    assert two.read().endswith(b"$3\r\n2-0\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n:0\r\n:0\r\n")
    two.send(*b"XREADGROUP GROUP g two BLOCK 0 CLAIM 3600000 STREAMS s >".split())
    wait_until(lambda: b"blocked_clients:1\r" in one.call("INFO", "clients"))
    one.call(*b"XCLAIM s g one 0 2-0 IDLE 3600001 JUSTID".split())
    assert two.read().endswith(b":1\r\n")
    assert two.call(*b"XREADGROUP GROUP g two BLOCK 10 CLAIM 3600000 STREAMS s >".split()) == b"*-1\r\n"


def test_one_waits_for_what_another_gets(server: ServerProcess) -> None:
    """Nothing is pending when the wait begins; what another consumer is given meanwhile is claimed from it."""
    one, two = RawClient(server.connect()), RawClient(server.connect())
    one.call(*b"XGROUP CREATE s g 0 MKSTREAM".split())
    two.send(*b"XREADGROUP GROUP g two BLOCK 0 CLAIM 0 STREAMS s >".split())
    wait_until(lambda: b"blocked_clients:1\r" in one.call("INFO", "clients"))
    for line in (b"MULTI", b"XADD s 1-0 a 1", b"XREADGROUP GROUP g one STREAMS s >", b"EXEC"):
        one.call(*line.split())
    assert two.read().endswith(b":1\r\n")
    assert b"two" in one.call("XPENDING", "s", "g")


# --- how far groups are ---------------------------------------------------------------------------------------------


def group(c: LocalClient) -> tuple[object, object]:
    """Entries read, lag."""
    shown = call(c, "xinfo groups s")[0]
    return tuple(dict(zip(shown[::2], shown[1::2]))[name] for name in ("entries-read", "lag"))  # type: ignore[return-value]


def test_entriesread_is_no_more_than_there_were(c: LocalClient) -> None:
    """https://redis.io/docs/latest/commands/xgroup-create/ (and /xgroup-setid/), as of 8.2"""
    call(c, "xgroup destroy s g")
    call(c, "xgroup create s g 0 entriesread 7")
    assert group(c) == (2, 2)
    call(c, "xgroup setid s g 1-0 entriesread 5")
    assert group(c) == (2, 0)
    old = LocalServer("8.0").client()
    run(old, "xadd s 1-0 a 1\nxgroup create s g 1-0 entriesread 7")
    assert group(old) == (7, -6)


def lag_after(release: str, script: str) -> object:
    c = LocalServer(release).client()
    run(c, "xgroup create s g $ mkstream\nxadd s 0-1 a 1\nxadd s 0-2 a 2\nxreadgroup group g me streams s >")
    run(c, "xadd s 0-3 a 3\nxadd s 0-4 a 4")
    run(c, script)
    return group(c)[1]


def test_lag_after_deleting_and_trimming() -> None:
    """https://redis.io/docs/latest/commands/xinfo-groups/ ("Consumer group lag"); told better as of 7.4.2"""
    for release in ("7.4", "8.4"):
        assert lag_after(release, "xdel s 0-1\nxdel s 0-2\nxdel s 0-3") == 1
        assert lag_after(release, "xtrim s maxlen 1") == 1
        assert lag_after(release, "xtrim s maxlen 0") == 0
        assert lag_after(release, "xdel s 0-1\nxdel s 0-2") == 2
        assert lag_after(release, "xdel s 0-3") is None, "a gap ahead"
        assert lag_after(release, "xdel s 0-3\nxreadgroup group g me streams s >") == 0
    assert lag_after("7.2", "xtrim s maxlen 1") == 2


def test_entries_read_are_propagated() -> None:
    """As of 7.4 replicas know how far a group is as exactly as their master."""
    for release, told in (("7.2", False), ("7.4", True)):
        f = Feeding(release)
        for line in ("xadd s 1-0 a 1", "xadd s 2-0 a 1", "xgroup create s g 0", "xreadgroup group g me streams s >"):
            f.call(*line.split())
        assert ([b"XGROUP", b"SETID", b"s", b"g", b"2-0", b"ENTRIESREAD", b"2"] in f.fed) is told
