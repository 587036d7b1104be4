"""What the core knows of the append-only file: whether there is one, and what INFO tells of it.

:class:`AppendLog` is the state without a file; ``pyredis.persistence.aof`` puts its own kind in its place.
"""

from __future__ import annotations

from time import monotonic
from typing import Final

AOF_OFF: Final = 0
AOF_ON: Final = 1
AOF_WAIT_REWRITE: Final = 2
"""Switched on while running: what is in memory is being written, and counts when that has succeeded."""


class AppendLog:
    """State of the append-only file. Times are Unix seconds, sizes bytes."""

    def __init__(self) -> None:
        self.state = AOF_OFF
        self.current_size = 0
        self.base_size = 0
        """The size after the last rewrite, from which growth is measured."""
        self.write_error = ""
        """Why the last write or fsync failed; empty if it did not. While it is set, writes are refused."""
        self.delayed_fsync = 0
        self.syncing = False
        """True while a thread waits for the disk."""
        self.rewriting = False
        self.rewrite_scheduled = False
        self.rewrite_started = 0.0
        self.last_rewrite_seconds = -1
        self.last_rewrite_ok = True
        self.rewrites = 0
        self.rewrite_failures = 0
        """Failed rewrites since the last that succeeded."""
        self.last_cow_size = 0

        self.synced = 0
        """Up to where (``server.fed``) everything is on the disk."""

    def buffered(self) -> int:
        """Bytes that wait to be written."""
        return 0

    def rewrite(self) -> None:
        """BGREWRITEAOF: begin to write the file anew. OSError if that cannot begin."""
        raise OSError("there is no event loop")

    def start(self) -> None:
        """CONFIG SET appendonly yes. OSError if that cannot begin."""
        raise OSError("there is no event loop")

    def stop(self) -> None:
        """CONFIG SET appendonly no."""

    def loosen_fsync(self) -> None:
        """``appendfsync`` was changed."""


class Loading:
    """What is being read from disk, while commands that need the data answer ``-LOADING``. Sizes in bytes."""

    def __init__(self, total: int, now: float) -> None:
        self.total = total
        self.done = 0
        self.started = now
        self.started_monotonic = monotonic()
        self.used_memory = 0
        """What the snapshot says about the memory of the server that wrote it; 0 = nothing."""


class Background:
    """Work that writes the keyspace while commands go on (a forked child or slices of the loop), as INFO shows it."""

    def __init__(self, purpose: str, keys_total: int) -> None:
        self.purpose = purpose
        """``rdb`` or ``aof``."""
        self.started = monotonic()
        self.keys_total = keys_total
        self.keys_done = 0
        self.cow_size = 0
        """Bytes that this work costs in memory beside the data."""
        self.cow_peak = 0
        self.cow_measured = 0.0
        """Monotonic time of the measurement; 0 = none yet."""
        self.killed_by = 0
        """The number of the signal that ended it."""

    def kill(self) -> None:
        """End it at once, without its result."""


class Snapshots:
    """State of the snapshots (RDB files), and what INFO tells of it. Times are Unix seconds.

    This is the state without files; ``pyredis.persistence.snapshots`` puts its own kind in its place.
    """

    def __init__(self, now: float) -> None:
        self.last_save = int(now)
        """When the last snapshot was finished; the start of the server counts as one."""
        self.last_load_keys_loaded = 0
        self.last_load_keys_expired = 0
        self.verify_payloads = True
        """Whether RESTORE verifies checksums; tests switch it off (DEBUG)."""


class Libraries:
    """Libraries of functions, as snapshots hold them: kept for the next snapshot, for nothing here runs them.

    A subsystem that does puts its own kind in its place.
    """

    def __init__(self) -> None:
        self.sources: list[bytes] = []

    def load(self, source: bytes, replace: bool) -> None:
        """Take a library; one of the same name is replaced if ``replace``. Raises ValueError if it is refused."""
        self.sources.append(source)

    def dump(self) -> list[bytes]:
        """The sources of all libraries."""
        return self.sources

    def clear(self) -> None:
        """Forget all libraries."""
        self.sources = []
