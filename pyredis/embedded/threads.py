"""The thread in which embedded servers run: one for all of them, begun when the first one is."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from pyredis.app import choose_loop

T = TypeVar("T")


class LoopThread:
    """A daemon thread that runs an event loop."""

    def __init__(self) -> None:
        _, factory = choose_loop(os.environ.get("PYREDIS_LOOP", ""))
        self.pid = os.getpid()
        self.loop = factory() if factory is not None else asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, name="pyredis", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there and wait for its result."""
        if threading.get_ident() == self.thread.ident:
            coroutine.close()
            raise RuntimeError("a server cannot be started or stopped from its own loop")
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()


_shared: LoopThread | None = None
_making = threading.Lock()


def shared_thread() -> LoopThread:
    """The thread of all servers of this process; a forked child gets one of its own."""
    global _shared
    with _making:
        if _shared is None or _shared.pid != os.getpid():
            _shared = LoopThread()
        return _shared
