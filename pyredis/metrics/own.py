"""What only this server has to tell: how late its event loop is, how long the collector takes, what keys are made of.

The watch runs while somebody may ask (``metrics-port``); without it none of this costs anything.
"""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from pyredis.core.memory import key_bytes
from pyredis.keyspace.encoding import TYPE_NAMES

if TYPE_CHECKING:
    from pyredis.core.server import Server
    from pyredis.keyspace.db import Database

_PERIOD: Final = 0.1
"""Seconds between two looks at the event loop's lateness."""
_COUNTED: Final = 100_000
"""Keys of a database that are looked at; a larger one is taken to be like its oldest keys."""
_MEASURED: Final = 50
"""Keys of each type whose size is taken."""
_SAMPLES: Final = 5
_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Watch:
    """Measures the event loop and the collector of one process, for ``registry``."""

    def __init__(self, loop: asyncio.AbstractEventLoop, registry: CollectorRegistry) -> None:
        self.lag = Histogram(
            "pyredis_event_loop_lag_seconds",
            "How much later than due a timer of the event loop ran",
            buckets=_SECONDS,
            registry=registry,
        )
        self.pauses = Histogram(
            "pyredis_gc_pause_seconds",
            "How long each run of Python's cyclic collector took",
            buckets=_SECONDS,
            registry=registry,
        )
        self._loop = loop
        self._due = loop.time() + _PERIOD
        self._timer = loop.call_at(self._due, self._look)
        self._gc_started = 0.0
        gc.callbacks.append(self._collector)

    def close(self) -> None:
        """Measure no more."""
        self._timer.cancel()
        gc.callbacks.remove(self._collector)

    def _look(self) -> None:
        now = self._loop.time()
        self.lag.observe(max(now - self._due, 0.0))
        self._due = now + _PERIOD
        self._timer = self._loop.call_at(self._due, self._look)

    def _collector(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._gc_started = perf_counter()
        else:
            self.pauses.observe(perf_counter() - self._gc_started)


def _database(db: Database) -> dict[str, tuple[float, float]]:
    """Type → (keys, bytes) of a database that is not empty; estimates where it is large."""
    looked_at = min(len(db), _COUNTED)
    counts = Counter(map(type, islice(db.dict.values(), looked_at)))
    sizes: dict[type, list[int]] = {kind: [] for kind in counts}
    wanting = set(counts)
    for key, value in islice(db.dict.items(), looked_at):
        kind = type(value)
        if kind in wanting:
            sizes[kind].append(key_bytes(key, value, _SAMPLES))
            if len(sizes[kind]) == min(_MEASURED, counts[kind]):
                wanting.discard(kind)
                if not wanting:
                    break
    found: dict[str, tuple[float, float]] = {}
    for kind, count in counts.items():
        name = TYPE_NAMES[kind].decode()
        keys = count * len(db) / looked_at
        before = found.get(name, (0.0, 0.0))
        found[name] = before[0] + keys, before[1] + keys * sum(sizes[kind]) / len(sizes[kind])
    return found


def own_families(server: Server) -> Iterator[Metric]:
    """What is looked up at the moment of asking."""
    buffers = GaugeMetricFamily("pyredis_output_buffer_bytes", "Replies that clients have not taken yet")
    buffers.add_metric([], sum(c.conn.output_bytes() for c in server.clients.values()))
    yield buffers
    keys = GaugeMetricFamily("pyredis_keys", "Keys of each type, estimated in large databases", labels=["db", "type"])
    size = GaugeMetricFamily("pyredis_key_bytes", "About what they take, from a sample", labels=["db", "type"])
    for db in server.dbs:
        if len(db):
            for name, (count, total) in _database(db).items():
                keys.add_metric([f"db{db.id}", name], round(count))
                size.add_metric([f"db{db.id}", name], round(total))
    yield keys
    yield size
