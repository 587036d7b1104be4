"""Threads for calls that wait for the disk, one for each purpose; ``bio-cpulist`` says where they run."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pyredis.core.server import Server
    from pyredis.persistence.files import Files

_LARGE: Final = 4 << 20
"""Bytes of a file from which on giving its blocks back may take a while."""


def worker(server: Server, name: str) -> ThreadPoolExecutor:
    """A thread, made when it first gets work."""
    process, processors = server.process, server.config.bio_cpulist

    def begin() -> None:
        if process is not None:
            process.set_processors(processors)  # of this thread only

    return ThreadPoolExecutor(1, name, initializer=begin)


class Disposal:
    """Removes files of any size without stopping the loop."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._thread: ThreadPoolExecutor | None = None

    def unlink(self, files: Files, path: str) -> None:
        """Remove a name at once. What it named goes when its last holder lets go of it, which is a thread. OSError."""
        try:
            fd = os.open(path, os.O_RDONLY)
        except OSError:
            fd = -1
        try:
            files.unlink(path)
        finally:
            if fd >= 0:
                self._close(fd)

    def _close(self, fd: int) -> None:
        if os.fstat(fd).st_size < _LARGE:
            os.close(fd)
            return
        if self._thread is None:
            self._thread = worker(self._server, "close-file")
        self._thread.submit(os.close, fd)

    def close(self) -> None:
        """The server ends."""
        if self._thread is not None:
            self._thread.shutdown(wait=True)
            self._thread = None
