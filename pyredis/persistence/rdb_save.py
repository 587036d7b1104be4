"""From the keyspace to a snapshot: everything at once, as a forked child does it, or in steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from time import sleep
from typing import TYPE_CHECKING, Any, Final, Protocol

from pyredis.core.hashes import live_hash
from pyredis.core.memory import rss
from pyredis.engines.volatile_hash import VolatileHashObj
from pyredis.persistence.payload import dump_payload
from pyredis.persistence.rdb_format import VERSION, VERSION_HASH_FIELDS, EncodingLimits
from pyredis.persistence.rdb_writer import RdbWriter

if TYPE_CHECKING:
    from pyredis.core.server import Server
    from pyredis.keyspace.db import Database
    from pyredis.persistence.child import Progress

_KEYS_PER_STEP: Final = 64
Fields = dict[bytes, bytes]


class KeyWriter(Protocol):
    """Takes a keyspace: a snapshot's writer, or one of commands."""

    keys: int
    """How many were written."""

    def select(self, number: int, keys: int, expires: int) -> None:
        """The following keys are of this database, which has so many, and so many with a deadline (-1: told before)."""

    def key(self, key: bytes, value: Any, when: int = -1, idle: int = -1, freq: int = -1) -> None:
        """A key; as :meth:`RdbWriter.key`."""

    def flush(self) -> None:
        """Hand over what there is."""

    def end(self) -> None:
        """There are no more keys."""


def encoding_limits(server: Server) -> EncodingLimits:
    """The thresholds of encodings as they are configured now."""
    config = server.config
    limits = EncodingLimits()
    limits.hash_entries = config.hash_max_listpack_entries
    limits.hash_value = config.hash_max_listpack_value
    limits.list_fill = config.list_max_listpack_size
    limits.list_packed_threshold = server.quicklist_packed_threshold
    limits.set_intset = config.set_max_intset_entries
    limits.zset_entries = config.zset_max_listpack_entries
    limits.zset_value = config.zset_max_listpack_value
    return limits


def payload_at(server: Server, db: Database, key: bytes) -> bytes | None:
    """The value at a key as DUMP gives it away, without fields whose time has come; None if there is none."""
    value = db.lookup_read(key)
    if type(value) is VolatileHashObj:
        value = live_hash(db, key, value)
    return None if value is None else dump_payload(value, encoding_limits(server), server.config.rdbcompression)


def needed_version(server: Server) -> int:
    """The version of the format that the keyspace needs: O(databases)."""
    return VERSION_HASH_FIELDS if any(db.volatile for db in server.dbs) else VERSION


def snapshot_fields(server: Server, aof_base: bool = False, more: Fields | None = None) -> Fields:
    """What a snapshot tells about itself; ``more`` is what replication adds (``repl-id`` …)."""
    return {
        b"redis-ver": server.redis_version,
        b"redis-bits": b"64",
        b"ctime": b"%d" % server.clock.time(),
        b"used-mem": b"%d" % rss(),
        **(more or {}),
        b"aof-base": b"%d" % aof_base,
    }


def new_writer(server: Server, sink: Callable[[bytes], object], fields: Fields) -> RdbWriter:
    """A writer as the server is configured; what comes before the keys has been given to it."""
    writer = RdbWriter(sink, encoding_limits(server))
    writer.compression = server.config.rdbcompression
    writer.checksum = server.config.rdbchecksum
    writer.begin(needed_version(server), fields)
    for source in server.libraries.dump():
        writer.function(source)
    return writer


def write_keyspace(server: Server, writer: KeyWriter, progress: Progress | None = None) -> None:
    """Write all databases at once, and the end. What the writer's sink raises goes through."""
    for _ in write_steps(server, writer):
        if progress is not None:
            progress.tell(writer.keys)
    if progress is not None:
        progress.tell(writer.keys, force=True)


def write_steps(server: Server, writer: KeyWriter) -> Iterator[None]:
    """As :func:`write_keyspace`, with a stop after every few keys. Nothing must be changed meanwhile."""
    delay = server.config.rdb_key_save_delay
    for db in server.dbs:
        if len(db):
            yield from _write_database(server, db, writer, delay)
    writer.end()


def _write_database(server: Server, db: Database, writer: KeyWriter, delay: int) -> Iterator[None]:
    writer.select(db.id, len(db), len(db.expires))
    items = iter(db.items())
    deadline = db.expires.get
    write = writer.key
    usage = usage_of(server, db)
    while some := list(islice(items, _KEYS_PER_STEP)):
        if usage is None:
            for key, value in some:
                write(key, value, deadline(key, -1))
        else:
            for key, value in some:
                write(key, value, deadline(key, -1), *usage(key))
        if delay > 0:
            sleep(delay * len(some) / 1e6)
        yield


def usage_of(server: Server, db: Database) -> Callable[[bytes], tuple[int, int]] | None:
    """How to find a key's idle seconds and counter of use (-1 for none), if the eviction policy goes by them."""
    if server.lfu is not None:
        return lambda key: (-1, db.frequency(key))
    if db.access is None or "lru" not in server.config.maxmemory_policy:
        return None
    return lambda key: (db.idle_seconds(key), -1)
