"""The memory limit in a small process: every policy and type, what is refused, what listeners hear, hostile data."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.raw import RawClient, encode
from tests.support.servers import ServerProcess, start_ours
from tests.support.waiting import wait_until

if not sys.platform.startswith("linux"):
    pytest.skip("memory is measured on Linux", allow_module_level=True)

OOM = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
MB = 1 << 20
LIMIT = 4 * MB


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    process = start_ours(tmp_path_factory.mktemp("evict"), "--enable-debug-command", "yes", compat="")
    yield process
    process.stop()


@pytest.fixture
def client(server: ServerProcess) -> Iterator[RawClient]:
    """A client of a server that is as if it had just been started."""
    c = RawClient(server.connect())
    assert c.call("FLUSHALL") == b"+OK\r\n"
    assert c.call("CONFIG", "RESETSTAT") == b"+OK\r\n"
    yield c
    limit(c, 0, "noeviction")
    assert c.call("CONFIG", "SET", "maxmemory-clients", 0, "notify-keyspace-events", "") == b"+OK\r\n"
    c.close()


def limit(c: RawClient, size: int, policy: str) -> None:
    assert c.call("CONFIG", "SET", "maxmemory", size, "maxmemory-policy", policy) == b"+OK\r\n"


def field(c: RawClient, name: str) -> int:
    found = re.search(rb"\r\n%b:(\d+)" % name.encode(), c.call("INFO", "everything"))
    assert found, name
    return int(found[1])


def number(reply: bytes) -> int:
    assert reply[:1] == b":", reply
    return int(reply[1:])


def resident(process: ServerProcess) -> int:
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * 4096


def fill(c: RawClient, make: Callable[[int], list[bytes]], size: int, first: int = 0) -> tuple[int, int]:
    """Send commands of ``size`` bytes together; how many there were, and how many were refused."""
    sent, at, refused = 0, first, 0
    while sent < size:
        batch = b"".join([encode(make(at + n)) for n in range(200)])
        c.sock.sendall(batch)
        at += 200
        sent += len(batch)
        for _ in range(200):
            reply = c.read()
            if reply[:1] == b"-":
                assert reply == OOM
                refused += 1
    return at - first, refused


def fill_up(c: RawClient) -> None:
    """Fill the memory with small strings until no more fits in."""
    fill(c, small, 3 * MB)
    assert refused(c, "SET", "a", "b")


def refused(c: RawClient, *argv: str) -> bool:
    """Whether a command is refused for lack of memory: at once, or after a little more, as requests take some, too."""
    for n in range(5000):
        if c.call(*argv) == OOM:
            return True
        c.call("RPUSH", "more", b"%0100d" % n)
    return False


def small(n: int) -> list[bytes]:
    return [b"SET", b"k%d" % n, b"value%d" % n]


def expiring(n: int) -> list[bytes]:
    return [b"SET", b"k%d" % n, b"x" * 100, b"EX", b"%d" % (9000 + n % 7)]


def sorted_set(n: int) -> list[bytes]:
    return [b"ZADD", b"k%d" % n, *[word for e in range(n % 60 + 1) for word in (b"%d" % e, b"m%d" % e)]]


_RNG = random.Random(5)
TYPES: dict[str, Callable[[int], list[bytes]]] = {
    "small": small,
    "strings": lambda n: [b"SET", b"k%d" % n, b"x" * _RNG.randint(100, 3000)],
    "large": lambda n: [b"SET", b"k%d" % n, b"x" * _RNG.randint(20_000, 60_000)],
    "list": lambda n: [b"RPUSH", b"k%d" % n, *[b"e%d" % e for e in range(_RNG.randint(1, 60))]],
    "hash": lambda n: [b"HSET", b"k%d" % n, *[b"f%d" % e for e in range(2 * _RNG.randint(1, 30))]],
    "set": lambda n: [b"SADD", b"k%d" % n, *[b"m%d" % (n * e) for e in range(_RNG.randint(1, 60))]],
    "zset": sorted_set,
    "stream": lambda n: [b"XADD", b"k%d" % (n // 20), b"*", b"f", b"v%d" % n, b"g", b"w"],
    "expiring": lambda n: [b"SET", b"k%d" % n, b"v%d" % n, b"EX", b"%d" % _RNG.randint(1000, 90_000)],
}


@pytest.mark.parametrize("kind", TYPES)
def test_filling_past_the_limit_keeps_the_process_small(server: ServerProcess, client: RawClient, kind: str) -> None:
    empty = 40 * MB  # with what earlier tests have left behind
    limit(client, LIMIT, "allkeys-lru")
    _, refused = fill(client, TYPES[kind], 6 * MB if kind in ("strings", "large") else 2 * MB)
    assert refused == 0
    evicted, keys = field(client, "evicted_keys"), number(client.call("DBSIZE"))
    assert evicted > 0
    assert keys > 0
    assert field(client, "used_memory") < LIMIT * 1.3
    assert resident(server) < 1.35 * (LIMIT + empty)


@pytest.mark.parametrize(
    "policy",
    ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"],
)
def test_keys_go_by_the_policy(client: RawClient, policy: str) -> None:
    volatile = policy.startswith("volatile")
    limit(client, LIMIT, policy)
    kept = [b"kept%d" % n for n in range(50)]
    client.pipeline([[b"SET", key, b"v", b"EX", b"800000"] for key in kept])
    if volatile:
        client.pipeline([[b"SET", b"lasting%d" % n, b"v"] for n in range(50)])
    at, most = 0, 0
    for _ in range(60):
        n, refused = fill(
            client, lambda n: [b"SET", b"k%d" % n, b"x" * 100, b"EX", b"%d" % (9000 + n % 7)], 1 << 17, at
        )
        at += n
        assert refused == 0
        client.pipeline([[b"GET", key] for key in kept])
        most = max(most, number(client.call("DBSIZE")))
    assert field(client, "evicted_keys") > most // 4
    found = number(client.call("EXISTS", *kept))
    if policy.endswith(("-lru", "-lfu")):
        state = (found, client.call("DBSIZE"), client.call("INFO", "memory"), client.call("INFO", "stats"))
        assert found >= 45, ("what is used all the time stays", state)
    if policy == "volatile-ttl":
        assert found == 50, "what is due last goes last"
    if volatile:
        assert number(client.call("EXISTS", *[f"lasting{n}" for n in range(50)])) == 50


def test_without_a_key_that_may_go_writes_are_refused(client: RawClient) -> None:
    for policy in ("noeviction", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"):
        client.call("FLUSHALL")
        client.call("CONFIG", "RESETSTAT")
        limit(client, LIMIT, policy)
        sent, refusals = fill(client, small, 3 * MB)
        assert 0 < refusals < sent, policy
        assert field(client, "evicted_keys") == 0
        assert field(client, "used_memory") < LIMIT * 1.3, "when it is full the table of keys may just have grown"
        fill_up(client)
        for line in ("LPUSH l a", "SADD s a", "HSET h f v", "ZADD z 1 a", "XADD x * f v", "INCR n", "APPEND k1 x"):
            assert refused(client, *line.split()), line
        assert client.call("GET", "k1") == b"$6\r\nvalue1\r\n"
        assert client.call("DEL", "k2") == b":1\r\n"
        assert client.call("LPOP", "none") in (b"$-1\r\n", b"_\r\n")
        assert client.call("EXPIRE", "k1", "1000") == b":1\r\n"
        if policy.startswith("volatile"):
            assert client.call("SET", "one", "more") in (b"+OK\r\n", OOM)
            assert client.call("EXISTS", "k1") == b":0\r\n", "the only one that may go"
        client.call("FLUSHALL")
        assert client.call("SET", "one", "more") == b"+OK\r\n"


def test_transactions_while_memory_is_short(client: RawClient, server: ServerProcess) -> None:
    limit(client, LIMIT, "noeviction")
    other = RawClient(server.connect())
    assert other.call("MULTI") == b"+OK\r\n"
    assert other.call("SET", "a", "b") == b"+QUEUED\r\n"
    reader = RawClient(server.connect())
    assert reader.call("MULTI") == b"+OK\r\n"
    assert reader.call("GET", "k1") == b"+QUEUED\r\n"
    fill_up(client)
    aborted = (
        b"-EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.\r\n"
    )
    assert other.call("EXEC") == aborted
    assert reader.call("EXEC") == b"*1\r\n$6\r\nvalue1\r\n"
    assert reader.call("MULTI") == b"+OK\r\n"
    assert refused(client, "SET", "a", "b")
    assert reader.call("GET", "k1") == OOM, "queueing takes memory, too"
    assert reader.call("EXEC") == b"-EXECABORT Transaction discarded because of previous errors.\r\n"
    assert reader.call("MULTI") == b"+OK\r\n"
    assert reader.call("DISCARD") == b"+OK\r\n"
    other.close()
    reader.close()


def test_a_transaction_may_make_others_go(client: RawClient) -> None:
    limit(client, LIMIT, "allkeys-lru")
    fill(client, small, 2 * MB)
    lines = [[b"MULTI"], *[[b"SET", b"tx%d" % n, b"y" * 1000] for n in range(2000)], [b"EXEC"]]
    replies = client.pipeline(lines)
    assert replies[-1].count(b"+OK") == 2000
    fill(client, small, MB, 1_000_000)
    assert field(client, "used_memory") < LIMIT * 1.3


def test_a_value_larger_than_the_limit(client: RawClient) -> None:
    limit(client, LIMIT, "allkeys-lru")
    client.call("SET", "a", "b")
    assert client.call("SET", "huge", b"x" * 3 * LIMIT) in (OOM, b"+OK\r\n")
    wait_until(lambda: client.call("SET", "a", "b") == b"+OK\r\n")
    assert client.call("EXISTS", "huge") == b":0\r\n"
    assert client.call("SETRANGE", "sparse", 4 * LIMIT, "x")[:1] in b":-"
    wait_until(lambda: client.call("SET", "a", "b") == b"+OK\r\n" and client.call("EXISTS", "sparse") == b":0\r\n")
    limit(client, LIMIT, "noeviction")
    client.call("RPUSH", "big", *[b"%0500d" % n for n in range(2000)])
    replies = client.pipeline([[b"SORT", b"big", b"BY", b"x", b"STORE", b"copy%d" % n] for n in range(2000)])
    assert 1 <= replies.count(b":2000\r\n") < 300
    assert replies[-1] == OOM


def test_a_limit_below_what_is_used(client: RawClient) -> None:
    fill(client, small, 2 * MB)
    keys = number(client.call("DBSIZE"))
    used = field(client, "used_memory")
    limit(client, used // 4, "allkeys-random")
    wait_until(lambda: field(client, "used_memory") <= used // 4)
    assert 0 < number(client.call("DBSIZE")) < keys // 2
    assert client.call("SET", "a", "b") == b"+OK\r\n"
    limit(client, 1, "allkeys-random")
    wait_until(lambda: client.call("DBSIZE") == b":0\r\n")
    assert client.call("SET", "a", "b") == OOM
    assert client.call("PING") == b"+PONG\r\n"
    limit(client, 0, "allkeys-random")
    assert client.call("SET", "a", "b") == b"+OK\r\n"


def test_room_is_made_in_every_database(client: RawClient) -> None:
    limit(client, LIMIT, "allkeys-lru")
    for db in (0, 3, 9):
        client.call("SELECT", db)
        fill(client, small, 3 * MB)
    sizes = []
    for db in (0, 3, 9):
        client.call("SELECT", db)
        sizes.append(number(client.call("DBSIZE")))
    assert sizes[0] < sizes[2]
    assert field(client, "evicted_keys") > 0


def test_what_listeners_hear(client: RawClient, server: ServerProcess) -> None:
    """Events, invalidations, spikes of latency, WATCH, and clients that wait for what goes."""
    listener, cache, waiting = (RawClient(server.connect()) for _ in range(3))
    client.call("CONFIG", "SET", "notify-keyspace-events", "Ee", "latency-monitor-threshold", 1)
    client.call("LATENCY", "RESET")
    listener.call("SUBSCRIBE", "__keyevent@0__:evicted")
    cache.call("HELLO", 3)
    cache.call("CLIENT", "TRACKING", "ON")
    client.call("SET", "cached", "v")
    cache.call("GET", "cached")
    client.call("XGROUP", "CREATE", "stream", "group", "0", "MKSTREAM")
    waiting.send("XREADGROUP", "GROUP", "group", "me", "BLOCK", 0, "STREAMS", "stream", ">")
    wait_until(lambda: field(client, "blocked_clients") == 1)
    limit(client, LIMIT, "allkeys-random")
    for line in (("WATCH", "cached"), ("MULTI",), ("PING",)):
        cache.call(*line)
    fill(client, small, 3 * MB)
    assert listener.read().startswith(b"*3\r\n$7\r\nmessage\r\n$22\r\n__keyevent@0__:evicted\r\n$")
    limit(client, 1, "allkeys-random")
    wait_until(lambda: client.call("DBSIZE") == b":0\r\n")
    assert cache.read() == b">2\r\n$10\r\ninvalidate\r\n*1\r\n$6\r\ncached\r\n"
    assert waiting.read() == b"-UNBLOCKED the stream key no longer exists\r\n"
    limit(client, 0, "noeviction")
    assert cache.call("EXEC") == b"_\r\n"
    assert b"eviction-cycle" in client.call("LATENCY", "LATEST")
    for one in (listener, cache, waiting):
        one.close()
    client.call("CONFIG", "SET", "latency-monitor-threshold", 0)


def test_what_goes_is_written_to_the_append_only_file(tmp_path: Path) -> None:
    process = start_ours(tmp_path, "--appendonly", "yes", "--maxmemory", "2mb", "--maxmemory-policy", "allkeys-lru")
    c = RawClient(process.connect())
    fill(c, small, MB)
    c.call("CONFIG", "SET", "lazyfree-lazy-eviction", "yes")
    fill(c, small, MB // 2, 500_000)
    keys, evicted = number(c.call("DBSIZE")), field(c, "evicted_keys")
    c.call("CONFIG", "SET", "maxmemory", 0)
    digest = c.call("KEYS", "*")
    written = b"".join(path.read_bytes() for path in sorted(tmp_path.glob("appendonlydir/*.incr.aof")))
    assert (written.count(b"$3\r\nDEL\r\n") + written.count(b"$6\r\nUNLINK\r\n")) == evicted
    assert b"UNLINK" in written
    c.close()
    process.stop()
    process = start_ours(tmp_path, "--appendonly", "yes")
    c = RawClient(process.connect())
    assert number(c.call("DBSIZE")) == keys
    assert sorted(c.call("KEYS", "*").split()) == sorted(digest.split())
    c.close()
    process.stop()


def test_figures_of_the_limit(client: RawClient) -> None:
    limit(client, LIMIT, "noeviction")
    assert field(client, "maxmemory") == LIMIT
    assert field(client, "total_eviction_exceeded_time") == field(client, "current_eviction_exceeded_time") == 0
    fill_up(client)
    wait_until(lambda: field(client, "current_eviction_exceeded_time") > 0)
    assert field(client, "total_eviction_exceeded_time") >= 1
    client.call("FLUSHALL")
    wait_until(lambda: field(client, "current_eviction_exceeded_time") == 0)
    assert field(client, "total_eviction_exceeded_time") > 0
    client.call("CONFIG", "RESETSTAT")
    assert field(client, "total_eviction_exceeded_time") == 0


def test_the_limit_of_the_machine(client: RawClient) -> None:
    assert client.call("CONFIG", "SET", "maxmemory", "auto") == b"+OK\r\n"
    assert 0 < field(client, "maxmemory") <= field(client, "total_system_memory") * 3 // 4
    assert client.call("SET", "a", "b") == b"+OK\r\n"


def test_what_frees_memory_ends_the_refusals(client: RawClient) -> None:
    limit(client, LIMIT, "noeviction")
    client.call("RPUSH", "list", *["x" * 1000] * 1000)
    client.call("SET", "string", "y" * MB)
    for free in ("DEL list", "UNLINK string", "FLUSHDB ASYNC"):
        fill_up(client)
        client.call(*free.split())
        if not free.startswith("DEL"):  # the others free in slices, beside what clients want
            wait_until(lambda: client.call("SET", "a", "b") == b"+OK\r\n")
        assert client.call("SET", "a", "b") == b"+OK\r\n", free
    fill_up(client)
    limit(client, 4 * LIMIT, "noeviction")
    assert client.call("SET", "a", "b") == b"+OK\r\n"


def test_scripts_while_memory_is_short(client: RawClient) -> None:
    """As redis-server 7.0.15 answers; a script that has written may go on."""
    client.call("SET", "k", "v")
    limit(client, 1, "noeviction")
    for script, starts in (
        ("return redis.call('set','x','y')", OOM[:-2] + b" script: 71e6319f97b0fe8bdfa1c5df3ce4489946dda479, on @user"),
        ("return redis.call('get','k')", b"$1\r\nv\r\n"),
        ("redis.call('get','k'); return redis.pcall('set','x','y')", OOM),
        ('#!lua\nreturn redis.call("set","x","y")', OOM),
        ('#!lua\nreturn redis.call("get","k")', OOM),
        ('#!lua flags=allow-oom\nreturn redis.call("set","x","y")', b"+OK\r\n"),
        ('#!lua flags=no-writes\nreturn redis.call("get","k")', b"$1\r\nv\r\n"),
        ("redis.call('del','k'); return redis.call('set','x','y')", b"+OK\r\n"),
    ):
        assert client.call("EVAL", script, 0).startswith(starts), script


# --- clients --------------------------------------------------------------------------------------------------------


def test_the_largest_clients_are_closed(client: RawClient, server: ServerProcess) -> None:
    client.call("CLIENT", "NO-EVICT", "ON")
    client.call("SET", "v", b"x" * 50_000)
    small_ones = [RawClient(server.connect()) for _ in range(20)]
    large = [RawClient(server.connect()) for _ in range(3)]
    for n, c in enumerate(small_ones + large):
        c.call("CLIENT", "SETNAME", f"c{n}")
    assert client.call("CONFIG", "SET", "maxmemory-clients", 2 * MB) == b"+OK\r\n"
    for c in large:
        c.sock.sendall(encode([b"SET", b"big", b"x" * MB])[: MB - 1000])
    wait_until(lambda: field(client, "evicted_clients") >= 1)
    assert field(client, "evicted_clients") <= 2
    for c in small_ones:
        assert c.call("PING") == b"+PONG\r\n"
    assert b"Evicting client: id=" in server.log_path.read_bytes()
    for c in small_ones + large:
        c.close()


def test_hundreds_of_clients_that_do_not_read(client: RawClient, server: ServerProcess) -> None:
    client.call("CLIENT", "NO-EVICT", "ON")
    client.call("SET", "v", b"x" * 100_000)
    client.call("CONFIG", "SET", "maxmemory-clients", 8 * MB)
    protected = RawClient(server.connect())
    protected.call("CLIENT", "NO-EVICT", "ON")
    clients = []
    for _ in range(300):
        c = RawClient(server.connect())
        c.sock.sendall(encode([b"GET", b"v"]) * 100)
        clients.append(c)
    wait_until(lambda: field(client, "evicted_clients") > 100)
    wait_until(lambda: field(client, "mem_clients_normal") < 12 * MB)
    assert protected.call("PING") == b"+PONG\r\n"
    for c in clients:
        c.close()
    protected.close()
    wait_until(lambda: field(client, "connected_clients") == 1, seconds=90)


def test_a_part_of_maxmemory_for_clients(client: RawClient, server: ServerProcess) -> None:
    client.call("CLIENT", "NO-EVICT", "ON")
    assert client.call("CONFIG", "SET", "maxmemory-clients", "10%") == b"+OK\r\n"
    other = RawClient(server.connect())
    other.sock.sendall(encode([b"SET", b"big", b"x" * 6 * MB])[: 5 * MB])
    assert other.sock.fileno() > 0
    wait_until(lambda: field(client, "client_recent_max_input_buffer") > 2 * MB)
    assert field(client, "evicted_clients") == 0, "a part of no limit is no limit"
    limit(client, 40 * MB, "noeviction")
    wait_until(lambda: field(client, "evicted_clients") == 1)
    other.close()
