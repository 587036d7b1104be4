"""What the commands on streams share: IDs as text, ranges, entries as replies, groups, propagation."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from pyredis.core.client import Client
from pyredis.core.propagate import also_propagate
from pyredis.engines.group import Consumer, Group, PendingEntry
from pyredis.engines.stream import MAX_ID, MAX_PART, Entry, StreamObj
from pyredis.keyspace.db import Database
from pyredis.keyspace.modified import counted
from pyredis.keyspace.state import NOTIFY_STREAM
from pyredis.lib.intparse import string2ll
from pyredis.resp.errors import WRONGTYPE, CommandError, c_text
from pyredis.resp.reply import array_header, bulk, bulk_array

INVALID_ID: Final = b"ERR Invalid stream ID specified as stream command argument"
_INVALID_START: Final = b"ERR invalid start ID for the interval"
_INVALID_END: Final = b"ERR invalid end ID for the interval"
REFERENCE_POLICIES: Final = (b"KEEPREF", b"DELREF", b"ACKED")
"""What becomes of entries that groups refer to when they are removed: the references stay; go, too; nothing does."""
_LONGEST: Final = 127
_NUMBER: Final = re.compile(rb"[ \t\n\v\f\r]*([+-]?)([0-9]+)")


def read_stream(db: Database, key: bytes) -> StreamObj | None:
    """The stream at a key, for reading."""
    value = db.lookup_read(key)
    if value is None or type(value) is StreamObj:
        return value
    raise CommandError(WRONGTYPE)


def write_stream(db: Database, key: bytes) -> StreamObj | None:
    """The stream at a key, for a command that writes."""
    value = db.fetch(key)
    if value is None or type(value) is StreamObj:
        return value
    raise CommandError(WRONGTYPE)


# --- IDs ------------------------------------------------------------------------------------------------------------


def id_text(entry_id: int) -> bytes:
    """``ms-seq``."""
    return b"%d-%d" % (entry_id >> 64, entry_id & MAX_PART)


def id_reply(entry_id: int) -> bytes:
    """An ID as a bulk string."""
    return bulk(id_text(entry_id))


def _part(text: bytes) -> int | None:
    """Half an ID: an unsigned 64-bit number as strtoull reads it, which takes blanks, signs and zeros before it."""
    n = string2ll(text)
    if n is not None:
        return n if n >= 0 else None
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    n = int(match[2])
    if n > MAX_PART:
        return None
    return -n & MAX_PART if match[1] == b"-" else n


def find_id(text: bytes, missing_seq: int, strict: bool) -> int | None:
    """The ID that a text is, None if it is none; ``strict`` refuses ``-`` and ``+``, the least and the greatest."""
    if len(text) > _LONGEST:
        return None
    text = text.split(b"\0")[0]
    if text == b"-" or text == b"+":
        if strict:
            return None
        return 0 if text == b"-" else MAX_ID
    ms_text, dash, seq_text = text.partition(b"-")
    ms = _part(ms_text)
    seq = _part(seq_text) if dash else missing_seq
    return None if ms is None or seq is None else ms << 64 | seq


def parse_id(text: bytes, strict: bool = True) -> int:
    """An ID; without sequence number it is that of number 0."""
    entry_id = find_id(text, 0, strict)
    if entry_id is None:
        raise CommandError(INVALID_ID)
    return entry_id


def parse_bound(text: bytes, missing_seq: int) -> tuple[int, bool]:
    """One end of a range: the ID, and whether it is excluded (``(ID``)."""
    exclusive = len(text) > 1 and text[:1] == b"("
    entry_id = find_id(text[1:] if exclusive else text, missing_seq, exclusive)
    if entry_id is None:
        raise CommandError(INVALID_ID)
    return entry_id, exclusive


def parse_start(text: bytes) -> int:
    """Where a range begins, included."""
    entry_id, exclusive = parse_bound(text, 0)
    if exclusive and entry_id == MAX_ID:
        raise CommandError(_INVALID_START)
    return entry_id + exclusive


def parse_end(text: bytes) -> int:
    """Where a range ends, included."""
    entry_id, exclusive = parse_bound(text, MAX_PART)
    if exclusive and entry_id == 0:
        raise CommandError(_INVALID_END)
    return entry_id - exclusive


# --- replies --------------------------------------------------------------------------------------------------------


def entry_reply(entry: Entry) -> bytes:
    """One entry: its ID, and an array of fields and values."""
    ms, seq, flat = entry
    entry_id = b"%d-%d" % (ms, seq)
    return b"*2\r\n$%d\r\n%b\r\n%b" % (len(entry_id), entry_id, bulk_array(flat))


def claimed_reply(entry: Entry, idle: int, deliveries: int) -> bytes:
    """One entry as XREADGROUP CLAIM answers it: also how long it was idle, and how often delivered before."""
    ms, seq, flat = entry
    entry_id = b"%d-%d" % (ms, seq)
    parts = (len(entry_id), entry_id, bulk_array(flat), idle, deliveries)
    return b"*4\r\n$%d\r\n%b\r\n%b:%d\r\n:%d\r\n" % parts


def entries_reply(entries: Iterable[Entry]) -> bytes:
    """An array of entries."""
    items = [entry_reply(entry) for entry in entries]
    return array_header(len(items)) + b"".join(items)


# --- groups ---------------------------------------------------------------------------------------------------------


def no_group(key: bytes, group: bytes, where: bytes = b"") -> CommandError:
    """The error where a key or its group is missing."""
    text = b"NOGROUP No such key '%b' or consumer group '%b'%b" % (c_text(key), c_text(group), where)
    return CommandError(text)


def no_such_group(key: bytes, group: bytes) -> CommandError:
    """The error where the key is there and the group is missing."""
    return CommandError(b"NOGROUP No such consumer group '%b' for key name '%b'" % (c_text(group), c_text(key)))


def group_of(value: Any, key: bytes, name: bytes) -> tuple[StreamObj, Group]:
    """A stream and a group of it, from what is at a key; both must be there."""
    if value is not None and type(value) is not StreamObj:
        raise CommandError(WRONGTYPE)
    group = None if value is None else value.groups.get(name)
    if value is None or group is None:
        raise no_group(key, name)
    return value, group


def read_group(c: Client, key: bytes, name: bytes) -> tuple[StreamObj, Group]:
    """The same, looking the key up for reading."""
    return group_of(c.db.lookup_read(key), key, name)


def consumer_of(c: Client, group: Group, name: bytes, key: bytes) -> tuple[Consumer, bool]:
    """The consumer that asks for something, and whether it had to be created (which is counted and announced)."""
    consumer = group.consumers.get(name)
    if consumer is not None:
        consumer.seen_time = c.server.mstime
        return consumer, False
    return create_consumer(c, group, name, key), True


def create_consumer(c: Client, group: Group, name: bytes, key: bytes) -> Consumer:
    """Add a consumer that is not there."""
    consumer = group.consumers[name] = Consumer(name, c.server.mstime)
    counted(c.db, key, 1, NOTIFY_STREAM, b"xgroup-createconsumer")
    return consumer


def consumer_at_once(c: Client, group: Group, key: bytes, group_name: bytes, name: bytes) -> Consumer | None:
    """As of 7.2 the consumer that asks, whether it will get anything or not. Before, it came with its first entry."""
    if c.server.compat < 702:
        return None
    consumer, created = consumer_of(c, group, name, key)
    if created:
        propagate_consumer(c, key, group_name, name)
    return consumer


def take_over(
    c: Client,
    key: bytes,
    name: bytes,
    group: Group,
    entry_id: int,
    entry: PendingEntry,
    consumer: Consumer,
    text: bytes,
) -> None:
    """A pending entry, its time and count set already, goes to a consumer; ``text`` is its ID as it is propagated."""
    group.assign(entry_id, entry, consumer)
    consumer.active_time = c.server.mstime
    propagate_claim(c, key, name, group, text, entry)
    counted(c.db, key, 1, NOTIFY_STREAM, b"")


def drop_gone(
    c: Client, key: bytes, name: bytes, group: Group, entry_id: int, entry: PendingEntry, text: bytes
) -> None:
    """A pending entry is no longer in the stream: it ceases to be pending."""
    propagate_claim(c, key, name, group, text, entry)
    counted(c.db, key, 1, NOTIFY_STREAM, b"")
    group.forget(entry_id)


# --- propagation ----------------------------------------------------------------------------------------------------


def propagate_claim(c: Client, key: bytes, name: bytes, group: Group, entry_id: bytes, entry: PendingEntry) -> None:
    """Tell the feeders to whom an entry belongs now, with its times and counts."""
    server = c.server
    if server.feeders and entry.consumer is not None:
        argv = [b"XCLAIM", key, name, entry.consumer.name, b"0", entry_id, b"TIME", b"%d" % entry.delivery_time]
        argv += [b"RETRYCOUNT", b"%d" % entry.delivery_count, b"FORCE", b"JUSTID", b"LASTID", id_text(group.last_id)]
        also_propagate(server, c.db.id, argv)


def propagate_consumer(c: Client, key: bytes, name: bytes, consumer: bytes) -> None:
    """Tell the feeders of a consumer that nothing else tells of."""
    also_propagate(c.server, c.db.id, [b"XGROUP", b"CREATECONSUMER", key, name, consumer])


def propagate_group_id(c: Client, key: bytes, name: bytes, group: Group) -> None:
    """Tell the feeders how far a group has read."""
    read = -1 if group.entries_read is None else group.entries_read
    argv = [b"XGROUP", b"SETID", key, name, id_text(group.last_id), b"ENTRIESREAD", b"%d" % read]
    also_propagate(c.server, c.db.id, argv)
