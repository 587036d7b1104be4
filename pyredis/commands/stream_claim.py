"""XCLAIM and XAUTOCLAIM: pending entries change hands."""

from __future__ import annotations

from typing import Final

from pyredis.core.args import get_int, get_range_int, syntax_error
from pyredis.core.client import Client
from pyredis.core.command import CMD_FAST, CMD_WRITE, KEY_DELETE, KEY_RW, KEY_UPDATE, K, command
from pyredis.core.propagate import prevent
from pyredis.core.streams import (
    consumer_at_once,
    consumer_of,
    drop_gone,
    entry_reply,
    find_id,
    group_of,
    id_reply,
    id_text,
    parse_id,
    parse_start,
    propagate_group_id,
    read_group,
    take_over,
)
from pyredis.engines.group import PendingEntry
from pyredis.engines.stream import MAX_ID
from pyredis.keyspace.modified import counted, ready
from pyredis.keyspace.state import NOTIFY_STREAM
from pyredis.lib.intparse import LLONG_MAX
from pyredis.resp.errors import CommandError, c_text
from pyredis.resp.reply import array

_ATTEMPTS: Final = 10
"""XAUTOCLAIM looks at so many entries for each that is asked for."""
_MOST: Final = LLONG_MAX // 16


class _Claim:
    """``min-idle-time id … [IDLE ms] [TIME ms] [RETRYCOUNT n] [FORCE] [JUSTID] [LASTID id]`` of XCLAIM."""

    __slots__ = ("delivery_time", "force", "ids", "justid", "last_id", "min_idle", "retry_count", "texts")

    def __init__(self, argv: list[bytes], now: int) -> None:
        self.min_idle = max(get_int(argv[4], b"ERR Invalid min-idle-time argument for XCLAIM"), 0)
        self.ids: list[int] = []
        self.delivery_time = -1
        self.retry_count = -1
        self.force = self.justid = False
        self.last_id = 0
        at = 5
        while at < len(argv) and (entry_id := find_id(argv[at], 0, True)) is not None:
            self.ids.append(entry_id)
            at += 1
        self.texts = argv[5:at]
        """The IDs as they were sent."""
        while at < len(argv):
            at = self._option(argv, at, now) + 1
        if not 0 <= self.delivery_time <= now:
            self.delivery_time = now

    def _option(self, argv: list[bytes], at: int, now: int) -> int:
        """Read the option at ``at``; returns the position of its last word."""
        word = argv[at].upper()
        if word == b"FORCE":
            self.force = True
            return at
        if word == b"JUSTID":
            self.justid = True
            return at
        if at + 1 == len(argv) or word not in (b"IDLE", b"TIME", b"RETRYCOUNT", b"LASTID"):
            raise CommandError(b"ERR Unrecognized XCLAIM option '%b'" % c_text(argv[at]))
        if word == b"LASTID":
            self.last_id = parse_id(argv[at + 1])
            return at + 1
        number = get_int(argv[at + 1], b"ERR Invalid %b option argument for XCLAIM" % word)
        if word == b"IDLE":
            self.delivery_time = now - number
        elif word == b"TIME":
            self.delivery_time = number
        else:
            self.retry_count = number
        return at + 1


@command(
    b"XCLAIM",
    -6,
    CMD_WRITE | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_UPDATE),),
    group="stream",
    since="5.0.0",
    summary="Take over pending entries of a group for a consumer.",
    complexity="O(log N) with N being the number of messages in the PEL of the consumer group.",
    usage=(
        "key group consumer min-idle-time id... [IDLE ms:int] [TIME unix-time-milliseconds:time] "
        "[RETRYCOUNT count:int] force=[FORCE] justid=[JUSTID] [LASTID id]"
    ),
    tips=(b"nondeterministic_output",),
)
def xclaim_command(c: Client, argv: list[bytes]) -> bytes | None:
    key, name = argv[1], argv[2]
    value, group = read_group(c, key, name)
    now = c.server.mstime
    dirty = c.server.dirty
    claim = _Claim(argv, now)
    tell_last_id = claim.last_id > group.last_id
    group.last_id = max(group.last_id, claim.last_id)
    consumer = consumer_at_once(c, group, key, name, argv[3])
    items = []
    for entry_id, text in zip(claim.ids, claim.texts):
        pending = group.pending.get(entry_id)
        entry = next(value.range(entry_id, entry_id), None)
        if entry is None:
            if pending is not None:
                drop_gone(c, key, name, group, entry_id, pending, text)
                tell_last_id = False  # the XCLAIM that is propagated says it
            continue
        if pending is None:
            if not claim.force:
                continue
            pending = PendingEntry(None, now)
            group.add(entry_id, pending)
        if pending.consumer is not None and claim.min_idle and now - pending.delivery_time < claim.min_idle:
            continue
        if consumer is None:
            consumer = consumer_of(c, group, argv[3], key)[0]
        if claim.retry_count >= 0:
            pending.delivery_count = claim.retry_count
        elif not claim.justid:
            pending.delivery_count += 1
        group.set_time(entry_id, pending, claim.delivery_time)
        take_over(c, key, name, group, entry_id, pending, consumer, text)
        items.append(id_reply(entry_id) if claim.justid else entry_reply(entry))
        tell_last_id = False
    if claim.delivery_time < now:
        ready(c.db, key)  # who waits for entries that have been idle may have one now
    if tell_last_id:
        propagate_group_id(c, key, name, group)
        counted(c.db, key, 1, NOTIFY_STREAM, b"")
    if c.server.dirty != dirty:
        prevent(c)
    return array(items)


def _autoclaim_options(argv: list[bytes]) -> tuple[int, bool]:
    """``[COUNT count] [JUSTID]`` of XAUTOCLAIM."""
    count, justid = 100, False
    at = 6
    while at < len(argv):
        word = argv[at].upper()
        if word == b"COUNT" and at + 1 < len(argv):
            at += 1
            count = get_range_int(argv[at], 1, _MOST, b"ERR COUNT must be > 0")
        elif word == b"JUSTID":
            justid = True
        else:
            raise syntax_error()
        at += 1
    return count, justid


@command(
    b"XAUTOCLAIM",
    -6,
    CMD_WRITE | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_DELETE),),
    group="stream",
    since="6.2.0",
    summary="Take over pending entries of a group that have been idle, going on from an ID.",
    complexity="O(1) if COUNT is small.",
    usage="key group consumer min-idle-time start [COUNT count:int] justid=[JUSTID]",
    history=(
        ("7.0.0", "Added an element to the reply array, containing deleted entries the command cleared from the PEL"),
    ),
    tips=(b"nondeterministic_output",),
)
def xautoclaim_command(c: Client, argv: list[bytes]) -> bytes | None:
    found = c.db.lookup_read(argv[1])  # a hit or a miss, whatever the arguments are
    min_idle = max(get_int(argv[4], b"ERR Invalid min-idle-time argument for XAUTOCLAIM"), 0)
    low = parse_start(argv[5])
    count, justid = _autoclaim_options(argv)
    key, name = argv[1], argv[2]
    value, group = group_of(found, key, name)
    now = c.server.mstime
    dirty = c.server.dirty
    consumer = consumer_at_once(c, group, key, name, argv[3])
    attempts = count * _ATTEMPTS
    items: list[bytes] = []
    gone: list[bytes] = []
    seen = low - 1
    for entry_id, pending in group.pending.walk(low, MAX_ID):
        seen = entry_id
        attempts -= 1
        entry = next(value.range(entry_id, entry_id), None)
        if entry is None:
            drop_gone(c, key, name, group, entry_id, pending, id_text(entry_id))
            gone.append(id_reply(entry_id))
        elif not min_idle or now - pending.delivery_time >= min_idle:
            if consumer is None:
                consumer = consumer_of(c, group, argv[3], key)[0]
            pending.delivery_count += not justid
            group.set_time(entry_id, pending, now)
            take_over(c, key, name, group, entry_id, pending, consumer, id_text(entry_id))
            items.append(id_reply(entry_id) if justid else entry_reply(entry))
        if not attempts or len(items) + len(gone) == count:
            break
    following = group.pending.next_from(seen + 1)
    if c.server.dirty != dirty:
        prevent(c)
    return array([id_reply(following), array(items), array(gone)])
