"""What the core knows of the append-only file: whether there is one, and what INFO tells of it.

:class:`AppendLog` is the state without a file; ``pyredis.persistence.aof`` puts its own kind in its place.
"""

from __future__ import annotations

from collections.abc import Callable
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

    def reload(self) -> None:
        """DEBUG LOADAOF: load the keyspace anew from the files, while everything waits. ValueError if that fails."""
        raise ValueError("there are no files")

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


class BackupState:
    """State of the copies of snapshots in ``backup-dir``, as INFO tells of it. Times are Unix seconds."""

    def __init__(self) -> None:
        self.running = False
        self.started = 0.0
        """Monotonic time at which the one being made was begun."""
        self.last_time = 0
        """The time of the newest copy; 0 = there is none."""
        self.last_ok = True
        self.last_file = ""
        self.last_size = 0
        self.last_seconds = -1
        """How long making and verifying the last one took."""
        self.kept = 0
        self.done = 0
        """Copies made since the start."""


class Snapshots:
    """State of the snapshots (RDB files), and what INFO tells of it. Times are Unix seconds.

    This is the state without files; ``pyredis.persistence.snapshots`` puts its own kind in its place.
    """

    def __init__(self, now: float) -> None:
        self.last_save = int(now)
        """When the last snapshot was finished; the start of the server counts as one."""
        self.last_try = 0
        """When the last one in the background began."""
        self.last_ok = True
        """Whether the last one in the background succeeded, or any after it."""
        self.saving = False
        """True while one is written in the background, to a file or to replicas."""
        self.scheduled = False
        self.started = 0.0
        """Monotonic time at which the one in the background began."""
        self.last_seconds = -1
        """How long the last one in the background took."""
        self.saves = 0
        """How often SAVE was called or one begun in the background."""
        self.last_cow_size = 0
        self.last_load_keys_loaded = 0
        self.last_load_keys_expired = 0
        self.finished: list[Callable[[bool], None]] = []
        """Called when one in the background is over, with whether it succeeded."""
        self.backups = BackupState()
        self.written: list[Callable[[str], None]] = []
        """Called with its path when any snapshot is in its place."""
        self.verify_payloads = True
        """Whether RESTORE verifies checksums; tests switch it off (DEBUG)."""

    def begun(self) -> None:
        """One is being written in the background from now on."""
        self.saving = True
        self.started = monotonic()

    def ended(self) -> None:
        """The one in the background is over, however it ended."""
        self.saving = False
        self.last_seconds = int(monotonic() - self.started)

    def path(self) -> str:
        """Where the snapshot is; empty where there are no files."""
        return ""

    def remove(self, path: str) -> None:
        """Remove a file of a snapshot if it is there."""

    def save(self) -> bool:
        """Write a snapshot at once, while everything waits; False if that failed (the log says why)."""
        return False

    def start(self) -> None:
        """Begin one in the background. OSError if that cannot begin (the log says why)."""
        raise OSError("there is no event loop")

    def kill(self) -> None:
        """End the one in the background, without its result."""

    def reload(self, flush: bool, replace: bool) -> None:
        """Load the file into the keyspace (``flush``: after that is emptied), while everything waits.

        Keys that are there make it fail unless they may be replaced. ValueError if it fails; the log says why.
        """
        raise ValueError("there are no files")

    def flushed(self) -> None:
        """FLUSHALL: a snapshot of what is no more is not wanted."""


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

    def replace(self, sources: list[bytes]) -> None:
        """Take libraries in place of all others. Raises ValueError, and changes nothing, if one is refused."""
        self.sources = sources

    def clear(self) -> None:
        """Forget all libraries."""
        self.sources = []
