"""Measuring memory: the process's heap, the limits of control groups, and the tables of databases."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from random import Random

import pytest

from pyredis.core.memory_meter import Meter
from pyredis.core.option_kinds import MemoryLimit, is_automatic
from pyredis.keyspace.evict import Victims
from pyredis.lib.heap import Heap, give_back, report_by_stderr, system_memory
from pyredis.lib.memory_limit import available_memory, memory_limit
from tests.support.local import LocalServer, call

MB = 1 << 20


@pytest.fixture(autouse=True)
def _nothing_to_collect() -> None:
    """What earlier tests have left behind does not go while memory is measured."""
    gc.collect()


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads what Linux tells")


@linux
@pytest.mark.parametrize("size", [24, 400, 4000, 3_000_000])
def test_what_is_made_and_goes_is_measured(size: int) -> None:
    heap = Heap()
    before = heap.in_use()
    count = 8 * MB // size
    things = [bytes(size) for _ in range(count)]
    expected = sum(map(sys.getsizeof, things)) + sys.getsizeof(things)
    made = heap.in_use() - before
    assert 0.9 * expected < made < 1.2 * expected + MB
    del things
    assert heap.in_use() - before < MB
    assert heap.resident() > 0
    assert heap.cost_ns > 0
    heap.give_large_back()
    give_back()
    heap.close()


@linux
def test_the_report_that_is_written_to_stderr() -> None:
    report = report_by_stderr()
    assert report is not None
    assert b"# bytes in allocated blocks" in report


def test_the_meter_counts_what_came_after_its_beginning() -> None:
    meter = Meter(lambda: 640)
    meter.begin()
    held = [bytes(500) for _ in range(20_000)]
    assert 9 * MB < meter.measure() < 16 * MB
    assert meter.bound() > 0
    meter.received, meter.freed, meter.growth = 1000, 300, 2.0
    assert meter.estimate() == meter.used + 2000 - 300
    used = meter.used
    meter.ceiling, meter.most_excess = 1, MB
    assert meter.measure() <= used + 2 * MB, "what is scattered counts, but not without end"
    del held
    meter.ceiling = 0
    assert meter.measure() < MB
    assert meter.note_peak() >= used
    meter.base_heap += 100 * MB
    assert meter.measure() == 640, "the program became smaller, but the data is there"
    meter.freed = 5000
    assert meter.estimate() == 640, "so much cannot have gone"


@linux
def test_keys_go_until_the_last_if_nothing_fits_in() -> None:
    server = LocalServer()
    client = server.client()
    for n in range(500):
        call(client, f"set k{n} v")
    eviction = server.eviction
    server.config.maxmemory, server.config.maxmemory_policy = 1 << 40, "allkeys-random"
    eviction.configure()
    eviction.meter.used, eviction.meter.freed = 1000, 900_000
    eviction.limit = 1
    while call(client, "dbsize"):
        left = len(server.dbs[0])
        eviction.relieve()
        assert len(server.dbs[0]) < left


@linux
def test_what_is_swapped_out_counts() -> None:
    server = LocalServer()
    client = server.client()
    eviction = server.eviction
    server.config.maxmemory, server.config.maxmemory_policy = 2 * MB, "allkeys-random"
    eviction.configure()
    eviction.meter.base_private = 1 << 50  # as little is resident as if all had been written to a swap device
    for n in range(20_000):
        command = f"set key{n} {n:0100}"
        eviction.received(len(command))
        call(client, command)
    assert 2000 < call(client, "dbsize") < 15_000
    assert eviction.evicted_keys > 5000
    assert eviction.meter.measure() < 2.5 * MB


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_limits_of_control_groups(tmp_path: Path) -> None:
    machine = system_memory()
    assert memory_limit(tmp_path) == machine
    write(tmp_path, "proc/self/cgroup", "0::/a/b\n")
    write(tmp_path, "sys/fs/cgroup/a/b/memory.max", "max\n")
    assert memory_limit(tmp_path) == machine
    write(tmp_path, "sys/fs/cgroup/a/memory.max", f"{200 * MB}\n")
    assert memory_limit(tmp_path) == 200 * MB
    write(tmp_path, "sys/fs/cgroup/a/b/memory.max", f"{100 * MB}\n")
    assert memory_limit(tmp_path) == 100 * MB
    # In a container the path may not be visible, and its own group is at the top.
    write(tmp_path, "proc/self/cgroup", "0::/../elsewhere\n")
    write(tmp_path, "sys/fs/cgroup/memory.max", f"{64 * MB}\n")
    assert memory_limit(tmp_path) == 64 * MB


def test_limits_of_control_groups_version_1(tmp_path: Path) -> None:
    write(tmp_path, "proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n")
    write(tmp_path, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    assert memory_limit(tmp_path) == system_memory()
    write(tmp_path, "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", f"{32 * MB}\n")
    assert memory_limit(tmp_path) == 32 * MB


def test_what_is_left_of_the_limits(tmp_path: Path) -> None:
    """The fullest group decides, and what of it is cached files is free."""
    assert available_memory(tmp_path) == -1
    write(tmp_path, "proc/meminfo", "MemTotal: 999999 kB\nMemAvailable: 204800 kB\n")
    assert available_memory(tmp_path) == 200 * MB
    write(tmp_path, "proc/self/cgroup", "0::/a/b\n")
    for path, limit, used in (("a", 100 * MB, 30 * MB), ("a/b", 90 * MB, 60 * MB)):
        write(tmp_path, f"sys/fs/cgroup/{path}/memory.max", f"{limit}\n")
        write(tmp_path, f"sys/fs/cgroup/{path}/memory.current", f"{used}\n")
    assert available_memory(tmp_path) == 30 * MB
    write(tmp_path, "sys/fs/cgroup/a/b/memory.stat", f"anon 1\nfile 7\ninactive_file {5 * MB}\n")
    assert available_memory(tmp_path) == 35 * MB
    write(tmp_path, "sys/fs/cgroup/a/b/memory.current", f"{300 * MB}\n")
    assert available_memory(tmp_path) == 0


def test_what_is_left_of_the_limits_version_1(tmp_path: Path) -> None:
    write(tmp_path, "proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n")
    group = "sys/fs/cgroup/memory/docker/abc"
    write(tmp_path, f"{group}/memory.limit_in_bytes", f"{128 * MB}\n")
    write(tmp_path, f"{group}/memory.usage_in_bytes", f"{100 * MB}\n")
    write(tmp_path, f"{group}/memory.stat", f"cache 0\ninactive_file 1\ntotal_inactive_file {2 * MB}\n")
    assert available_memory(tmp_path) == 30 * MB
    write(tmp_path, f"{group}/memory.limit_in_bytes", "9223372036854771712\n")
    assert available_memory(tmp_path) == -1


def test_maxmemory_auto() -> None:
    kind = MemoryLimit(0, 1 << 63)
    limit = kind.parse(["AUTO"], 0)
    assert limit == memory_limit() * 3 // 4
    assert is_automatic(limit)
    assert not is_automatic(kind.parse(["100mb"], 0))
    assert kind.lines("maxmemory", limit, 0) == [("maxmemory auto", True)]
    assert kind.show(limit) == str(limit)


def test_the_nearest_deadline_goes_first() -> None:
    server = LocalServer()
    client = server.client()
    for n in range(50):
        call(client, f"set k{n} v ex {1000 + (n * 37) % 50}")
    call(client, "set lasting v")
    call(client, "persist k0")
    call(client, "expire k1 5000")
    victims = Victims(server)
    victims.configure("volatile-ttl", 5)
    gone = []
    while chosen := victims.choose(3):
        for db, key, _ in chosen:
            gone.append(db.get_expire(key))
            db.delete(key)
    assert gone == sorted(gone)
    assert len(gone) == 49
    assert call(client, "dbsize") == 2


def test_the_longest_unused_go_first() -> None:
    server = LocalServer()
    client = server.client()
    server.config.maxmemory, server.config.maxmemory_policy = 1 << 50, "allkeys-lru"
    server.eviction.configure()
    for n in range(500):
        call(client, f"set k{n} v")
    server.clock.advance(10)
    server.update_time()
    used = set(range(0, 500, 5))
    for n in used:
        call(client, f"get k{n}")
    victims = server.eviction.victims
    victims.configure("allkeys-lru", 10)
    gone = 0
    while gone < 300:
        for victim in victims.choose(20):
            gone += victim[0].delete(victim[1])
            victims.removed(victim)
    index = server.dbs[0].key_index()
    index.check(server.dbs[0].dict)
    assert len(index.stale) < 150, "most keys that were chosen leave nothing behind"
    left = sum(call(client, f"exists k{n}") for n in used)
    assert left >= 90, left


@pytest.mark.parametrize("policy", ["allkeys-random", "volatile-random", "allkeys-lru", "volatile-lfu", "volatile-ttl"])
def test_there_is_a_victim_as_long_as_there_is_a_key(policy: str) -> None:
    for seed in range(40):
        server = LocalServer()
        server.rng = Random(seed)
        client = server.client()
        server.config.maxmemory, server.config.maxmemory_policy = 1 << 50, policy
        server.eviction.configure()
        for n in range(300):
            call(client, f"set k{n} v ex {1000 + n}")
        victims, db = server.eviction.victims, server.dbs[0]
        while len(db):
            chosen = victims.choose(1 + seed % 64)
            assert chosen
            for victim in chosen:
                assert db.delete(victim[1])
                victims.removed(victim)
        assert victims.choose(1) == []


def test_tables_shrink_with_their_keys() -> None:
    server = LocalServer()
    db = server.dbs[0]
    for n in range(50_000):
        db.add(b"%d" % n, b"v")
    db.track_access()
    db.key_index()
    large = db.table_bytes()[0]
    for n in range(49_000):
        db.delete(b"%d" % n)
    assert db.table_bytes()[0] > large // 2
    db.shrink()
    assert db.table_bytes()[0] < large // 5
    assert sorted(db.dict) == sorted(b"%d" % n for n in range(49_000, 50_000))
    assert db.fetch(b"49500") == b"v"
    assert db.access is not None
    assert len(db.access) == 1000
    db.key_index().check(db.dict)
