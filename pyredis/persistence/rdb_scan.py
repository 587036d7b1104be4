"""Reading a snapshot from a file from beginning to end, for tools that have no event loop."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter_ns
from typing import BinaryIO, Final

from pyredis.persistence.rdb_reader import RdbReader

_TURN_NS: Final = 50_000_000


def scan(file: BinaryIO, reader: RdbReader, size: int) -> Iterator[int]:
    """Work off a file of ``size`` bytes; yields now and then how far it has come.

    Raises RdbError, OSError, and what the reader's sink raises.
    """
    reader.total = size
    while not reader.done:
        if reader.run(perf_counter_ns() + _TURN_NS):
            reader.feed(file.read(reader.wanted()))
        yield reader.loaded()
