"""The figures of a server, from INFO, LATENCY HISTOGRAM and SLOWLOG: two looks give the rates in between.

They are asked of any server that speaks Redis's protocol; what it does not answer, or not to this user, is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

from pyredis.cli.client.connection import Reply
from pyredis.cli.client.session import Session

Histogram = dict[int, int]
"""Microseconds → calls that took at most so long, and longer than the next smaller one."""

_QUANTILES: Final = (0.5, 0.99, 0.999)
_SLOW: Final = b"8"


class Denied(Exception):
    """The server does not tell; the text is its error."""


@dataclass(slots=True)
class Call:
    """One command between two looks. ``usec``: how long a call took, in the mean, in microseconds."""

    name: str
    per_second: float
    usec: float
    share: float
    """Of all the time that commands took, 0 to 1."""
    total: int
    """Calls since the start."""


@dataclass(slots=True)
class Figures:
    """What is shown. Rates are per second, sizes bytes, percentiles microseconds (None without calls)."""

    title: str
    info: dict[str, str]
    ops: float = 0.0
    hits: float = 0.0
    misses: float = 0.0
    bytes_in: float = 0.0
    bytes_out: float = 0.0
    expired: float = 0.0
    evicted: float = 0.0
    errors: float = 0.0
    cpu: float = 0.0
    """Seconds of CPU for each second."""
    percentiles: list[float | None] = field(default_factory=lambda: [None, None, None])
    calls: list[Call] = field(default_factory=list)
    databases: list[tuple[str, int, int]] = field(default_factory=list)
    """Name, keys, keys that expire."""
    replicas: list[dict[str, str]] = field(default_factory=list)
    slow: list[tuple[int, int, str]] = field(default_factory=list)
    """Unix seconds, microseconds, the command."""

    def number(self, name: str) -> float:
        """A field of INFO; 0 if there is none."""
        return number_of(self.info, name)


def number_of(info: dict[str, str], name: str) -> float:
    """A field of INFO; 0 if it is none, or no number."""
    try:
        return float(info.get(name, "0"))
    except ValueError:
        return 0.0


def parse_info(text: str) -> dict[str, str]:
    """The fields of INFO.

    >>> parse_info("# Clients\\r\\nconnected_clients:3\\r\\n")
    {'connected_clients': '3'}
    """
    lines = [line.partition(":") for line in text.splitlines() if ":" in line and not line.startswith("#")]
    return {name: value for name, _, value in lines}


def _pairs(text: str) -> dict[str, str]:
    """``a=1,b=2`` as a dict."""
    return dict(part.split("=", 1) for part in text.split(",") if "=" in part)


def quantiles(counts: Histogram) -> list[float | None]:
    """The upper ends of the classes in which p50, p99 and p99.9 are.

    >>> quantiles({1: 98, 4: 1, 64: 1})
    [1.0, 4.0, 64.0]
    """
    total = sum(counts.values())
    if not total:
        return [None] * len(_QUANTILES)
    found: list[float | None] = []
    for quantile in _QUANTILES:
        reached = 0
        for usec in sorted(counts):
            reached += counts[usec]
            if reached >= quantile * total:
                found.append(float(usec))
                break
    return found


def _map(reply: Reply) -> list[tuple[Any, Any]]:
    """Names and values of a map, or of an array of both in turn."""
    elements: list[Any] = reply.value or []
    return list(zip(elements[::2], elements[1::2], strict=True))


def read_histogram(reply: Reply) -> Histogram:
    """LATENCY HISTOGRAM, of all commands together; empty for an error."""
    counts: Histogram = {}
    if reply.kind == b"-":
        return counts
    for _, of_command in _map(reply):
        before = 0
        for usec, calls in _map({k.value: v for k, v in _map(of_command)}[b"histogram_usec"]):
            counts[usec.value] = counts.get(usec.value, 0) + calls.value - before
            before = calls.value
    return counts


@dataclass(slots=True)
class _Look:
    """What one look found."""

    at: float
    info: dict[str, str]
    durations: Histogram
    slow: list[tuple[int, int, str]]


class Reader:
    """Looks at a server. Raises Denied if it may not, NotConnected or ConnectionLost."""

    def __init__(self, session: Session, title: str) -> None:
        self.session = session
        self.title = title
        self._before = self._look()

    def _look(self) -> _Look:
        connection = self.session.connect()
        reply = connection.call(b"INFO", b"everything")
        if reply.kind == b"-":
            raise Denied(reply.value.decode(errors="replace"))
        durations = read_histogram(connection.call(b"LATENCY", b"HISTOGRAM"))
        slow = connection.call(b"SLOWLOG", b"GET", _SLOW)
        entries = [] if slow.kind == b"-" else [entry.value for entry in slow.value or []]
        return _Look(
            monotonic(),
            parse_info(reply.value.decode(errors="replace")),
            durations,
            [(entry[1].value, entry[2].value, _command(entry[3])) for entry in entries],
        )

    def read(self) -> Figures:
        """The figures since the last time."""
        before, now = self._before, self._look()
        self._before = now
        seconds = max(now.at - before.at, 0.001)

        def rate(*names: str) -> float:
            grown = sum(number_of(now.info, name) - number_of(before.info, name) for name in names)
            return max(grown, 0.0) / seconds

        figures = Figures(self.title, now.info)
        figures.ops = rate("total_commands_processed")
        figures.hits, figures.misses = rate("keyspace_hits"), rate("keyspace_misses")
        figures.bytes_in, figures.bytes_out = rate("total_net_input_bytes"), rate("total_net_output_bytes")
        figures.expired, figures.evicted = rate("expired_keys"), rate("evicted_keys")
        figures.errors, figures.cpu = rate("total_error_replies"), rate("used_cpu_sys", "used_cpu_user")
        fresh = {usec: calls - before.durations.get(usec, 0) for usec, calls in now.durations.items()}
        figures.percentiles = quantiles({usec: calls for usec, calls in fresh.items() if calls > 0})
        figures.calls = _calls(before.info, now.info, seconds)
        for name, value in now.info.items():
            fields = _pairs(value)
            if name.startswith("db") and name[2:].isdigit() and "keys" in fields:
                figures.databases.append((name, int(fields["keys"]), int(fields.get("expires", 0))))
            elif name.startswith("slave") and name[5:].isdigit() and "offset" in fields:
                figures.replicas.append(fields)
        figures.slow = now.slow
        return figures


def _command(reply: Reply) -> str:
    words = [word.value.decode(errors="backslashreplace") for word in reply.value]
    return " ".join(word if word.isprintable() else ascii(word) for word in words)


def _calls(before: dict[str, str], now: dict[str, str], seconds: float) -> list[Call]:
    """What each command did between two looks, what takes most of the time first."""
    found: list[tuple[str, float, float, int]] = []
    for name, value in now.items():
        if name.startswith("cmdstat_"):
            new, old = _pairs(value), _pairs(before.get(name, ""))
            calls = int(new["calls"]) - int(old.get("calls", 0))
            usec = float(new["usec"]) - float(old.get("usec", 0))
            if calls >= 0:  # else all counters have begun anew
                found.append((name.removeprefix("cmdstat_").replace("|", " "), calls, usec, int(new["calls"])))
    whole = sum(usec for _, _, usec, _ in found) or 1.0
    found.sort(key=lambda one: (-one[2], -one[3]))
    return [
        Call(name.upper(), calls / seconds, usec / calls if calls else 0.0, usec / whole, total)
        for name, calls, usec, total in found
    ]
