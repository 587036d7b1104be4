"""A forked child that writes what is in memory while the parent goes on; the kernel keeps its picture of that moment.

The child touches neither the event loop nor the clients: it writes, and ends by ``os._exit``. It tells its progress
through a pipe, whose end the parent's loop sees when the child is over, however it ended; so nobody polls.
"""

from __future__ import annotations

import gc
import os
import signal
import struct
import sys
import traceback
import warnings
from collections.abc import Callable
from time import monotonic, perf_counter_ns
from typing import TYPE_CHECKING, Final

from pyredis.core.durability import Background
from pyredis.core.memory import rss
from pyredis.lib.memory_limit import available_memory

if TYPE_CHECKING:
    from pyredis.core.server import Server

CAN_FORK: Final = hasattr(os, "fork")
_REPORT: Final = struct.Struct("<qq")
"""Keys written so far; bytes of memory that copying has cost, -1 where that was not looked at."""
_REPORT_SECONDS: Final = 0.1
_COW_SECONDS: Final = 1.0
"""Asking for the memory takes the kernel a moment when there is much of it."""


def use_fork(server: Server) -> bool:
    """``snapshot-mode``: whether a child is to write the keyspace, or slices of the loop."""
    mode = server.config.snapshot_mode
    if mode != "auto":
        return mode == "fork"
    if not CAN_FORK:
        return False
    needed, free = rss(), available_memory()
    if free < 0 or free >= needed:
        return True
    server.log.notice(
        f"{free >> 20} MB of memory are free, and a child could need {needed >> 20} MB: writing in slices instead"
    )
    return False


def start_background(server: Server, in_child: Callable[[], None], in_slices: Callable[[], None]) -> None:
    """Begin by ``in_child`` or ``in_slices``, as ``snapshot-mode`` says. Raises what they raise (OSError)."""
    if use_fork(server):
        try:
            in_child()
            return
        except OSError as e:
            if server.config.snapshot_mode != "auto":
                raise
            server.log.warning(f"Can't fork: {e.strerror or e}. Writing in slices instead.")
    in_slices()


class Progress:
    """The child's side of the pipe."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._told_at = monotonic()
        self._measured_at = self._told_at
        self._cost = 0
        self._peak = 0
        self._sum = 0
        self._measured = 0

    def tell(self, keys: int, force: bool = False) -> None:
        """``keys`` have been written. Call it as often as you like; ``force`` at the end."""
        now = monotonic()
        if not force and now - self._told_at < _REPORT_SECONDS:
            return
        self._told_at = now
        cow = -1
        if force or now - self._measured_at >= _COW_SECONDS:
            self._measured_at = now
            cow = self._cost = private_bytes()
            self._peak = max(self._peak, cow)
            self._sum += cow
            self._measured += 1
        os.write(self._fd, _REPORT.pack(keys, cow))

    def cost(self) -> str:
        """What copying has cost in memory, for the log."""
        average = self._sum // self._measured if self._measured else 0
        return f"current {self._cost >> 20} MB, peak {self._peak >> 20} MB, average {average >> 20} MB"


class ForkedChild(Background):
    """A child at work. ``done(ok)`` is called in the loop when it is over, with ``server.background`` None again."""

    def __init__(self, server: Server, purpose: str, done: Callable[[bool], None]) -> None:
        super().__init__(purpose, sum(map(len, server.dbs)))
        self.server = server
        self._done = done
        self._pipe = -1
        self._buffer = b""
        self.pid = 0

    def start(self, work: Callable[[Progress], None], keep: tuple[int, ...] = (), processors: str = "") -> None:
        """Fork; ``work`` runs in the child, and raises if it fails. OSError if no child can be made.

        Of what is open only the files ``keep`` stay open in the child. It runs on ``processors`` only, if any are
        named.
        """
        server = self.server
        if server.loop is None:
            raise OSError("there is no event loop")
        if not CAN_FORK:
            raise OSError("this system has no fork")
        started = perf_counter_ns()
        reading, writing = os.pipe()
        gc.freeze()  # the collector would write into every object's header
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of threads: the child uses none
                self.pid = os.fork()
        except OSError:
            os.close(reading)
            os.close(writing)
            raise
        if not self.pid:
            _run_child(server, work, (writing, *keep), processors, writing)
        os.close(writing)
        elapsed = perf_counter_ns() - started
        server.stats.forks += 1
        server.stats.latest_fork_usec = elapsed // 1000
        server.note_latency(b"fork", elapsed)
        os.set_blocking(reading, False)
        self._pipe = reading
        server.background = self
        server.loop.add_reader(reading, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._pipe, 1 << 16)
        except BlockingIOError:
            return
        if not data:
            self._over()
            return
        self._buffer += data
        while len(self._buffer) >= _REPORT.size:
            keys, cow = _REPORT.unpack_from(self._buffer)
            self._buffer = self._buffer[_REPORT.size :]
            self.keys_done = keys
            if cow >= 0:
                self.cow_size = cow
                self.cow_peak = max(self.cow_peak, cow)
                self.cow_measured = monotonic()

    def _over(self) -> None:
        ok = self._reap()
        self._done(ok)

    def _reap(self) -> bool:
        """Forget the child, which has ended or is about to; whether it succeeded."""
        server = self.server
        if server.loop is not None and not server.loop.is_closed():
            server.loop.remove_reader(self._pipe)
        os.close(self._pipe)
        try:
            status = os.waitpid(self.pid, 0)[1]
        except ChildProcessError:
            status = -1  # somebody else has taken its status
        server.background = None
        if status > 0 and os.WIFSIGNALED(status):
            self.killed_by = os.WTERMSIG(status)
        return status == 0

    def kill(self) -> None:
        """End the child at once; ``done`` is not called, and what it has written is left to the caller."""
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._reap()


def _run_child(
    server: Server, work: Callable[[Progress], None], keep: tuple[int, ...], processors: str, pipe: int
) -> None:
    """What the child does: never returns."""
    code = 1
    try:
        gc.disable()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        _close_files(keep)
        server.log.role = "C"
        if server.process is not None:
            server.process.become_child(server.config, processors)
        progress = Progress(pipe)
        work(progress)
        code = 0
    except BaseException:
        # Whatever it was: the parent is told by the exit code, and must not be imitated.
        try:
            traceback.print_exc(file=sys.stderr)
        except (OSError, ValueError):
            pass  # there is no standard error
    finally:
        os._exit(code)


def _close_files(keep: tuple[int, ...]) -> None:
    """Close what the parent has open, clients above all: a connection ends when its last holder lets go of it."""
    try:
        numbers = [int(name) for name in os.listdir("/proc/self/fd")]
    except (OSError, ValueError):
        numbers = list(range(3, 4096))
    for fd in numbers:
        if fd > 2 and fd not in keep:
            try:
                os.close(fd)
            except OSError:
                pass  # it was not open


def private_bytes() -> int:
    """Memory that this process shares with nobody: what copying on write has cost; 0 where no system tells."""
    try:
        with open("/proc/self/smaps_rollup", "rb") as file:
            return sum(int(line.split()[1]) << 10 for line in file if line.startswith(b"Private_Dirty:"))
    except (OSError, ValueError, IndexError):
        return 0
