"""A keyspace as commands that make it: the base of an append-only file without ``aof-use-rdb-preamble``.

Large values become several commands of at most 64 elements, so that none is too long to be loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from pyredis.core.streams import id_text
from pyredis.engines.group import Group
from pyredis.engines.hash import HashObj
from pyredis.engines.list import ListObj
from pyredis.engines.set import SetObj
from pyredis.engines.stream import MAX_ID, StreamObj
from pyredis.engines.volatile_hash import VolatileHashObj
from pyredis.engines.zset import ZSetObj
from pyredis.lib.fpconv import format_double
from pyredis.resp.command import encode_command

_AT_ONCE: Final = 64
_WRITE_BYTES: Final = 1 << 18
Argv = list[bytes]


class CommandWriter:
    """Writes a keyspace as commands; ``sink`` takes the pieces."""

    def __init__(self, sink: Callable[[bytes], object]) -> None:
        self.sink = sink
        self.keys = 0
        self._parts: list[bytes] = []
        self._size = 0

    def command(self, argv: Sequence[bytes]) -> None:
        """A command that comes before the keys."""
        self._parts.append(encode_command(argv))

    def select(self, number: int, keys: int, expires: int) -> None:
        """The following keys are of this database."""
        self._parts.append(encode_command((b"SELECT", b"%d" % number)))

    def key(self, key: bytes, value: Any, when: int = -1, idle: int = -1, freq: int = -1) -> None:
        """A key with its deadline in Unix milliseconds; commands do not tell of a key's use."""
        for command in key_commands(key, value, when):
            self._parts.append(command)
            self._size += len(command)
        self.keys += 1
        if self._size > _WRITE_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand over what there is."""
        data = b"".join(self._parts)
        self._parts, self._size = [], 0
        if data:
            self.sink(data)

    def end(self) -> None:
        """There are no more keys."""
        self.flush()


def key_commands(key: bytes, value: Any, deadline: int) -> Iterator[bytes]:
    """Encoded commands that make one key; ``deadline`` in Unix milliseconds, negative for none."""
    for argv in _value_commands(key, value):
        yield encode_command(argv)
    if deadline >= 0:
        yield encode_command((b"PEXPIREAT", key, b"%d" % deadline))


def _value_commands(key: bytes, value: Any) -> Iterator[Argv]:
    kind = type(value)
    if kind is ListObj:
        yield from _in_parts([b"RPUSH", key], list(value), _AT_ONCE)
    elif kind is SetObj:
        yield from _in_parts([b"SADD", key], value.elements(), _AT_ONCE)
    elif kind is ZSetObj:
        pairs = [x for member, score in value.scores.items() for x in (format_double(score), member)]
        yield from _in_parts([b"ZADD", key], pairs, 2 * _AT_ONCE)
    elif isinstance(value, HashObj):
        yield from _hash_commands(key, value)
    elif kind is StreamObj:
        yield from _stream_commands(key, value)
    else:
        yield [b"SET", key, bytes(value)]


def _in_parts(head: Argv, rest: Argv, size: int) -> Iterator[Argv]:
    for at in range(0, len(rest), size):
        yield head + rest[at : at + size]


def _hash_commands(key: bytes, value: HashObj) -> Iterator[Argv]:
    pairs = [x for pair in value.fields.items() for x in pair]
    yield from _in_parts([b"HMSET", key], pairs, 2 * _AT_ONCE)
    if isinstance(value, VolatileHashObj):
        for field, when in value.expires.items():
            yield [b"HPEXPIREAT", key, b"%d" % when, b"FIELDS", b"1", field]


def _stream_commands(key: bytes, o: StreamObj) -> Iterator[Argv]:
    if len(o):
        for ms, seq, flat in o.range(0, MAX_ID):
            yield [b"XADD", key, b"%d-%d" % (ms, seq), *flat]
    else:
        # An entry that is trimmed at once: there is no other way to make an empty stream.
        yield [b"XADD", key, b"MAXLEN", b"0", b"0-1", b"x", b"y"]
    last, deleted = id_text(o.last_id), id_text(o.max_deleted_id)
    yield [b"XSETID", key, last, b"ENTRIESADDED", b"%d" % o.entries_added, b"MAXDELETEDID", deleted]
    for name, group in o.groups.items():
        yield from _group_commands(key, name, group)


def _group_commands(key: bytes, name: bytes, group: Group) -> Iterator[Argv]:
    read = b"%d" % (-1 if group.entries_read is None else group.entries_read)
    yield [b"XGROUP", b"CREATE", key, name, id_text(group.last_id), b"ENTRIESREAD", read]
    for consumer in group.consumers.values():
        yield [b"XGROUP", b"CREATECONSUMER", key, name, consumer.name]
        for entry_id, entry in consumer.pending.entries.items():
            yield [
                *(b"XCLAIM", key, name, consumer.name, b"0", id_text(entry_id)),
                *(b"TIME", b"%d" % entry.delivery_time, b"RETRYCOUNT", b"%d" % entry.delivery_count),
                *(b"JUSTID", b"FORCE"),
            ]
