"""The latency monitor: for each kind of event the last 160 times it took longer than the threshold."""

from __future__ import annotations

from collections import deque
from typing import Final

HISTORY: Final = 160


class LatencyMonitor:
    """``events``: name → deque of [Unix seconds, milliseconds]; ``worst``: name → milliseconds since the last reset."""

    __slots__ = ("events", "worst")

    def __init__(self) -> None:
        self.events: dict[bytes, deque[list[int]]] = {}
        self.worst: dict[bytes, int] = {}

    def add(self, event: bytes, ms: int, now_ms: int) -> None:
        """Record a spike; several in the same second count as their worst."""
        series = self.events.setdefault(event, deque(maxlen=HISTORY))
        second = now_ms // 1000
        self.worst[event] = max(self.worst.get(event, 0), ms)
        if series and series[-1][0] == second:
            series[-1][1] = max(series[-1][1], ms)
        else:
            series.append([second, ms])

    def reset(self, events: list[bytes]) -> int:
        """Forget the named events (all, if none is named); returns how many were there."""
        names = events or list(self.events)
        count = 0
        for name in names:
            if self.events.pop(name, None) is not None:
                count += 1
            self.worst.pop(name, None)
        return count
