"""What one server owns: databases, clients, the command table, configuration, counters; and its cron.

No global state: two servers in one process share nothing but declarations. Subsystems are attached by ``pyredis.app``,
the only module that names them together.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from time import monotonic, perf_counter_ns
from typing import TYPE_CHECKING, Final, Protocol

from pyredis.core.acl_users import Users
from pyredis.core.blocked import (
    end_wait,
    handle_clients_blocked_on_keys,
    shift_waits,
    signal_key_as_ready,
    unblock_client,
)
from pyredis.core.client import (
    CLIENT_CLOSE_AFTER_REPLY,
    CLIENT_CLOSED,
    CLIENT_HAS_MORE,
    CLIENT_PAUSED,
    CLIENT_STOP,
    CLIENT_UNBLOCKED,
    Client,
)
from pyredis.core.command import CMD_FAST, CMD_WRITE, Command, all_commands, build_table
from pyredis.core.compat import RELEASES, version_number
from pyredis.core.dispatch import (
    GATE_DISK_ERROR,
    GATE_LOADING,
    GATE_PAUSED,
    GATE_SLOWLOG,
    build_fast_table,
    end_after_reply,
    refresh_fast,
    run_pending,
    set_gate,
)
from pyredis.core.durability import AppendLog, Background, Libraries, Loading, Snapshots
from pyredis.core.eviction import GROWING, Eviction
from pyredis.core.latency import LatencyMonitor
from pyredis.core.mode import Mode
from pyredis.core.moving import Moving
from pyredis.core.multi import discard_transaction, touch_all_watched_keys, touch_watched_key
from pyredis.core.notify import publish_keyspace_event
from pyredis.core.propagate import propagate_expired, propagate_fields_expired
from pyredis.core.replication import Replication
from pyredis.core.rest import nothing_to_do
from pyredis.core.scripts import Scripts
from pyredis.core.shutdown import PendingShutdown
from pyredis.core.slowlog import Slowlog
from pyredis.core.stats import Stats
from pyredis.core.tracking import Tracking
from pyredis.engines.list import ListObj
from pyredis.engines.stream import StreamObj
from pyredis.engines.zset import ZSetObj
from pyredis.keyspace.db import Database
from pyredis.keyspace.expire import active_expire_cycle
from pyredis.keyspace.state import KeyspaceState
from pyredis.lib.splitargs import quote_arg
from pyredis.resp.errors import MISCONF_RDB

if TYPE_CHECKING:
    from pyredis.core.logging import Logger
    from pyredis.core.options import Config
    from pyredis.core.process import Process

Feeder = Callable[[int, bytes], None]
"""``(db, data)``: takes propagated commands, whole and encoded, that ran in one database."""

MAX_CLIENTS_PER_CRON = 200
"""How many clients a turn of the cron should look after at most, with ``dynamic-hz``."""
BLOCKED_LIST = 1
BLOCKED_ZSET = 2
BLOCKED_STREAM = 3
_BLOCKING_KINDS: Final[dict[type, int]] = {
    ListObj: BLOCKED_LIST,
    ZSetObj: BLOCKED_ZSET,
    StreamObj: BLOCKED_STREAM,
}
"""Class of a value → the kind of wait that it may end."""
_LONGEST_TIMER: Final = 86400.0
"""Seconds; event loops refuse timers that are too far away."""


class Listening(Protocol):
    """What CONFIG SET needs of the listening sockets."""

    def rebind(self) -> bool:
        """Listen where the configuration says now; False (logged), and nothing changed, if that fails."""

    def configure_tls(self, again: bool) -> bool:
        """Take over the TLS settings, if they are used at all, and unless that was done before if not ``again``.

        False (logged), and nothing changed, if that fails. Connections keep the settings they began with.
        """


class Server(KeyspaceState):
    """One server: everything that a client can reach, without sockets."""

    def __init__(self, config: Config, log: Logger) -> None:
        super().__init__()
        self.config = config
        self.log = log
        self.config_file: str | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.compat = version_number(config.compat_version)
        self.redis_version = RELEASES[config.compat_version].encode()
        """What clients are told: ``b"7.0.15"``."""
        self.run_id, self.pid = os.urandom(20).hex().encode(), os.getpid()
        self.started_at, self.started_monotonic = self.clock.time(), monotonic()
        self.dbs = [Database(self, n) for n in range(config.databases)]
        self.mode = Mode()
        self.commands: dict[bytes, Command] = build_table(self.compat, config.renamed_commands, config.sentinel_mode)
        self.counted = all_commands(self.commands)
        """The commands and subcommands of the table."""
        self.fast_with_writes = build_fast_table(self.commands, 0, frozenset())
        self.fast = self.fast_with_writes
        """Without the commands that write while this is a read-only replica."""
        self.gates = 0
        self.slowlog_threshold_ns = 1 << 62
        self.clients: dict[int, Client] = {}
        self.handshakes: set[asyncio.Transport] = set()
        """Connections that are no client's yet: their TLS handshake is not over."""
        self.users = Users(self)
        self.next_client_id = 1
        self.pending_writes: dict[Client, None] = {}
        self.blocked_clients: dict[Client, None] = {}
        self.blocking_kinds = _BLOCKING_KINDS
        self.ready_keys: dict[tuple[int, bytes], None] = {}
        self.serving_blocked = False
        self.paused_until = 0
        """Unix milliseconds until which commands are held back; 0 = not paused."""
        self.pause_all = False
        self.write_pauses: set[str] = set()
        """Why writes are held back beside CLIENT PAUSE: ``failover``, ``shutdown``."""
        self.paused_clients: dict[Client, None] = {}
        self.monitors: dict[Client, None] = {}
        self.channels: dict[bytes, dict[Client, None]] = {}
        self.patterns: dict[bytes, dict[Client, None]] = {}
        self.shard_channels: dict[bytes, dict[Client, None]] = {}
        self.nesting = 0
        """Over 0 inside EXEC: what is propagated is held back and leaves as one transaction."""
        self.executing = False
        self.also_propagate: list[tuple[int, list[bytes]]] = []
        self.feeders: list[Feeder] = []
        self.fed = 0
        """Bytes given to the feeders so far."""
        self.uncommitted = False
        """True while changes wait for the append-only file: no reply leaves before these are written."""
        self.aof, self.snapshots = AppendLog(), Snapshots(self.started_at)
        self.libraries = Libraries()
        self.replication = Replication(self)
        self.loading: Loading | None = None
        self.background: Background | None = None
        """What is writing the keyspace to disk at the moment."""
        self.stats, self.scripts = Stats(), Scripts()
        self.slowlog, self.latency = Slowlog(), LatencyMonitor()
        self.shutdown = PendingShutdown(self)
        self.on_shutdown: Callable[[int], None] | None = None
        """Ends the process with an exit code; set by the application."""
        self.listeners: Listening | None = None
        self.process: Process | None = None
        """The process, if it runs for this server's sake."""
        self.hz = config.hz
        """How often the cron runs per second: ``hz``, and more with many clients if ``dynamic-hz`` says so."""
        self._expire_soon: asyncio.TimerHandle | None = None
        self._cron: asyncio.TimerHandle | None = None
        self._pause_timer: asyncio.TimerHandle | None = None
        self.cron_loops = 0
        self.cron_paused = False
        """DEBUG PAUSE-CRON: the periodic work is left undone."""
        self.quicklist_packed_threshold = 1 << 30
        """Bytes from which on DEBUG shows a list's element in a node of its own."""
        self.tracking = Tracking(self)
        self.moving = Moving(self)
        self.eviction = Eviction(self)
        self.cron_jobs: list[Callable[[], None]] = [self.tracking.cron, self.eviction.cron]
        self._attach_hooks()
        self.apply_slowlog_config()

    def _attach_hooks(self) -> None:
        """What the keyspace calls upwards, and what it keeps for others."""
        self.injected: Callable[[Client, Command], bytes | None] | None = None
        """Tests: the error that a command is to fail with; asked while ``GATE_INJECTED`` is set."""
        self.may_rest = False
        """Whether the cron stops while there is nothing to do: one of many in a process should."""
        self.eviction.configure()
        self.set_notify_flags(self.config.notify_keyspace_events)
        self.on_ready = signal_key_as_ready
        self.on_watched = touch_watched_key
        self.on_tracked = self.tracking.key_changed
        self.on_notify = publish_keyspace_event
        self.on_expired = propagate_expired
        self.on_fields_expired = propagate_fields_expired

    @property
    def stat_numcommands(self) -> int:
        """Commands run since the start or the last CONFIG RESETSTAT."""
        return sum([cmd.calls for cmd in self.counted])

    # --- clients ----------------------------------------------------------------------------------------------

    def is_full(self) -> bool:
        """Whether ``maxclients`` leaves no room for one more connection."""
        return len(self.clients) + len(self.handshakes) >= self.config.maxclients

    def add_client(self, c: Client) -> None:
        """Enter a new client; it is the default user's, and authenticated at once if that needs no password."""
        self.wake()
        self.clients[c.id] = c
        self.users.reset_client(c)
        self.eviction.meter_client(c)
        self.stats.connections_received += 1
        refresh_fast(c)

    def new_client_id(self) -> int:
        """The next client ID; IDs are never used again."""
        number = self.next_client_id
        self.next_client_id += 1
        return number

    def free_client(self, c: Client) -> None:
        """Forget a client whose connection has ended: it leaves nothing behind in any table."""
        if self.clients.pop(c.id, None) is None:
            return
        c.flags |= CLIENT_CLOSED
        unblock_client(c)
        self.paused_clients.pop(c, None)
        self.monitors.pop(c, None)
        self.pending_writes.pop(c, None)
        discard_transaction(c)
        self.drop_subscriptions(c)
        self.tracking.forget(c)
        self.replication.client_gone(c)
        c.pending = []
        c.out = []
        refresh_fast(c)

    def drop_subscriptions(self, c: Client) -> None:
        """Remove a client from every channel without telling it."""
        for mine, table in (
            (c.channels, self.channels),
            (c.patterns, self.patterns),
            (c.shard_channels, self.shard_channels),
        ):
            for channel in mine:
                subscribers = table[channel]
                del subscribers[c]
                if not subscribers:
                    del table[channel]
            mine.clear()

    def close_client(self, c: Client, flush: bool = False) -> None:
        """End a client's connection; with ``flush`` after its replies have left."""
        if flush:
            self.flush_client(c)
            if c in self.pending_writes:
                c.flags |= CLIENT_CLOSE_AFTER_REPLY
                refresh_fast(c)
                return
        c.conn.close(flush)

    def end_clients(self, caller: Client, victims: list[Client], reply: bytes) -> bytes | None:
        """Close connections at once, for a command that answers ``reply``; the caller's own only after that."""
        for c in victims:
            if c is not caller:
                self.close_client(c)
                self.free_client(c)
        if caller not in victims:
            return reply
        end_after_reply(caller, reply)
        return None

    def discard_transaction(self, c: Client) -> None:
        """Leave MULTI."""
        discard_transaction(c)

    # --- output -----------------------------------------------------------------------------------------------

    def flush_client(self, c: Client) -> None:
        """Hand the queued replies to the connection; later, if they tell of changes that are not written yet."""
        if self.uncommitted:
            if c.out or c.flags & CLIENT_CLOSE_AFTER_REPLY:
                self.pending_writes[c] = None
            return
        self.pending_writes.pop(c, None)
        if c.out:
            data = b"".join(c.out)
            c.out.clear()
            c.conn.write(data)
        if c.flags & CLIENT_CLOSE_AFTER_REPLY and not c.flags & CLIENT_CLOSED:
            c.conn.close(True)

    def flush_pending_writes(self) -> None:
        """End of a turn: every client that has replies queued gets them."""
        while self.pending_writes and not self.uncommitted:
            self.flush_client(next(iter(self.pending_writes)))

    def after_event(self) -> None:
        """What ends every turn of the loop that ran commands outside of a connection's own batch."""
        if self.ready_keys:
            self.handle_ready_keys()
        if self.tracking.changed:
            self.tracking.broadcast()
        if self.pending_writes:
            self.flush_pending_writes()

    # --- waiting ----------------------------------------------------------------------------------------------

    def handle_ready_keys(self) -> None:
        """Serve clients blocked on keys that became ready; not in the middle of a script."""
        if self.scripts.busy_error:
            return
        handle_clients_blocked_on_keys(self)

    def end_wait(self, c: Client, reply: bytes) -> None:
        """A waiting client gets its reply and goes on."""
        end_wait(c, reply)

    def resume(self, c: Client) -> None:
        """A client no longer waits: run what it sent meanwhile, in a turn of its own. Until then nothing overtakes."""
        c.flags |= CLIENT_UNBLOCKED
        self.next_turn(c)

    def next_turn(self, c: Client) -> None:
        """Go on with what a client has sent after the others had their turn. Until then nothing overtakes."""
        c.flags |= CLIENT_HAS_MORE
        if self.loop is not None:
            self.loop.call_soon(self._resume, c)

    def _resume(self, c: Client) -> None:
        if c.id in self.clients:
            self.update_time()
            c.flags &= ~(CLIENT_UNBLOCKED | CLIENT_HAS_MORE)
            refresh_fast(c)
            if self.eviction.limit:
                self.eviction.look()
            if c.conn.may_run():
                run_pending(c)
                self.flush_client(c)
                if not c.flags & CLIENT_STOP:
                    c.conn.resume_reading()
        self.after_event()

    def pause_clients(self, until_ms: int, everything: bool) -> None:
        """CLIENT PAUSE until a Unix time in milliseconds; a longer or stricter pause in force is kept."""
        if max(until_ms, self.paused_until) <= self.mstime:
            self.unpause_clients()
            return
        self.pause_all = everything or (self.pause_all and bool(self.paused_until))
        self.paused_until = max(until_ms, self.paused_until)
        self.refresh_keep_expired()
        # A time beyond all numbers has wrapped around, as in Redis: that pause is over.
        set_gate(self, GATE_PAUSED, bool(self.paused_until or self.write_pauses))
        self._await_pause_end()

    def _await_pause_end(self) -> None:
        if self._pause_timer is not None:
            self._pause_timer.cancel()
            self._pause_timer = None
        if self.loop is not None and self.paused_until:
            rest = max(0, self.paused_until - self.mstime) / 1000
            self._pause_timer = self.loop.call_later(min(rest, _LONGEST_TIMER), self._pause_over)

    def _pause_over(self) -> None:
        self.update_time()
        if self.mstime >= self.paused_until:
            self.unpause_clients()
        else:
            self._await_pause_end()

    def unpause_clients(self) -> None:
        """End CLIENT PAUSE; the commands held back run now."""
        self.paused_until = 0
        self.pause_all = False
        self._await_pause_end()
        self._release_paused()

    def pause_writes(self, why: str, on: bool) -> None:
        """FAILOVER and SHUTDOWN: hold back what (may) write, or let it run again; beside CLIENT PAUSE."""
        if on:
            self.write_pauses.add(why)
            self.refresh_keep_expired()
            set_gate(self, GATE_PAUSED, True)
        elif why in self.write_pauses:
            self.write_pauses.remove(why)
            if not self.paused_until:
                self._release_paused()

    def _release_paused(self) -> None:
        self.refresh_keep_expired()
        set_gate(self, GATE_PAUSED, bool(self.write_pauses))
        waiting, self.paused_clients = self.paused_clients, {}
        for c in waiting:
            c.flags &= ~CLIENT_PAUSED
            self.resume(c)

    # --- replication ------------------------------------------------------------------------------------------

    def refresh_keep_expired(self) -> None:
        """Keys whose time has come stay while clients are paused, and on a replica: its master decides."""
        paused = bool(self.paused_until or self.write_pauses)
        self.keep_expired = paused or self.replication.master is not None

    def refresh_fast_table(self) -> None:
        """Whether clients may write, or whether memory is limited, has changed."""
        without = CMD_WRITE if self.replication.read_only() else 0
        names = GROWING if self.eviction.limit else frozenset()
        fast = build_fast_table(self.commands, without, names) if without or names else self.fast_with_writes
        if fast is not self.fast:
            self.fast = fast
            self.users.settle_all()

    def forget_data(self, db: Database, lazily: bool = False) -> None:
        """All keys of a database go at once; only those who watch, cache or wait for them are told."""
        touch_all_watched_keys(db)
        db.clear(lazily)
        for key in db.blocking_keys:
            signal_key_as_ready(db, key)
        self.tracking.flushed()

    # --- disk -------------------------------------------------------------------------------------------------

    def start_loading(self, total: int) -> Loading:
        """``total`` bytes are going to be read: meanwhile most commands answer ``-LOADING``."""
        self.eviction.meter.begin()
        self.loading = Loading(total, self.clock.time())
        set_gate(self, GATE_LOADING, True)
        return self.loading

    def stop_loading(self) -> None:
        """The data is there."""
        self.loading = None
        self.update_time()
        set_gate(self, GATE_LOADING, False)

    def refresh_disk_gate(self) -> None:
        """Refuse commands that write, or allow them again, as the state of the disk wants it."""
        set_gate(self, GATE_DISK_ERROR, self.disk_error() is not None)

    def disk_error(self) -> bytes | None:
        """Why commands that write are refused; None if they are not."""
        if self.config.stop_writes_on_bgsave_error and self.config.save and not self.snapshots.last_ok:
            return MISCONF_RDB
        if self.aof.write_error:
            return b"MISCONF Errors writing to the AOF file: " + self.aof.write_error.encode("utf-8", "replace")
        return None

    def end(self, exit_code: int) -> None:
        """End the server, if it was started by an application."""
        if self.on_shutdown is not None:
            self.on_shutdown(exit_code)

    # --- diagnostics ------------------------------------------------------------------------------------------

    def count_error(self, message: bytes) -> None:
        """Count an error reply under its code (the first word)."""
        self.stats.count_error(message)

    def log_exception(self, doing: bytes) -> None:
        """Log the exception being handled with its traceback."""
        self.log.exception("Internal error " + doing.decode("latin-1"))

    def slow_command(self, c: Client, cmd: Command, argv: list[bytes], elapsed_ns: int) -> None:
        """A command took longer than the slow log's (or the latency monitor's) threshold."""
        usec = elapsed_ns // 1000
        threshold = self.config.slowlog_log_slower_than
        if threshold >= 0 and usec >= threshold:
            self.slowlog.add(self, c, cmd, argv, usec)
        limit = self.config.latency_monitor_threshold
        if limit and usec >= limit * 1000:
            event = b"fast-command" if cmd.flags & CMD_FAST else b"command"
            # ``mstime`` is that of the batch's beginning, and may not change within a transaction.
            self.latency.add(event, usec // 1000, int(self.clock.time() * 1000))

    def note_latency(self, event: bytes, elapsed_ns: int) -> None:
        """Tell the latency monitor how long an event took; what is shorter than its threshold is forgotten."""
        threshold = self.config.latency_monitor_threshold
        if threshold and elapsed_ns >= threshold * 1_000_000:
            self.latency.add(event, elapsed_ns // 1_000_000, self.mstime)

    def apply_slowlog_config(self) -> None:
        """Recompute from which duration on a command is reported; a small threshold measures every single command.

        Covers the slow log, the latency monitor and latency tracking.
        """
        thresholds = []
        if self.config.slowlog_log_slower_than >= 0:
            thresholds.append(self.config.slowlog_log_slower_than)
        if self.config.latency_monitor_threshold:
            thresholds.append(self.config.latency_monitor_threshold * 1000)
        least = min(thresholds, default=1 << 50)
        self.slowlog_threshold_ns = max(least * 1000 - 1, -1)
        set_gate(self, GATE_SLOWLOG, least < 2000)
        self.slowlog.set_max_len(self.config.slowlog_max_len)
        for cmd in self.commands.values():
            cmd.track_latency(self.config.latency_tracking)

    def feed_monitors(self, c: Client, argv: list[bytes]) -> None:
        """Show a command that has run to the clients in MONITOR mode."""
        from_addr = c.addr if c.addr else b"?:0"
        now = self.clock.time()
        args = b" ".join([quote_arg(arg) for arg in argv])
        line = b"+%d.%06d [%d %b] %b\r\n" % (int(now), int(now % 1 * 1e6), c.db.id, from_addr, args)
        for monitor in self.monitors:
            monitor.add_reply(line)

    def reset_stats(self) -> None:
        """CONFIG RESETSTAT: every counter of INFO begins anew; latency spikes and the slow log stay."""
        for cmd in self.commands.values():
            for one in (cmd, *cmd.subs.values()):
                one.reset_stats()
        self.stats.reset()
        self.replication.reset_stats()
        self.eviction.reset_stats()
        self.stat_keyspace_hits = self.stat_keyspace_misses = self.lazy.freed = self.stat_expired_subkeys = 0
        self.stat_expired_keys = self.stat_expired_time_cap_reached_count = self.stat_expire_cycle_usec = 0

    # --- time -------------------------------------------------------------------------------------------------

    def advance_clock(self, seconds: float) -> None:
        """Let time jump: what is due then happens now. For tests of what would take long."""
        self.clock.advance(seconds)
        self.update_time()
        shift_waits(self, seconds)
        if self.paused_until:
            self._pause_over()
        while self.active_expire_enabled and active_expire_cycle(self, 0.01):
            pass
        self.after_event()

    # --- cron -------------------------------------------------------------------------------------------------

    def start_cron(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin the periodic work on ``loop``."""
        self.loop = loop
        self.lazy.begin(loop.call_later, self.config.lazyfree_lazy_expire)
        self.update_time()
        self._cron = loop.call_later(1 / self.hz, self.cron)

    def stop_cron(self) -> None:
        """End the periodic work."""
        for timer in (self._cron, self._expire_soon, self._pause_timer):
            if timer is not None:
                timer.cancel()
        self.may_rest = False
        self._cron = self._expire_soon = self._pause_timer = None

    def cron(self) -> None:
        """``hz`` times a second: expiry, clients that are idle or over their limits, statistics."""
        assert self.loop is not None
        self.hz = self.config.hz
        if self.config.dynamic_hz:
            while len(self.clients) > self.hz * MAX_CLIENTS_PER_CRON and self.hz < 500:
                self.hz = min(self.hz * 2, 500)
        self._cron = self.loop.call_later(1 / self.hz, self.cron)
        self.update_time()
        self.cron_loops += 1
        if self.cron_paused or self.scripts.busy_error:
            return
        if self.loading is None:
            self.expire_cycle()
        self.stats.sample(self)
        for job in self.cron_jobs:
            job()
        self.after_event()
        if self.may_rest and nothing_to_do(self):
            self._cron.cancel()
            self._cron = None

    def resting(self) -> bool:
        """Whether the cron stands still until somebody comes."""
        return self.may_rest and self._cron is None

    def wake(self) -> None:
        """Somebody has come: the cron goes on, if it rests."""
        if self.resting() and self.loop is not None:
            self.stats.resume()
            self._cron = self.loop.call_later(1 / self.hz, self.cron)

    def expire_cycle(self) -> None:
        """A slice of 5 to 9 ms (by effort) of active expiry; comes back within milliseconds while keys are due."""
        self._expire_soon = None
        if self.scripts.busy_error:
            return
        self.update_time()
        started = perf_counter_ns()
        budget = 0.005 * (23 + 2 * self.config.active_expire_effort) / 25
        if active_expire_cycle(self, budget) and self.loop is not None:
            self._expire_soon = self.loop.call_later(0.005, self.expire_cycle)
        self.note_latency(b"expire-cycle", perf_counter_ns() - started)
        self.after_event()
