"""A replica that takes writes of its own clients: deadlines that they give to keys are for nobody else to keep.

Its master tells when the master's keys go; those that clients here have touched are looked at by this server.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Final

from pyredis.core.dispatch import lookup_command
from pyredis.core.keyspec import KeysError, extract_keys
from pyredis.resp.request import RequestReader

if TYPE_CHECKING:
    from pyredis.core.server import Server

_SECONDS: Final = 0.001


class LocalDeadlines:
    """The keys with a deadline that clients of this replica have written."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.keys: dict[tuple[int, bytes], None] = {}
        """Database and key."""
        self._reader = RequestReader()
        self._reader.limits.authenticated = True

    def attach(self, wanted: bool) -> None:
        """Look at what clients write, or no longer."""
        feeders = self.server.feeders
        if wanted and self.feed not in feeders:
            feeders.append(self.feed)
        elif not wanted and self.feed in feeders:
            feeders.remove(self.feed)
            self.keys.clear()

    def feed(self, db: int, data: bytes) -> None:
        """Take encoded commands that ran in database ``db`` (a feeder of the server)."""
        server = self.server
        if not server.mstime:
            return  # the master's own
        expires = server.dbs[db].expires
        for argv in self._reader.feed(data):
            cmd = lookup_command(server, argv)
            if cmd is None:
                continue
            try:
                found = extract_keys(cmd.spec, argv)
            except KeysError:
                continue
            for at, _ in found:
                if argv[at] in expires:
                    self.keys[db, argv[at]] = None

    def cron(self) -> None:
        """Remove those whose time has come, for at most a millisecond; the others are looked at in turn."""
        server = self.server
        if not self.keys or server.loading is not None or server.paused_until or server.write_pauses:
            return
        until = perf_counter() + _SECONDS
        for _ in range(len(self.keys)):
            number, key = next(iter(self.keys))
            del self.keys[number, key]
            db = server.dbs[number]
            when = db.expires.get(key)
            if when is not None:
                if when <= server.mstime:
                    db.expire_now(key)
                else:
                    self.keys[number, key] = None
            if perf_counter() > until:
                return
