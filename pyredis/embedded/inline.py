"""An event loop without a thread: it runs when somebody calls.

A server without sockets needs of a loop only "do this soon" and "do this later". Whoever talks to such a server runs
what is due before and after, so nothing happens behind anybody's back, and a server that is not used costs nothing.
"""

from __future__ import annotations

import heapq
import select
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

_POLL_SECONDS = 0.02
"""How often a waiting caller looks at the pipes of child processes."""


class Handle:
    """A call that is to be made at a time; what asyncio calls a TimerHandle."""

    __slots__ = ("_when", "arguments", "callback")

    def __init__(self, when: float, callback: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        self._when = when
        self.callback: Callable[..., object] | None = callback
        self.arguments = arguments

    def cancel(self) -> None:
        """It will not be made."""
        self.callback, self.arguments = None, ()

    def cancelled(self) -> bool:
        """Whether it will not be made."""
        return self.callback is None

    def when(self) -> float:
        """The loop's time at which it is due."""
        return self._when


class InlineLoop:
    """What a server needs of an asyncio loop, with the same names; ``lock`` is held by whoever runs it."""

    def __init__(self, lock: threading.Condition) -> None:
        self.lock = lock
        self.on_earlier: list[Callable[[], None]] = []
        """Those who want to know when something is due earlier than they may think."""
        self._ready: deque[Handle] = deque()
        self._timers: list[tuple[float, int, Handle]] = []
        self._number = 0
        self._readers: dict[int, tuple[Callable[..., object], tuple[Any, ...]]] = {}
        self._closed = False

    # --- what the server calls --------------------------------------------------------------------------------

    def time(self) -> float:
        """Seconds; only differences mean something."""
        return monotonic()

    def call_soon(self, callback: Callable[..., object], *args: Any) -> Handle:
        """Call in the next turn."""
        handle = Handle(0.0, callback, args)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any) -> Handle:
        """The same, from any thread."""
        with self.lock:
            handle = self.call_soon(callback, *args)
            self.lock.notify_all()
            self._tell()
        return handle

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Handle:
        """Call after so many seconds."""
        return self.call_at(monotonic() + delay, callback, *args)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> Handle:
        """Call at a time of :meth:`time`."""
        handle = Handle(when, callback, args)
        self._number += 1
        heapq.heappush(self._timers, (when, self._number, handle))
        return handle

    def add_reader(self, fd: Any, callback: Callable[..., object], *args: Any) -> None:
        """Call whenever there is something to read."""
        self._readers[fd] = (callback, args)

    def remove_reader(self, fd: Any) -> bool:
        """No more."""
        return self._readers.pop(fd, None) is not None

    def is_closed(self) -> bool:
        """Whether the server has ended."""
        return self._closed

    # --- what its callers call --------------------------------------------------------------------------------

    def run_due(self) -> None:
        """Make the calls that are due; the caller holds the lock."""
        if self._readers:
            for fd in select.select(list(self._readers), [], [], 0)[0]:
                callback, args = self._readers[fd]
                callback(*args)
        timers = self._timers
        if timers and timers[0][0] <= monotonic():
            now = monotonic()
            while timers and timers[0][0] <= now:
                self._ready.append(heapq.heappop(timers)[2])
        ready = self._ready
        while ready:
            handle = ready.popleft()
            if handle.callback is not None:
                handle.callback(*handle.arguments)

    def rest(self) -> float | None:
        """Seconds until something is due; None if nothing ever is."""
        if self._ready:
            return 0.0
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        rest = max(0.0, timers[0][0] - monotonic()) if timers else None
        if self._readers:
            return _POLL_SECONDS if rest is None else min(rest, _POLL_SECONDS)
        return rest

    def close(self) -> None:
        """Forget everything that was to be done."""
        self._closed = True
        self._ready.clear()
        self._timers.clear()
        self._readers.clear()
        with self.lock:
            self.lock.notify_all()

    def _tell(self) -> None:
        for callback in self.on_earlier:
            callback()
