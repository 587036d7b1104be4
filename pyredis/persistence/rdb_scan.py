"""Reading a snapshot from a file from beginning to end."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter_ns
from typing import BinaryIO, Final

from pyredis.persistence.rdb_reader import RdbReader

_TURN_NS: Final = 50_000_000
"""For tools, where nobody else has to have a turn."""


def scan(file: BinaryIO, reader: RdbReader, size: int, turn_ns: int = _TURN_NS) -> Iterator[int]:
    """Feed ``reader`` from a file, of which ``size`` bytes follow, until the snapshot's end.

    Yields how far it has come, every ``turn_ns`` nanoseconds or sooner. Raises RdbError, OSError, and what the reader's
    sink raises. What follows the snapshot is in ``reader.rest()`` and the rest of the file.
    """
    reader.total = size
    while not reader.done:
        if reader.run(perf_counter_ns() + turn_ns):
            reader.feed(file.read(reader.wanted()))
        yield reader.loaded()
