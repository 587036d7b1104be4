"""Keys that MIGRATE is moving to another server. While they are on their way nobody else may see or change them.

Redis stops everything until the other server has answered. Here only commands that name such a key wait, as in CLIENT
PAUSE; everybody else goes on. What does not name its keys (FLUSHALL, SWAPDB, eviction, a script that does not declare
them) is not held up, so each key is also watched: one that was changed all the same is not deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pyredis.core.client import CLIENT_DIRTY_CAS, CLIENT_MASTER, CLIENT_PAUSED, Client
from pyredis.core.dispatch import GATE_MOVING, park, set_gate
from pyredis.core.keyspec import KeysError, extract_keys
from pyredis.keyspace.state import HOOK_WATCH

if TYPE_CHECKING:
    from pyredis.core.command import Command
    from pyredis.core.server import Server
    from pyredis.keyspace.db import Database


class Links(Protocol):
    """Connections to other servers, as far as the core knows them."""

    def cached(self) -> int:
        """How many are kept open for the next MIGRATE."""

    def close(self) -> None:
        """The server ends."""


class _Watch:
    """Stands among the clients that WATCH a key; its flags tell whether the key was touched."""

    __slots__ = ("flags", "watched")

    def __init__(self, db: int, key: bytes) -> None:
        self.flags = 0
        self.watched = {(db, key): False}


class Moving:
    """The keys of one server that are on their way."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.links: Links | None = None
        self.keys: dict[tuple[int, bytes], _Watch] = {}
        self.waiting: dict[Client, None] = {}
        """Clients whose command names such a key."""

    def begin(self, db: Database, keys: list[bytes]) -> None:
        """Protect keys from now on."""
        for key in keys:
            watch = self.keys[db.id, key] = _Watch(db.id, key)
            db.watched_keys.setdefault(key, {})[watch] = None
        db.set_hook(HOOK_WATCH, True)
        set_gate(self.server, GATE_MOVING, True)

    def changed(self, db: Database, key: bytes) -> bool:
        """Whether a key that is being moved was changed meanwhile; one that has gone (expired, flushed) was not."""
        return bool(self.keys[db.id, key].flags & CLIENT_DIRTY_CAS) and db.exists(key)

    def end(self, db: Database, keys: list[bytes]) -> None:
        """Protect keys no longer; who waited goes on."""
        for key in keys:
            watch = self.keys.pop((db.id, key))
            watchers = db.watched_keys.get(key)
            if watchers is not None:
                watchers.pop(watch, None)
                if not watchers:
                    del db.watched_keys[key]
        db.set_hook(HOOK_WATCH, bool(db.watched_keys))
        server = self.server
        if not self.keys:
            set_gate(server, GATE_MOVING, False)
        waiting, self.waiting = self.waiting, {}
        for c in waiting:
            if c.id in server.clients:
                c.flags &= ~CLIENT_PAUSED
                server.resume(c)

    def holds(self, c: Client, cmd: Command, argv: list[bytes]) -> bool:
        """Whether a command has to wait; then it stands in front of what the client sent, to be run anew."""
        if c.flags & CLIENT_MASTER or not self._names_moving(c, cmd, argv):
            return False
        park(c, argv, self.waiting)
        return True

    def _names_moving(self, c: Client, cmd: Command, argv: list[bytes]) -> bool:
        if cmd.fullname == b"exec" and c.multi is not None:
            return any(self._names_moving(c, queued, words) for queued, words in c.multi)
        try:
            found = extract_keys(cmd.spec, argv)
        except KeysError:
            return False
        return any((c.db.id, argv[at]) in self.keys for at, _ in found)
