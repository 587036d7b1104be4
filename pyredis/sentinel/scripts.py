"""Scripts of the operator: notifications and the reconfiguration of clients. A queue, retries, a time limit.

A script that ends with 1 or by a signal is tried again, each time after a longer pause; other failures are final.
"""

from __future__ import annotations

import errno
import signal
import subprocess
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pyredis.sentinel.state import Sentinel

MAX_QUEUE: Final = 256
MAX_RUNNING: Final = 16
MAX_RETRY: Final = 10
_NO_PROCESS: Final = (errno.EAGAIN, errno.ENOMEM)
"""Errors with which there was not even a process; others mean that the file could not be executed (exit code 2)."""


class Job:
    """A script to run, or running."""

    __slots__ = ("argv", "process", "retries", "start_time")

    def __init__(self, argv: list[str]) -> None:
        self.argv = argv
        self.process: subprocess.Popen[bytes] | None = None
        """None while it waits."""
        self.retries = 0
        self.start_time = 0
        """When it was started; of one that waits: when it may start (Unix milliseconds), 0 = at once."""


class Scripts:
    """The queue of scripts of one sentinel."""

    def __init__(self, sentinel: Sentinel) -> None:
        self.sentinel = sentinel
        self.queue: list[Job] = []

    def running(self) -> int:
        """How many run at the moment."""
        return sum(job.process is not None for job in self.queue)

    def schedule(self, argv: list[str]) -> None:
        """Run a script soon. A full queue loses its oldest job that does not run."""
        self.queue.append(Job(argv))
        if len(self.queue) > MAX_QUEUE:
            for at, job in enumerate(self.queue):
                if job.process is None:
                    del self.queue[at]
                    break

    def turn(self) -> None:
        """A turn of the timer: start what is due, collect what has ended, end what runs too long."""
        if self.queue:
            self._start_due()
            self._collect()
            self._end_overdue()

    def _start_due(self) -> None:
        sentinel = self.sentinel
        now = sentinel.now()
        running = self.running()
        for job in list(self.queue):
            if running >= MAX_RUNNING:
                break
            if job.process is not None or job.start_time > now:
                continue
            job.start_time = now
            job.retries += 1
            try:
                job.process = subprocess.Popen(
                    [part.encode("utf-8", "surrogateescape") for part in job.argv],
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except (OSError, ValueError) as e:
                self.queue.remove(job)
                sentinel.log.debug(f"Script {job.argv[0]}: {e}")
                why = "99 0" if isinstance(e, OSError) and e.errno in _NO_PROCESS else "0 2"
                sentinel.announce(3, "-script-error", None, f"{job.argv[0]} {why}")
                continue
            running += 1
            sentinel.announce(0, "+script-child", None, str(job.process.pid))

    def _collect(self) -> None:
        sentinel = self.sentinel
        for job in list(self.queue):
            if job.process is None or (code := job.process.poll()) is None:
                continue
            by_signal, status = (-code, 0) if code < 0 else (0, code)
            sentinel.announce(0, "-script-child", None, f"{job.process.pid} {status} {by_signal}")
            if (by_signal or status == 1) and job.retries < MAX_RETRY:
                job.process = None
                job.start_time = sentinel.now() + self._pause(job.retries)
                continue
            self.queue.remove(job)
            if code:
                sentinel.announce(3, "-script-error", None, f"{job.argv[0]} {by_signal} {status}")

    def _pause(self, retries: int) -> int:
        """Milliseconds before the next attempt: twice as long each time."""
        return self.sentinel.times.script_retry_delay << (retries - 1)

    def _end_overdue(self) -> None:
        now = self.sentinel.now()
        for job in self.queue:
            if job.process is not None and now - job.start_time > self.sentinel.times.script_max_runtime:
                self.sentinel.announce(3, "-script-timeout", None, f"{job.argv[0]} {job.process.pid}")
                job.process.send_signal(signal.SIGKILL)
