"""The memory limit: when the data takes more than ``maxmemory``, keys go by the policy, or what needs more is refused.

What counts is what the two allocators of the process have handed out (:mod:`pyredis.lib.heap`) beyond what the program
itself takes. To measure it takes about half a millisecond for each 100 MB, so it is done from time to time only; in
between what has been received since counts, times how much memory a byte received has lately taken, less what has been
evicted. The resident size, which can be read at any time, is an upper bound unless memory is swapped out: below the
limit it is measured seldom, and not before half of the limit could be used.

With a limit every client has ``CLIENT_METERED`` set, which makes its connection ask :meth:`Eviction.received` first.
Without one nothing here is ever called. While memory is short and no key may go, ``GATE_OOM`` sends all commands
through the checks. Commands that can take far more memory than they are long (SETRANGE, COPY, …) always go there while
there is a limit.
"""

from __future__ import annotations

import sys
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

from pyredis.core.checks import GATE_OOM
from pyredis.core.client import CLIENT_METERED, CLIENT_MULTI, Client
from pyredis.core.client_eviction import ClientEviction
from pyredis.core.command import CMD_DENYOOM, Command
from pyredis.core.dispatch import set_gate
from pyredis.core.memory import value_bytes
from pyredis.core.memory_meter import Meter
from pyredis.core.option_kinds import is_automatic
from pyredis.core.propagate import propagate_removed
from pyredis.keyspace.access import Lfu
from pyredis.keyspace.evict import Victim, Victims
from pyredis.keyspace.state import NOTIFY_EVICTED

if TYPE_CHECKING:
    from pyredis.core.server import Server

_LEAST_STEP: Final = 16 << 10
_LARGEST_STEP: Final = 1 << 20
"""Bytes received after which it is looked again, at least and at most."""
_AT_ONCE: Final = 64
"""So many keys are chosen at a time."""
_CROWDED: Final = 0.97
_FULL: Final = 0.8
"""How full a table of keys may be that must not grow: of places that were ever taken, and of live keys."""
_LEAST_PER_KEY: Final = 16
"""Bytes received for a new key, at least."""
_MOST_FOR_TABLES: Final = 2048
_LEAST_FOR_TABLES: Final = 640
"""Keys that go at a time to keep a table small, the least of them however long it takes: hardly more are added between
two looks."""
_REFUSED_AGAIN_NS: Final = 50_000_000
"""For so long refusals go on without another look, while nothing is removed."""
_TINY: Final = 1 << 20
_SLACK: Final = 8 << 20
"""What a process of any size may have in free pieces."""
_LEAST_OF_A_KEY: Final = 64
_LEAST_OF_A_CLIENT: Final = 1024
_SAMPLES: Final = 5
"""Elements measured of a collection that goes."""
GROWING: Final = frozenset(
    b"setrange setbit bitfield bitop copy restore sort sunionstore sinterstore sdiffstore zunionstore zinterstore "
    b"zdiffstore zrangestore georadius georadiusbymember geosearchstore pfadd pfmerge xreadgroup xclaim "
    b"xautoclaim".split()
)
"""Commands that can take much more memory than their arguments have bytes."""
_WHILE_QUEUEING: Final = frozenset((b"exec", b"discard", b"quit", b"reset"))
"""Within MULTI everything but these is kept, and so needs memory."""


class Eviction:
    """The limit of one server's memory; ``limit`` is 0 while there is none. Figures are in bytes."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.meter = Meter(self._least)
        self.victims = Victims(server)
        self.clients = ClientEviction(server)
        self.limit = 0
        self.credit = 0
        """What may still be received before it is looked again."""
        self.step = 0
        self.table_step = _LARGEST_STEP
        self.doubt = False
        """True if memory may have been taken that is not resident yet (SETRANGE far behind a string's end)."""
        self.running = False
        """True while there is more to evict than one slice of time allows."""
        self.over_since = 0
        """``perf_counter_ns`` since when memory is over the limit; 0 = it is not."""
        self.changes = 0
        """``server.dirty`` at the last look of the cron."""
        self.signs = 0
        """What memory may depend on, when a command was last refused: what has changed since, if anything."""
        self.evicted_keys = 0
        self.exceeded_ns = 0

    def _least(self) -> int:
        """What the keys and the clients take at least."""
        server = self.server
        return _LEAST_OF_A_KEY * sum(map(len, server.dbs)) + _LEAST_OF_A_CLIENT * len(server.clients)

    def reset_stats(self) -> None:
        """CONFIG RESETSTAT."""
        self.evicted_keys = self.clients.evicted = 0
        self.exceeded_ns = 0
        if self.over_since:
            self.over_since = perf_counter_ns()

    def exceeded_times(self) -> list[tuple[str, object]]:
        """INFO's milliseconds over the limit: all together, and since when it is now."""
        current = perf_counter_ns() - self.over_since if self.over_since else 0
        return [
            ("total_eviction_exceeded_time", (self.exceeded_ns + current) // 1_000_000),
            ("current_eviction_exceeded_time", current // 1_000_000),
        ]

    # --- configuration ----------------------------------------------------------------------------------------

    def configure(self) -> None:
        """The limit, the policy or its rules have changed."""
        server, config = self.server, self.server.config
        policy = config.maxmemory_policy
        if policy.endswith("-lfu"):
            server.set_access(True, Lfu(config.lfu_log_factor, config.lfu_decay_time, server.mstime, server.rng))
        else:
            server.set_access(policy.endswith("-lru") and config.maxmemory > 0, None)
        self.victims.configure(policy, config.maxmemory_samples)
        toggled = bool(self.limit) != bool(config.maxmemory)
        lower = not self.limit or config.maxmemory < self.limit
        self._set_limit(config.maxmemory)
        self.credit = self.step = 0
        self.apply_metering()
        if toggled:
            server.refresh_fast_table()
        if not self.limit:
            set_gate(server, GATE_OOM, False)
            self._within_limit()
            return
        self.meter.measure()
        if lower and self.meter.used > self.limit and server.loop is not None:
            server.log.warning(
                f"WARNING: the new maxmemory value set via CONFIG SET ({self.limit}) is smaller than the current "
                f"memory usage ({self.meter.used}). This will result in key eviction and/or the inability to accept "
                "new write commands depending on the maxmemory-policy."
            )
        self.relieve()

    def _set_limit(self, limit: int) -> None:
        """``maxmemory``; a limit for the whole process (``auto``) counts the program as well."""
        meter = self.meter
        if limit:
            meter.begin().give_large_back()
        self.limit = limit
        meter.ceiling = limit + (limit >> 2) + _SLACK if limit else 0
        if is_automatic(limit):
            self.limit = max(limit - meter.base_resident, _TINY)
            meter.ceiling = self.limit + (limit >> 3)
        meter.most_excess = self.limit >> 2

    def apply_metering(self) -> None:
        """Let the connections ask before they run what they have received, or let them no longer."""
        for c in self.server.clients.values():
            self.meter_client(c)

    def meter_client(self, c: Client) -> None:
        """A new client, or another limit."""
        if self.limit or self.server.config.maxmemory_clients:
            c.flags |= CLIENT_METERED
        else:
            c.flags &= ~CLIENT_METERED

    # --- looking ----------------------------------------------------------------------------------------------

    def received(self, size: int) -> None:
        """``size`` bytes have been received and will be run now: see whether memory is getting short."""
        self.credit -= size
        if self.credit < 0:
            self.look()

    def look(self) -> None:
        """See how much memory is used, and evict if it is too much."""
        if self.server.config.maxmemory_clients:
            self.clients.look()
        if not self.limit:
            self.credit = self.step = _LEAST_STEP
            return
        self.server.set_ticks()
        meter = self.meter
        meter.received += self.step - self.credit
        old = meter.is_old(self.limit) and meter.estimate() > self.limit >> 1
        if (self.doubt or old) and meter.is_rested():
            self.doubt = False
            meter.measure()
        room = self.limit - max(meter.bound(), meter.used)
        if room > 0 and not self.server.gates & GATE_OOM:
            self.step = self.credit = min(max(room // 16, _LEAST_STEP), _LARGEST_STEP)
            if room < self.limit - (self.limit >> 2):
                full = self._mind_tables()
                self.step = self.credit = _LEAST_STEP if full else min(self.step, self.table_step)
                if full:
                    self.relieve(full)
            return
        if meter.estimate() > self.limit or meter.is_stale(self.limit):
            meter.measure_if_cheap(self.limit)
        self.step = self.credit = _LEAST_STEP
        self.relieve()

    def _mind_tables(self) -> int:
        """How many keys must go lest their table becomes larger than memory allows; a crowded one is made anew.

        ``table_step`` is then so much as may be received before a table could be full.
        """
        self.table_step = _LARGEST_STEP
        if self.victims.policy == "noeviction":
            return 0
        meter = self.meter
        for db in self.server.dbs:
            places, more = db.places()
            if not more or meter.estimate() + more <= self.limit:
                continue
            left = places - len(db) - db.gone
            self.table_step = max(min(self.table_step, left * _LEAST_PER_KEY), _LEAST_STEP)
            if left < places * (1 - _FULL):
                meter.measure_if_cheap(self.limit)
                if meter.estimate() + more <= self.limit:
                    continue
                too_many = len(db) - int(places * _FULL)
                if left < places * (1 - _CROWDED) and db.gone > places >> 3:
                    db.rebuild()  # else it is not worth the while: it grows
                if too_many > 0:
                    return min(too_many, _MOST_FOR_TABLES)
        return 0

    def relieve(self, full: int = -1) -> bool:
        """Evict until memory is within the limit, time is over or nothing may go; False in the last case.

        ``full`` is what :meth:`_mind_tables` has said, if it was asked.
        """
        server, meter = self.server, self.meter
        if full < 0:
            full = self._mind_tables()
        if not full and meter.estimate() <= self.limit:
            self._within_limit()
            set_gate(server, GATE_OOM, False)
            return True
        if not self.over_since:
            self.over_since = perf_counter_ns()
        if not self._may_evict():
            set_gate(server, GATE_OOM, False)
            return True
        enough = self._evict(full)
        set_gate(server, GATE_OOM, not enough)
        if not enough:
            self.credit = 0
        return enough

    def _may_evict(self) -> bool:
        """Not while loading, while clients are paused, and on a replica that leaves that to its master."""
        server = self.server
        ignored = server.replication.master is not None and server.config.replica_ignore_maxmemory
        return not (ignored or server.paused_until or server.write_pauses or server.loading is not None)

    def _within_limit(self) -> None:
        self.running = False
        if self.over_since:
            self.exceeded_ns += perf_counter_ns() - self.over_since
            self.over_since = 0

    def cron(self) -> None:
        """Some times a second: what nobody was asked about, such as memory that was given back."""
        server = self.server
        if server.config.maxmemory_clients:
            self.clients.look()
        if self.limit and (server.dirty != self.changes or server.gates & GATE_OOM or self.credit < self.step):
            self.changes = server.dirty
            if self.meter.bound() > self.limit:
                self.meter.measure_if_cheap(self.limit)
                self.relieve()
            else:
                self.look()

    # --- refusing ---------------------------------------------------------------------------------------------

    def refuses(self, c: Client, cmd: Command) -> bool:
        """Whether a command is refused now because memory is short. Called for all that go through the checks."""
        if cmd.fullname in GROWING:
            self.look()
            self.doubt = True
        if not self.server.gates & GATE_OOM or not _needs_memory(c, cmd):
            return False
        return self.out_of_memory()

    def out_of_memory(self) -> bool:
        """Whether memory is short and no key may go, as of now."""
        server = self.server
        if not self.limit:
            return False
        if not server.gates & GATE_OOM:
            self.look()
            return bool(server.gates & GATE_OOM)
        signs = server.dirty + server.stat_expired_keys + server.stat_expired_subkeys + len(server.clients)
        now = perf_counter_ns()
        if signs == self.signs and now - self.meter.measured_at < _REFUSED_AGAIN_NS:
            return True
        self.signs = signs
        self.meter.measure_if_cheap(self.limit)
        return not self.relieve()

    # --- evicting ---------------------------------------------------------------------------------------------

    def _evict(self, least: int) -> bool:
        """A slice of eviction, of ``least`` keys if that is enough; False if there is nothing that may go.

        Goes on in the loop's next turn if need be.
        """
        server, meter, limit = self.server, self.meter, self.limit
        # A little more than needed, or every few bytes received would begin a slice of their own.
        goal = limit - min(limit >> 7, 4 * _LEAST_STEP)
        started = now = perf_counter_ns()
        end = started + self._slice_ns()
        count = 1
        evicted = 0
        while meter.estimate() > goal or evicted < least:
            victims = self.victims.choose(count)
            if not victims:
                break
            evicted += len(victims)
            self._remove(victims)
            now = perf_counter_ns()
            if now > end and evicted >= min(least, _LEAST_FOR_TABLES):
                break
            count = min(2 * count, _AT_ONCE)
            if meter.freed > meter.trust(limit):
                meter.measure_if_cheap(self.limit)
        server.note_latency(b"eviction-cycle", now - started)
        for db in server.dbs:
            db.shrink()
        if meter.estimate() <= limit:
            self._within_limit()
            return True
        if not evicted:
            # Nothing may go: the figure must be true now, not an estimate.
            meter.measure()
            return meter.used <= limit
        self._go_on_soon()
        return True

    def _slice_ns(self) -> int:
        """How long a slice may take: 4 ms by default, more (without end) the more tenacious.

        That is eight times as much as in Redis, where a slice makes room for one command; here it is for many.
        """
        tenacity = self.server.config.maxmemory_eviction_tenacity
        if tenacity <= 10:
            return 400_000 * tenacity
        return int(4_000_000 * 1.15 ** (tenacity - 10)) if tenacity < 100 else 1 << 62

    def _go_on_soon(self) -> None:
        self.credit = 0
        if not self.running and self.server.loop is not None:
            self.running = True
            self.server.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if self.running and self.limit:
            self.running = False
            self.server.update_time()
            self.relieve()
            self.server.after_event()

    def _remove(self, victims: list[Victim]) -> None:
        """Take keys away, and tell those who want to know."""
        server, meter = self.server, self.meter
        lazy = server.config.lazyfree_lazy_eviction
        threshold = server.config.latency_monitor_threshold
        for victim in victims:
            db, key, _ = victim
            value = db.dict.get(key)
            if value is None:
                continue
            started = perf_counter_ns() if threshold else 0
            meter.freed += sys.getsizeof(key) + (
                sys.getsizeof(value) if type(value) is bytes else value_bytes(value, _SAMPLES)
            )
            db.delete(key)
            self.victims.removed(victim)
            value = None
            if threshold:
                server.note_latency(b"eviction-del", perf_counter_ns() - started)
            self.evicted_keys += 1
            if db.hooks:
                db.touched(key, False)
                db.notify(key, NOTIFY_EVICTED, b"evicted")
            propagate_removed(server, db.id, key, lazy)


def _needs_memory(c: Client, cmd: Command) -> bool:
    if c.flags & CLIENT_MULTI:
        if cmd.fullname not in _WHILE_QUEUEING:
            return True
        if cmd.fullname == b"exec" and c.multi is not None:
            return any(queued.flags & CMD_DENYOOM for queued, _ in c.multi)
    return bool(cmd.flags & CMD_DENYOOM)
