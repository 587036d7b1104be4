"""Saves the state in the configuration file, in a thread: a slow disk must not stop the watch.

While one state is written the next one waits; what it replaces is not written at all. Whoever must not go on before its
change is safe (a vote, an operator's order) is told when a state that has it is on the disk.
"""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pyredis.lib.files import replace_file
from pyredis.sentinel.conf import new_content

if TYPE_CHECKING:
    from pyredis.sentinel.state import Sentinel

Done = Callable[[bool], None]
"""Is told whether the state was saved."""


class Saver:
    """The configuration file of one sentinel, from its start to its end."""

    def __init__(self, sentinel: Sentinel, loop: asyncio.AbstractEventLoop, path: str) -> None:
        self.sentinel = sentinel
        self.path = path
        self._loop = loop
        self._thread = ThreadPoolExecutor(1, "config")
        self._due = False
        """True while a state waits to be written."""
        self._writing = False
        self._waiting: list[Done] = []

    def save(self, done: Done | None = None) -> None:
        """The state has changed."""
        if done is not None:
            self._waiting.append(done)
        if not self._due:
            self._due = True
            if not self._writing:
                self._loop.call_soon(self._begin)

    def save_now(self) -> bool:
        """Write the state, and wait for that."""
        self._due = False
        problem = ""
        try:
            _write(self.path, new_content(self.sentinel, self.path))
        except OSError as e:
            problem = e.strerror or str(e)
        return self._tell(problem)

    def _begin(self) -> None:
        if self._writing or not self._due:
            return
        self._due = False
        waiting, self._waiting = self._waiting, []
        try:
            data = new_content(self.sentinel, self.path)
        except OSError as e:
            self._end(waiting, e.strerror or str(e))
            return
        self._writing = True
        written = self._loop.run_in_executor(self._thread, _write, self.path, data)
        written.add_done_callback(functools.partial(self._written, waiting))

    def _written(self, waiting: list[Done], result: asyncio.Future[None]) -> None:
        self._writing = False
        if result.cancelled():
            return
        e = result.exception()
        self._end(waiting, "" if e is None else (e.strerror if isinstance(e, OSError) else None) or str(e))
        if self._due:
            self._begin()

    def _end(self, waiting: list[Done], problem: str) -> None:
        saved = self._tell(problem)
        for done in waiting:
            done(saved)
        self.sentinel.server.after_event()

    def _tell(self, problem: str) -> bool:
        if problem:
            self.sentinel.log.warning(
                f"WARNING: Sentinel was not able to save the new configuration on disk!!!: {problem}"
            )
        else:
            self.sentinel.log.notice("Sentinel new configuration saved on disk")
        return not problem

    def close(self) -> None:
        """The end: what is due is written."""
        self._thread.shutdown(wait=True)
        if self._due:
            self.save_now()


def _write(path: str, data: bytes) -> None:
    replace_file(path, data, f"{path}-{os.getpid()}.tmp")
