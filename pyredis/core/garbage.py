"""The cyclic collector, kept away from the data: nobody waits while it looks at millions of values.

Reference counts free nearly everything here; values hold no cycles, nor does a connection that has ended on uvloop. So
only young objects are looked at, a few thousand at a time, and what survives two looks is set aside for good with
``gc.freeze()`` (it is freed as ever when nothing refers to it). Only asyncio's own loop leaves cycles behind, one for
each connection; there everything is looked at again after many of them have ended.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pyredis.core.server import Server

_YOUNG: Final = 20_000
_CONNECTIONS: Final = 10_000


def _set_survivors_aside(phase: str, info: dict[str, int]) -> None:
    if phase == "stop" and info["generation"] > 0:
        gc.freeze()


@contextmanager
def not_collected() -> Iterator[None]:
    """While data are loaded: millions of new objects and no garbage, at which the collector would look again and again
    (a third of the time of loading)."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class Collector:
    """The process's settings; there is one server in a process that uses it."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        self.server = server
        self.leaves_cycles = not type(loop).__module__.startswith("uvloop")
        self.seen = 0
        gc.collect()
        gc.freeze()
        gc.set_threshold(_YOUNG, 1, 1_000_000)
        gc.callbacks.append(_set_survivors_aside)

    def cron(self) -> None:
        """Look at everything once many connections have come and gone on a loop that leaves cycles."""
        if self.leaves_cycles and self.server.stats.connections_received - self.seen > _CONNECTIONS:
            self.seen = self.server.stats.connections_received
            gc.unfreeze()
            gc.collect()

    def stop(self) -> None:
        """Leave the collector as it was found."""
        gc.callbacks.remove(_set_survivors_aside)
        gc.unfreeze()
        gc.set_threshold(700, 10, 10)
