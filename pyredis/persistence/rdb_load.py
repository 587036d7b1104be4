"""From a snapshot to the keyspace: the sink of :class:`~pyredis.persistence.rdb_reader.RdbReader`, and loading a file.

Loading is a generator that yields every few milliseconds, so that the loop can answer ``-LOADING`` in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import sleep
from typing import TYPE_CHECKING, Any, Final

from pyredis.engines.volatile_hash import VolatileHashObj
from pyredis.keyspace.db import Database
from pyredis.persistence.rdb_reader import RdbReader
from pyredis.persistence.rdb_save import encoding_limits
from pyredis.persistence.rdb_scan import scan

if TYPE_CHECKING:
    from pyredis.core.server import Server

TURN_NS: Final = 20_000_000
"""How long a turn of loading takes before the loop gets its own."""


class KeyspaceSink:
    """Takes what a snapshot holds into the databases of a server, or into others (``dbs``) if they are given."""

    def __init__(self, server: Server, dbs: list[Database] | None = None) -> None:
        self.server = server
        self.dbs = server.dbs if dbs is None else dbs
        self.keep_expired = False
        """Take keys whose time has come, too: a replica waits for its master's word, and the base of an append-only
        file for the commands behind it."""
        self.allow_duplicates = False
        """A key that is there is replaced; else the snapshot is refused for it."""
        self.functions: list[bytes] | None = None
        """Where libraries of functions are kept; None: the server takes them at once."""
        self.keys_loaded = 0
        self.keys_expired = 0
        """Keys left out because their time had come."""
        self.empty_keys = 0
        self.fields: dict[bytes, bytes] = {}
        """What the snapshot tells about itself: ``redis-ver``, ``ctime``, ``repl-id``, ``repl-offset`` …"""
        self._db = self.dbs[0]
        self._now = int(server.clock.time() * 1000)
        self._due = self._now
        self._load_delay = server.config.key_load_delay

    def select(self, number: int) -> None:
        """Raises ValueError if there is no such database."""
        if number >= len(self.dbs):
            raise ValueError(
                f"Data file was created with a Redis server configured to handle more than {len(self.dbs)} databases"
            )
        self._db = self.dbs[number]
        self._due = 0 if self.keep_expired else self._now

    def resize(self, keys: int, expires: int) -> None:
        """Dicts grow by themselves."""

    def aux(self, name: bytes, value: bytes) -> None:
        """Keep a field, and log what is worth it."""
        self.fields[name] = value
        log = self.server.log
        text = value.decode("utf-8", "backslashreplace")
        if name.startswith(b"%"):
            log.notice(f"RDB '{name.decode('utf-8', 'backslashreplace')}': {text}")
        elif name == b"redis-ver":
            log.notice(f"Loading RDB produced by version {text}")
        elif name == b"ctime" and value.isdigit():
            log.notice(f"RDB age {max(int(self.server.clock.time()) - int(value), 0)} seconds")
        elif name == b"used-mem" and value.isdigit():
            log.notice(f"RDB memory usage when created {int(value) / (1 << 20):.2f} Mb")
            if self.server.loading is not None:
                self.server.loading.used_memory = int(value)
        elif name == b"aof-base" and value == b"1":
            log.notice("RDB is base AOF")

    def function(self, code: bytes) -> None:
        """Raises ValueError if the library is refused."""
        if self.functions is not None:
            self.functions.append(code)
            return
        self.server.libraries.load(code, self.allow_duplicates)

    def module_data(self, name: str, key: bytes | None) -> None:
        """There are no modules, and data must not get lost: raises ValueError."""
        what = "module data" if key is not None else "AUX module data"
        raise ValueError(f"The RDB file contains {what} I can't load: no matching module '{name}'")

    def key(self, key: bytes, value: Any, when: int, idle: int, freq: int) -> None:
        """Raises ValueError for a key that is there already."""
        db = self._db
        if 0 <= when < self._due:
            self.keys_expired += 1
            return
        table = db.dict
        if key in table:
            if not self.allow_duplicates:
                shown = key[:64].decode("utf-8", "backslashreplace")
                raise ValueError(f"RDB has duplicated key '{shown}' in DB {db.id}")
            db.delete(key)
        self.keys_loaded += 1
        if db.index is None and db.access is None:
            table[key] = value
        else:
            db.load(key, value)
        if when >= 0:
            db.set_expire(key, when)
        if type(value) is VolatileHashObj:
            db.attend_fields(key, value)
        if idle >= 0 or freq >= 0:
            db.restore_use(key, idle, freq)
        if self._load_delay:
            self._pause()

    def _pause(self) -> None:
        """``key-load-delay``: microseconds after each key; if negative, one microsecond after so many keys."""
        delay = self._load_delay
        if delay > 0:
            sleep(delay / 1e6)
        elif self.keys_loaded % -delay == 0:
            sleep(1e-6)

    def empty_key(self, key: bytes) -> None:
        """A value without elements: left out, as Redis does."""
        self.empty_keys += 1
        if self.empty_keys <= 10:
            shown = key[:64].decode("utf-8", "backslashreplace")
            self.server.log.notice(f"rdbLoadObject skipping empty key: {shown}")

    def finish(self) -> None:
        """Everything is loaded: log it and note it for INFO."""
        server = self.server
        if self.empty_keys:
            server.log.notice(
                f"Done loading RDB, keys loaded: {self.keys_loaded}, keys expired: {self.keys_expired}, empty keys "
                f"skipped: {self.empty_keys}."
            )
        else:
            server.log.notice(f"Done loading RDB, keys loaded: {self.keys_loaded}, keys expired: {self.keys_expired}.")
        server.snapshots.last_load_keys_loaded = self.keys_loaded
        server.snapshots.last_load_keys_expired = self.keys_expired


def new_reader(server: Server, sink: KeyspaceSink) -> RdbReader:
    """A reader as the server is configured."""
    reader = RdbReader(sink, encoding_limits(server))
    reader.verify_checksum = server.config.rdbchecksum
    reader.thorough = server.config.sanitize_dump_payload == "yes"
    return reader


def load_snapshot(server: Server, path: str, sink: KeyspaceSink) -> Iterator[None]:
    """Load a file into the keyspace; ``server.loading``, if set, is told of the progress. Raises RdbError, OSError."""
    with open(path, "rb", 0) as file:
        size = file.seek(0, 2)
        file.seek(0)
        reader = new_reader(server, sink)
        for done in scan(file, reader, size, TURN_NS):
            if server.loading is not None:
                server.loading.done = done
            yield
    sink.finish()
