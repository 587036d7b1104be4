"""The latency monitor: for each kind of event the last 160 times it took longer than ``latency-monitor-threshold``.

The events that can happen here are ``command`` and ``fast-command`` (a command, by its FAST flag) and ``expire-cycle``
(a slice of active expiry). Answers to Redis's ``src/latency.c``; the advice is in our own words.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from pyredis.lib.sparkline import sparkline

HISTORY: Final = 160
GRAPH_COLUMNS: Final = 80
_GRAPH_ROWS: Final = 4


class Spikes:
    """What the samples of one event say together, in milliseconds; ``period`` is the seconds between two of them."""

    __slots__ = ("average", "count", "deviation", "period")

    def __init__(self, series: deque[list[int]], now: int) -> None:
        values = [ms for _, ms in series]
        self.count = len(values)
        self.average = sum(values) // self.count
        self.deviation = sum(abs(self.average - ms) for ms in values) // self.count
        self.period = (now - series[0][0] or 1) / self.count


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

    def graph(self, event: bytes, now: int) -> str:
        """The chart of LATENCY GRAPH; the event must have samples. ``now`` in Unix seconds."""
        series = self.events[event]
        values = [ms for _, ms in series]
        chart = sparkline([(ms, _age(now - when)) for when, ms in series], GRAPH_COLUMNS, _GRAPH_ROWS)
        heading = (
            f"{event.decode('latin-1')} - high {max(values)} ms, low {min(values)} ms"
            f" (all time high {self.worst[event]} ms)\n"
        )
        return heading + "-" * GRAPH_COLUMNS + "\n" + chart

    def doctor(self, threshold: int, slowlog_usec: int, now: int) -> str:
        """LATENCY DOCTOR: what was seen and what may help. Thresholds are the configured ones (ms and µs)."""
        if not threshold and not self.events:
            return (
                "The latency monitor is off. CONFIG SET latency-monitor-threshold <milliseconds> switches it on;"
                " it then records whatever takes that long or longer.\n"
            )
        if not self.events:
            return "Nothing has taken as long as latency-monitor-threshold since the server started.\n"
        lines = ["These events took longer than latency-monitor-threshold:\n"]
        for number, (event, series) in enumerate(self.events.items(), 1):
            seen = Spikes(series, now)
            lines.append(
                f"{number}. {event.decode('latin-1')}: {seen.count} latency spikes (average {seen.average}ms,"
                f" mean deviation {seen.deviation}ms, period {seen.period:.2f} sec)."
                f" Worst all time event {self.worst[event]}ms."
            )
        lines.append("\nWhat may help:\n")
        lines += [f"- {advice}" for advice in self._advice(threshold, slowlog_usec)]
        return "\n".join(lines) + "\n"

    def _advice(self, threshold: int, slowlog_usec: int) -> list[str]:
        advice = []
        if b"command" in self.events or b"fast-command" in self.events:
            if slowlog_usec < 0:
                advice.append("The slow log is off: set slowlog-log-slower-than to see which commands are slow.")
            elif slowlog_usec > threshold * 1000 > 0:
                advice.append(
                    "The slow log only records what is slower than the spikes seen: lower slowlog-log-slower-than"
                    f" (now {slowlog_usec} microseconds)."
                )
            else:
                advice.append("SLOWLOG GET shows which commands were slow.")
            advice.append(
                "Commands that read or remove a large value hold up everybody: keep values small, or read them in"
                " parts (HSCAN, SSCAN, ZSCAN, ranges)."
            )
        if b"fast-command" in self.events:
            advice.append(
                "Commands that take constant time were slow: the machine is probably busy (CPU limits, swapping,"
                " other processes)."
            )
        if b"expire-cycle" in self.events:
            advice.append("Many keys were due at the same time: spread their deadlines.")
        return advice


def _age(seconds: int) -> str:
    """How long ago, in the largest unit that fits."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
