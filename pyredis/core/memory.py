"""How much memory the databases, a client and a value take, and the report of it all, in bytes.

The whole is measured (:mod:`pyredis.core.memory_meter`). The parts are what ``sys.getsizeof`` says of the objects; of
a large collection a few elements are measured and the rest is taken to be like them.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from pyredis.engines.hash import HashObj
from pyredis.engines.key_index import KeyIndex
from pyredis.engines.list import ListObj
from pyredis.engines.set import SetObj
from pyredis.engines.stream import StreamObj
from pyredis.engines.volatile_hash import VolatileHashObj
from pyredis.engines.zset import ZSetObj
from pyredis.lib.heap import give_back

if TYPE_CHECKING:
    from pyredis.core.client import Client
    from pyredis.core.server import Server

_FLOAT: Final = sys.getsizeof(1.0)
_INT: Final = sys.getsizeof(1 << 40)
_ID: Final = sys.getsizeof(1 << 100)
_ARGUMENT: Final = sys.getsizeof(b"") + 8
"""What an argument takes beside its bytes."""
_SAMPLE: Final = 16
_ENTRY: Final = 64
"""A key's share of its database's table: 24 bytes of entry and the index, in a table between 1/3 and 2/3 full."""


def rss() -> int:
    """Resident bytes of the process; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def human(n: float) -> str:
    """Bytes with a unit, as ``used_memory_human`` has them."""
    if n < 1024:
        return f"{n:.0f}B"
    for unit in "KMGTP":
        n /= 1024
        if n < 1024:
            return f"{n:.2f}{unit}"
    return f"{n:.0f}P"


def client_bytes(c: Client) -> int:
    """About what a client takes, without the buffers of its connection."""
    total = sys.getsizeof(c) + c.multi_mem + sum(map(len, c.out))
    if c.multi:
        total += _ARGUMENT * sum(len(argv) for _, argv in c.multi)
    for table in (c.channels, c.patterns, c.shard_channels):
        if table:
            total += sys.getsizeof(table) + _elements(table, len(table), _SAMPLE)
    if c.watched:
        total += sys.getsizeof(c.watched) + _elements((key for _, key in c.watched), len(c.watched), _SAMPLE)
    if c.tracking is not None and c.tracking.prefixes:
        prefixes = c.tracking.prefixes
        total += sys.getsizeof(prefixes) + _elements(prefixes, len(prefixes), _SAMPLE)
    waiting = c.pending if c.blocked is None else [*c.pending, c.blocked.argv]
    return total + sum(len(arg) + _ARGUMENT for argv in waiting for arg in argv)


class MemoryReport:
    """Where the memory is, for INFO and MEMORY STATS; all in bytes."""

    __slots__ = ("clients", "dataset", "heap", "keys", "overhead", "peak", "resident", "startup", "tables", "used")

    def __init__(self, server: Server) -> None:
        meter = server.eviction.meter
        self.resident = meter.resident()
        self.startup = 0
        self.clients = server.stats.buffers.memory
        self.tables = [(db.id, *db.table_bytes()) for db in server.dbs if len(db)]
        """(database, bytes of its table of keys, bytes of its table of deadlines) for each that has keys."""
        self.keys = sum(map(len, server.dbs))
        self.overhead = self.startup + self.clients + sum(main + expires for _, main, expires in self.tables)
        self.used = max(meter.fresh(server.stats.net_input_bytes), self.overhead)
        self.dataset = self.used - self.overhead
        self.heap = meter.base_heap + self.used
        """What the allocators have handed out, to the program as well."""
        self.peak = meter.note_peak(self.used)

    def dataset_percent(self) -> float:
        """The data's part in what was added since the start."""
        net = self.used - self.startup
        return min(self.dataset * 100 / net, 100.0) if net > 0 else 0.0

    def peak_percent(self) -> float:
        """What is used now of the most that was ever used."""
        return self.used * 100 / self.peak if self.peak else 0.0


def _index_bytes(index: KeyIndex | None) -> int:
    return 0 if index is None else sys.getsizeof(index.keys) + sys.getsizeof(index.stale)


def _elements(elements: Iterable[Any], count: int, samples: int) -> int:
    """About how many bytes ``count`` elements take, after the first ``samples`` of them (0 = all)."""
    if not count:
        return 0
    sizes = [sys.getsizeof(element) for element in (islice(elements, samples) if samples else elements)]
    return sum(sizes) * count // len(sizes)


def value_bytes(value: Any, samples: int) -> int:
    """About how many bytes a value takes; of a collection ``samples`` elements are measured (0 = all)."""
    total = sys.getsizeof(value)
    n = samples
    if type(value) is ListObj:
        total += sys.getsizeof(value.head) + sys.getsizeof(value.tail) + _elements(value, len(value), n)
    elif type(value) is SetObj:
        total += sys.getsizeof(value.members) + _elements(value.members, len(value), n) + _index_bytes(value.index)
    elif isinstance(value, HashObj):
        fields = value.fields
        total += sys.getsizeof(fields) + _elements(fields, len(fields), n) + _elements(fields.values(), len(fields), n)
        total += _index_bytes(value.index)
        if isinstance(value, VolatileHashObj):
            total += sys.getsizeof(value.expires) + _INT * len(value.expires)
            if value.timeline is not None:
                total += 8 * value.timeline.entries
    elif type(value) is ZSetObj:
        total += sys.getsizeof(value.scores) + _elements(value.scores, len(value), n) + _FLOAT * len(value)
        total += _index_bytes(value.index)
        if value.order is not None:
            total += sum(map(sys.getsizeof, value.order.chunks)) + sum(map(sys.getsizeof, value.order.scores))
    elif type(value) is StreamObj:
        total += _stream_bytes(value, n)
    return total


def _stream_bytes(value: StreamObj, samples: int) -> int:
    """The blocks are like one another, except the last; a pending entry is in two tables."""
    blocks = value.blocks[:samples] if samples else value.blocks
    total = sys.getsizeof(value.blocks) + sys.getsizeof(value.firsts) + sys.getsizeof(value.groups)
    sizes = 0
    for block in blocks:
        sizes += sys.getsizeof(block) + sys.getsizeof(block.mss) + sys.getsizeof(block.seqs)
        sizes += sys.getsizeof(block.packed) + (0 if block.ends is None else sys.getsizeof(block.ends))
        sizes += sys.getsizeof(block.values) + sum(map(sys.getsizeof, block.values))
        sizes += sum(map(sys.getsizeof, block.fields))
    if blocks:
        total += sizes * len(value.blocks) // len(blocks)
    for group in value.groups.values():
        total += sys.getsizeof(group) + 2 * sys.getsizeof(group.pending.entries)
        total += sum(map(sys.getsizeof, group.consumers.values()))
        total += _elements(group.pending.entries.values(), len(group.pending), samples) + _ID * len(group.pending)
    return total


def key_bytes(key: bytes, value: Any, samples: int) -> int:
    """MEMORY USAGE: a key, its place in the table, and its value."""
    return sys.getsizeof(key) + _ENTRY + value_bytes(value, samples)


def purge() -> None:
    """Collect garbage and give free memory back to the system where the C library can."""
    gc.collect()
    give_back()


def doctor(report: MemoryReport, clients: int) -> str:
    """MEMORY DOCTOR: what looks unusual, in our own words."""
    if report.used - report.startup < _LITTLE:
        return "There is little or no data in this instance: nothing can be said about its memory.\n"
    found = []
    if report.peak > report.used * 1.5:
        found.append(
            "Peak: more than 150% of the present memory was in use at some time. Python keeps part of what was freed"
            " for new objects; MEMORY PURGE gives back what it can."
        )
    if clients and report.clients / clients > _LARGE_CLIENT:
        found.append(
            "Clients: their buffers take more than 200 KB each on average. Some do not read their replies, or send"
            " very large requests: CLIENT LIST shows which (omem, qbuf)."
        )
    if report.keys and report.dataset and sum(main for _, main, _ in report.tables) > report.dataset:
        found.append("Keys: the tables of keys take more than the data; many keys were deleted or are very small.")
    if not found:
        return "Nothing unusual was found in this instance's memory.\n"
    return "What looks unusual in this instance's memory:\n\n" + "".join(f" * {one}\n" for one in found)


_LITTLE: Final = 5 << 20
_LARGE_CLIENT: Final = 200 << 10
