"""Client-side caching: which clients have read which keys, and the invalidation messages they get.

A client with CLIENT TRACKING on is sent the name of each key that it may hold in a cache of its own and that is another
now. By default the server remembers what each client reads (:attr:`Tracking.keys`) until the key changes; with BCAST
it remembers only prefixes, and tells all keys of a turn of the loop in one message for each prefix.

A client's own changes are told behind the reply of the command (or transaction) that made them; what others change is
told at once. Databases are not told apart: a key's name is the same in all of them.

While nothing is remembered, ``HOOK_TRACKING`` is off in every database and nothing here is called. Entries of clients
that have gone are swept in the cron once they are many: the table is bounded by ``tracking-table-max-keys`` keys, and
by the clients that are there.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from pyredis.core.client import CLIENT_MULTI, CLIENT_TRACKING, Client, TrackingState
from pyredis.core.keyspec import KeysError, extract_keys
from pyredis.keyspace.state import HOOK_TRACKING
from pyredis.resp.reply import NULL, array_header, bulk, integer, push_header

if TYPE_CHECKING:
    from pyredis.core.command import Command
    from pyredis.core.server import Server
    from pyredis.keyspace.db import Database

_CHANNEL: Final = b"*3\r\n" + bulk(b"message") + bulk(b"__redis__:invalidate")
_EFFORT: Final = 100
"""Keys that may be forgotten at once to keep to the table's limit; more, the longer it is over it."""
_SWEEP_FROM: Final = 1024
"""So many entries of clients that have gone are not worth a sweep."""
_SWEEP_STEP: Final = 5000
"""Keys that one turn of the cron looks at."""


class Prefix:
    """One prefix of BCAST: who wants to know about its keys, and which of them changed in this turn of the loop."""

    __slots__ = ("changed", "clients")

    def __init__(self) -> None:
        self.clients: dict[Client, None] = {}
        self.changed: dict[bytes, Client | None] = {}
        """Key → the client that changed it last, None if it was none (or one that does not track)."""


class Tracking:
    """One server's tables for client-side caching."""

    __slots__ = (
        "_hooked",
        "_overruns",
        "_sweep",
        "_victims",
        "changed",
        "clients",
        "current",
        "executing",
        "gone",
        "items",
        "keys",
        "lengths",
        "pending",
        "prefixes",
        "server",
    )

    def __init__(self, server: Server) -> None:
        self.server = server
        self.keys: dict[bytes, int | set[int]] = {}
        """Key → the IDs of the clients that have read it since it last changed; a single one without a set."""
        self.items = 0
        """IDs in all of ``keys``."""
        self.clients = 0
        """How many clients have tracking switched on."""
        self.prefixes: dict[bytes, Prefix] = {}
        self.lengths: dict[int, int] = {}
        """Length of a prefix → how many prefixes are so long."""
        self.changed: dict[bytes, None] = {}
        """Prefixes with keys that changed in this turn."""
        self.current: Client | None = None
        """The client that is being served, if it tracks keys."""
        self.executing = False
        """True while ``current`` runs a command: messages to itself wait in ``pending`` until it has its reply."""
        self.pending: list[bytes | None] = []
        """Keys that ``current`` must be told of behind its reply; None = all keys."""
        self.gone = 0
        """At most so many entries of ``keys`` belong to clients that have gone."""
        self._sweep: list[bytes] | None = None
        self._victims: list[bytes] = []
        self._overruns = 0
        self._hooked = False

    # --- switching on and off ---------------------------------------------------------------------------------

    def enable(self, c: Client, chosen: TrackingState) -> None:
        """CLIENT TRACKING ON; again: the new options instead of the old ones, the new prefixes beside the old ones."""
        if not c.flags & CLIENT_TRACKING:
            self.clients += 1
            c.flags |= CLIENT_TRACKING
        if c.tracking is not None:
            chosen.remembered = c.tracking.remembered
            added, chosen.prefixes = chosen.prefixes, c.tracking.prefixes
        else:
            added, chosen.prefixes = chosen.prefixes, {}
        c.tracking = chosen
        for prefix in added:
            self._join(c, chosen, prefix)

    def _join(self, c: Client, state: TrackingState, prefix: bytes) -> None:
        if prefix in state.prefixes:
            return
        state.prefixes[prefix] = None
        entry = self.prefixes.get(prefix)
        if entry is None:
            entry = self.prefixes[prefix] = Prefix()
            self.lengths[len(prefix)] = self.lengths.get(len(prefix), 0) + 1
        entry.clients[c] = None
        self._hook(True)

    def disable(self, c: Client) -> None:
        """CLIENT TRACKING OFF. What the client has read stays in the table, as in Redis, should it switch on again."""
        state = c.tracking
        if state is None or not c.flags & CLIENT_TRACKING:
            return
        for prefix in state.prefixes:
            entry = self.prefixes[prefix]
            del entry.clients[c]
            if not entry.clients:
                self._drop(prefix)
        self.clients -= 1
        c.flags &= ~CLIENT_TRACKING
        c.tracking = TrackingState()
        c.tracking.remembered = state.remembered

    def _drop(self, prefix: bytes) -> None:
        del self.prefixes[prefix]
        self.changed.pop(prefix, None)
        left = self.lengths.pop(len(prefix)) - 1
        if left:
            self.lengths[len(prefix)] = left

    def forget(self, c: Client) -> None:
        """The client's connection has ended."""
        self.disable(c)
        if c.tracking is not None:
            self.gone += c.tracking.remembered
            c.tracking = None
        if self.current is c:
            self.current = None

    def _hook(self, on: bool) -> None:
        if on is not self._hooked:
            self._hooked = on
            for db in self.server.dbs:
                db.set_hook(HOOK_TRACKING, on)

    # --- what a client reads ----------------------------------------------------------------------------------

    def remember(self, c: Client, cmd: Command, argv: list[bytes]) -> None:
        """The client has run a command that reads: remember its keys, unless the client's options say otherwise."""
        state = c.tracking
        if state is None or state.bcast or (state.optin and not state.caching) or (state.optout and state.caching):
            return
        try:
            found = extract_keys(cmd.spec, argv)
        except KeysError:
            return
        if not found:
            return
        keys, number = self.keys, c.id
        for at, _ in found:
            key = argv[at]
            ids = keys.get(key)
            if ids is None:
                keys[key] = number
            elif type(ids) is int:
                if ids == number:
                    continue
                keys[key] = {ids, number}
            else:
                assert isinstance(ids, set)
                if number in ids:
                    continue
                ids.add(number)
            self.items += 1
            state.remembered += 1
        self._hook(True)

    def limit(self) -> None:
        """Keep to ``tracking-table-max-keys``: random keys are forgotten, and told as changed, until it fits."""
        most = self.server.config.tracking_table_max_keys
        if not most or len(self.keys) <= most:
            self._overruns = 0
            return
        self._overruns += 1
        for _ in range(_EFFORT * self._overruns):
            # The next of a list made when the last one was used up: as good as random, without a search for each.
            if not self._victims:
                self._victims = list(self.keys)
            key = self._victims.pop()
            if key in self.keys:
                self._tell_readers(key)
                if len(self.keys) <= most:
                    break

    # --- what changes -----------------------------------------------------------------------------------------

    def key_changed(self, db: Database, key: bytes, by_command: bool) -> None:
        """Hook of the keyspace: a key is another now, by a command's work or (expired, evicted) by itself."""
        if self.prefixes:
            self._remember_for_broadcast(key, by_command)
        if key in self.keys:
            self._tell_readers(key)

    def _tell_readers(self, key: bytes) -> None:
        ids = self.keys.pop(key)
        if isinstance(ids, int):
            self.items -= 1
            self._tell_reader(ids, key)
        else:
            self.items -= len(ids)
            for number in sorted(ids):
                self._tell_reader(number, key)

    def _tell_reader(self, number: int, key: bytes) -> None:
        c = self.server.clients.get(number)
        if c is None or not c.flags & CLIENT_TRACKING or c.tracking is None or c.tracking.bcast:
            return
        if c is not self.current:
            send(c, array_header(1) + bulk(key))
        elif not c.tracking.noloop:
            if self.executing:
                self.pending.append(key)
            else:
                send(c, array_header(1) + bulk(key))

    def flushed(self) -> None:
        """All keys of a database (or of all of them) have gone: every client that tracks forgets everything."""
        if self.clients:
            for c in self.server.clients.values():
                if c.flags & CLIENT_TRACKING:
                    if c is self.current:
                        self.pending.append(None)
                    else:
                        send(c, NULL[c.resp])
        if not self.keys:
            return
        self.keys = {}
        self.items = self.gone = 0
        self._sweep = None
        self._victims = []
        for one in self.server.clients.values():
            if one.tracking is not None:
                one.tracking.remembered = 0

    # --- when a command has ended -----------------------------------------------------------------------------

    def before_command(self, c: Client) -> None:
        """A command begins of a client that tracks, or a transaction, which may change that.

        What is forgotten for want of room is told before.
        """
        self.limit()
        self.current = c
        self.executing = True

    def after_command(self, c: Client, cmd: Command) -> None:
        """It has its reply: its own changes are told."""
        self.executing = False
        end_caching(c, cmd)
        if self.pending:
            pending, self.pending = self.pending, []
            for key in pending:
                send(c, NULL[c.resp] if key is None else array_header(1) + bulk(key))

    def before_serving(self, c: Client) -> Client | None:
        """A client that waited has its command run again, in the turn of another; returns that one."""
        other, self.current = self.current, c if c.flags & CLIENT_TRACKING else None
        self.executing = True
        return other

    def after_serving(self, c: Client, cmd: Command, other: Client | None) -> None:
        """It has its reply, or goes on waiting."""
        self.after_command(c, cmd)
        self.current = other

    # --- BCAST ------------------------------------------------------------------------------------------------

    def _remember_for_broadcast(self, key: bytes, by_command: bool) -> None:
        origin = self.current if by_command else None
        for length in self.lengths:
            prefix = key[:length]
            entry = self.prefixes.get(prefix)
            if entry is not None and len(prefix) == length:
                if not entry.changed:
                    self.changed[prefix] = None
                    # Has the end of the turn come by, without a question asked in turns that need none.
                    self.server.pending_writes.setdefault(next(iter(entry.clients)))
                entry.changed[key] = origin

    def broadcast(self) -> None:
        """At the end of a turn of the loop: one message for each prefix and client."""
        prefixes, self.changed = sorted(self.changed), {}
        for prefix in prefixes:
            entry = self.prefixes[prefix]
            changed, entry.changed = entry.changed, {}
            names = sorted(changed)
            everything = b"".join([array_header(len(names)), *map(bulk, names)])
            for c in entry.clients:
                state = c.tracking
                if state is None or not state.noloop:
                    send(c, everything)
                    continue
                others = [bulk(name) for name in names if changed[name] is not c]
                if others:
                    send(c, array_header(len(others)) + b"".join(others))

    # --- looking after the table ------------------------------------------------------------------------------

    def cron(self) -> None:
        """Switch off what is not needed any more, and sweep entries of clients that have gone."""
        if self._hooked and not self.keys and not self.prefixes:
            self._hook(False)
        if self._sweep is None:
            if self.gone < _SWEEP_FROM or 4 * self.gone < self.items:
                return
            self._sweep = list(self.keys)
            self.gone = 0
        part = self._sweep[-_SWEEP_STEP:]
        del self._sweep[-_SWEEP_STEP:]
        clients = self.server.clients
        for key in part:
            ids = self.keys.get(key)
            if ids is None:
                continue
            if isinstance(ids, int):
                if ids not in clients:
                    del self.keys[key]
                    self.items -= 1
                continue
            left = {number for number in ids if number in clients}
            self.items -= len(ids) - len(left)
            if left:
                self.keys[key] = left
            else:
                del self.keys[key]
        if not self._sweep:
            self._sweep = None


def send(c: Client, what: bytes) -> None:
    """Send an invalidation (an encoded array of keys, or null) to the client, or to the one it redirects to.

    With RESP2 only a redirected message can be sent, and only while the other client is subscribed to something.
    """
    state = c.tracking
    to, redirected = c, False
    if state is not None and state.redirect:
        other = c.server.clients.get(state.redirect)
        if other is None:
            state.broken = True
            if c.resp == 3:
                c.add_push(push_header(2, 3) + bulk(b"tracking-redir-broken") + integer(state.redirect))
            return
        to = other
        redirected = True
    if to.resp == 3:
        to.add_push(push_header(2, 3) + bulk(b"invalidate") + what)
    elif redirected and to.subscribed():
        to.add_push(_CHANNEL + what)


def end_caching(c: Client, cmd: Command | None) -> None:
    """CLIENT CACHING covers the command or transaction that follows it and other calls of CLIENT."""
    if c.tracking is not None and not c.flags & CLIENT_MULTI and (cmd is None or cmd.spec.parent != b"CLIENT"):
        c.tracking.caching = False


def prefix_bytes(c: Client) -> int:
    """Bytes that the prefixes of a client take."""
    if c.tracking is None or not c.tracking.prefixes:
        return 0
    prefixes = c.tracking.prefixes
    return sys.getsizeof(prefixes) + sum(map(sys.getsizeof, prefixes))


def overlapping(given: list[bytes], joined: dict[bytes, None]) -> bytes | None:
    """The error for prefixes of which one begins with another, those the client has already included."""
    for at, prefix in enumerate(given):
        for other in sorted(joined):
            if other.startswith(prefix) or prefix.startswith(other):
                return _overlap(prefix, b"an existing", other)
        for other in given[at + 1 :]:
            if other.startswith(prefix) or prefix.startswith(other):
                return _overlap(prefix, b"another provided", other)
    return None


def _overlap(prefix: bytes, which: bytes, other: bytes) -> bytes:
    return b"ERR Prefix '%b' overlaps with %b prefix '%b'. Prefixes for a single client must not overlap." % (
        prefix.split(b"\0")[0],
        which,
        other.split(b"\0")[0],
    )
