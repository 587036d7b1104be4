"""XREAD and XREADGROUP: what is new in several streams, waiting for it if need be."""

from __future__ import annotations

from itertools import islice
from typing import Final

from pyredis.core.args import get_int, get_milliseconds, syntax_error
from pyredis.core.blocked import BLOCKED_STREAM, block_for_keys, look_again_in
from pyredis.core.client import CLIENT_DENY_BLOCKING, CLIENT_SCRIPT, Client
from pyredis.core.command import (
    CMD_BLOCKING,
    CMD_MOVABLEKEYS,
    CMD_READONLY,
    CMD_WRITE,
    KEY_ACCESS,
    KEY_RO,
    KWord,
    command,
)
from pyredis.core.propagate import prevent
from pyredis.core.streams import (
    claimed_reply,
    consumer_at_once,
    consumer_of,
    drop_gone,
    entries_reply,
    entry_reply,
    id_reply,
    id_text,
    no_group,
    parse_id,
    propagate_claim,
    propagate_consumer,
    propagate_group_id,
    read_stream,
    take_over,
)
from pyredis.engines.group import Consumer, Group
from pyredis.engines.stream import MAX_ID, Entry, StreamObj, signed64
from pyredis.keyspace.modified import counted
from pyredis.keyspace.state import NOTIFY_STREAM
from pyredis.resp.errors import CommandError
from pyredis.resp.reply import NULL_ARRAY, array, array_header, bulk, map_header

_SHORTEST_WAIT: Final = 50
"""Milliseconds after which a reader with CLAIM is looked at once more, however little it asks for."""
_GONE: Final = b"UNBLOCKED the stream key no longer exists"
_GROUP_GONE: Final = b"NOGROUP the consumer group this client was blocked on no longer exists"


class _Request:
    """``[GROUP group consumer] [COUNT count] [BLOCK milliseconds] [CLAIM milliseconds] [NOACK] STREAMS key … id …``

    ``timeout`` is in milliseconds, None = do not wait; ``count`` 0 = all. ``claim``: what is pending is taken over once
    it has been idle for so many milliseconds; None = nothing. ``ids``: what is read must be above these; MAX_ID stands
    for ``>`` (as in Redis, where this very ID means the same).
    """

    __slots__ = ("claim", "consumer", "count", "group", "ids", "keys", "noack", "texts", "timeout")

    def __init__(self) -> None:
        self.group: bytes | None = None
        self.consumer = b""
        self.count = 0
        self.timeout: int | None = None
        self.claim: int | None = None
        self.noack = False
        self.keys: list[bytes] = []
        self.texts: list[bytes] = []
        self.ids: list[int] = []


def _parse(c: Client, argv: list[bytes], grouped: bool) -> _Request:
    request = _Request()
    at = 1
    while at < len(argv):
        word = argv[at].upper()
        more = len(argv) - at - 1
        if word == b"BLOCK" and more:
            if c.flags & CLIENT_SCRIPT:
                raise CommandError(
                    b"ERR %b command is not allowed with BLOCK option from scripts"
                    % (b"xreadgroup" if grouped else b"xread")
                )
            at += 1
            request.timeout = get_milliseconds(argv[at])
        elif word == b"COUNT" and more:
            at += 1
            request.count = max(get_int(argv[at]), 0)
        elif word == b"STREAMS" and more:
            if more % 2:
                raise CommandError(
                    b"ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified."
                )
            request.keys = argv[at + 1 : at + 1 + more // 2]
            request.texts = argv[at + 1 + more // 2 :]
            break
        elif word == b"GROUP" and more >= 2:
            if not grouped:
                raise CommandError(b"ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.")
            request.group, request.consumer = argv[at + 1 : at + 3]
            at += 2
        elif word == b"NOACK":
            if not grouped:
                raise CommandError(b"ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.")
            request.noack = True
        elif word == b"CLAIM" and more and c.server.compat >= 804:
            if not grouped:
                raise CommandError(b"ERR The CLAIM option is only supported by XREADGROUP. You called XREAD instead.")
            at += 1
            request.claim = get_int(argv[at], b"ERR min-idle-time is not an integer or out of range")
            if request.claim < 0:
                raise CommandError(b"ERR min-idle-time must be a positive integer")
        else:
            raise syntax_error()
        at += 1
    if not request.keys:
        raise syntax_error()
    if grouped and request.group is None:
        raise CommandError(b"ERR Missing GROUP option for XREADGROUP")
    return request


def _resolve(c: Client, request: _Request) -> None:
    """Look every key (and group) up and turn the texts into IDs: ``$`` is what is last now."""
    grouped = request.group is not None
    for key, text in zip(request.keys, request.texts):
        value = read_stream(c.db, key)
        if request.group is not None and (value is None or request.group not in value.groups):
            raise no_group(key, request.group, b" in XREADGROUP with GROUP option")
        if text == b"$":
            if grouped:
                raise CommandError(
                    b"ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this "
                    b"consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just "
                    b"return an empty result set."
                )
            request.ids.append(0 if value is None else value.last_id)
        elif text == b"+" and c.server.compat >= 704:
            if grouped:
                raise CommandError(
                    b"ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history of this "
                    b"consumer by specifying a proper ID, or use the > ID to get new messages. The + ID would just "
                    b"return an empty result set."
                )
            # The last entry; without any, the first that comes.
            last = 0 if value is None else value.last_entry_id() if len(value) else value.last_id + 1
            request.ids.append(max(last - 1, 0))
        elif text == b">":
            if not grouped:
                raise CommandError(
                    b"ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> "
                    b"option."
                )
            request.ids.append(MAX_ID)
        else:
            request.ids.append(parse_id(text))


def _new_entries(value: StreamObj, above: int, count: int) -> islice[Entry]:
    return islice(value.range(above + 1, MAX_ID) if above < MAX_ID else value.range(0, MAX_ID), count or None)


def _deliver(
    c: Client, request: _Request, key: bytes, value: StreamObj, group: Group, consumer: Consumer, count: int
) -> list[bytes]:
    """Give a consumer what its group has not read: the entries, pending from now on unless NOACK."""
    assert request.group is not None
    items = []
    claiming = request.claim is not None
    moved = False
    now = c.server.mstime
    feeding = bool(c.server.feeders)
    for entry in _new_entries(value, group.last_id, count):
        entry_id = entry[0] << 64 | entry[1]
        if entry_id > group.last_id:
            value.delivered(group, entry_id, c.server.compat)
            moved = request.noack or c.server.compat >= 704  # before, what becomes pending told it
        if not request.noack:
            pending = group.deliver(entry_id, consumer, now)
            if feeding:
                propagate_claim(c, key, request.group, group, id_text(entry_id), pending)
        items.append(claimed_reply(entry, 0, 0) if claiming else entry_reply(entry))
    if items and not request.noack:
        consumer.active_time = now
    if moved:
        propagate_group_id(c, key, request.group, group)
    return items


def _claim(
    c: Client, request: _Request, key: bytes, value: StreamObj, group: Group, consumer: Consumer, count: int
) -> list[bytes]:
    """Give a consumer what has been pending for long, the longest first; what is gone from the stream is dropped."""
    assert request.group is not None and request.claim is not None
    name = request.group
    items: list[bytes] = []
    taken: set[int] = set()
    now = c.server.mstime
    dropped = True
    while dropped:
        dropped = False
        for entry_id in group.delivered_until(now - request.claim, len(taken) + (count or len(group.pending))):
            if entry_id in taken or (count and len(items) == count):
                continue
            pending = group.pending.entries[entry_id]
            entry = next(value.range(entry_id, entry_id), None)
            if entry is None:
                drop_gone(c, key, name, group, entry_id, pending, id_text(entry_id))
                dropped = True
                continue
            items.append(claimed_reply(entry, now - pending.delivery_time, signed64(pending.delivery_count)))
            pending.delivery_count += 1
            group.set_time(entry_id, pending, now)
            take_over(c, key, name, group, entry_id, pending, consumer, id_text(entry_id))
            taken.add(entry_id)
    return items


def _history(c: Client, value: StreamObj, group: Group, consumer: Consumer, above: int, count: int) -> bytes:
    """What is pending for a consumer; delivered once more, except entries that are gone, whose fields are null."""
    items = []
    for entry_id, pending in islice(consumer.pending.walk(above + 1, MAX_ID), count or None):
        entry = next(value.range(entry_id, entry_id), None)
        if entry is None:
            items.append(array_header(2) + id_reply(entry_id) + NULL_ARRAY[c.resp])
        else:
            group.set_time(entry_id, pending, c.server.mstime)
            pending.delivery_count += 1
            items.append(entry_reply(entry))
    return array_header(len(items)) + b"".join(items)


def _consumer(c: Client, request: _Request, group: Group, key: bytes) -> Consumer:
    assert request.group is not None
    consumer = consumer_at_once(c, group, key, request.group, request.consumer)
    if consumer is None:
        consumer, created = consumer_of(c, group, request.consumer, key)
        if created and request.noack:
            propagate_consumer(c, key, request.group, request.consumer)
    return consumer


def _read(c: Client, request: _Request, key: bytes, above: int) -> bytes | None:
    """What a stream has for the reader now, None if nothing."""
    value = read_stream(c.db, key)
    if value is None:
        return None
    if request.group is None:
        if not len(value) or value.last_entry_id() <= above:
            return None
        return entries_reply(_new_entries(value, above, request.count))
    group = value.groups[request.group]
    nothing = above == MAX_ID and (not len(value) or value.last_entry_id() <= group.last_id)
    if nothing and c.server.compat < 702:
        return None
    consumer = _consumer(c, request, group, key)
    if nothing:
        return None
    counted(c.db, key, 1, NOTIFY_STREAM, b"")
    if above < MAX_ID:
        return _history(c, value, group, consumer, above, request.count)
    return array(_deliver(c, request, key, value, group, consumer, request.count))


def _read_all(c: Client, request: _Request) -> list[tuple[bytes, bytes]]:
    """The streams that have something for the reader, each with its entries."""
    if request.claim is not None:
        return _read_claiming(c, request, list(zip(request.keys, request.ids)))
    found = []
    for key, above in zip(request.keys, request.ids):
        entries = _read(c, request, key, above)
        if entries is not None:
            found.append((key, entries))
    return found


def _read_claiming(c: Client, request: _Request, places: list[tuple[bytes, int]]) -> list[tuple[bytes, bytes]]:
    """The same with CLAIM: what is idle in any stream goes before what is new, and COUNT is for all together."""
    assert request.group is not None
    items: list[list[bytes]] = [[] for _ in places]
    given = 0
    for give in (_claim, _deliver):
        for (key, above), mine in zip(places, items):
            value = c.db.peek(key)
            assert type(value) is StreamObj
            group = value.groups[request.group]
            if above < MAX_ID or (request.count and given == request.count):
                continue
            consumer = _consumer(c, request, group, key)
            if give is _deliver and value.last_entry_id() <= group.last_id:
                continue
            some = give(c, request, key, value, group, consumer, max(request.count - given, 0))
            given += len(some)
            mine += some
            counted(c.db, key, bool(some), NOTIFY_STREAM, b"")
    found = []
    for (key, above), mine in zip(places, items):
        entries = array(mine) if above == MAX_ID and mine else _read(c, request, key, above) if above < MAX_ID else None
        if entries is not None:
            found.append((key, entries))
    return found


def _look_again(c: Client, request: _Request) -> None:
    """Have a waiting client looked at when an entry will have been pending for long enough.

    What becomes pending from now on cannot be before the time asked for has passed.
    """
    assert request.group is not None and request.claim is not None
    wait = max(request.claim, _SHORTEST_WAIT)
    for key in request.keys:
        value = c.db.peek(key)
        group = value.groups.get(request.group) if type(value) is StreamObj else None
        first = None if group is None else group.first_time()
        if first is not None:
            wait = min(wait, max(first + request.claim - c.server.mstime, 1))
    look_again_in(c, wait)


def _reply(c: Client, found: list[tuple[bytes, bytes]]) -> bytes:
    """Each key with its entries: a map in RESP3."""
    if c.resp == 3:
        return map_header(len(found), 3) + b"".join([bulk(key) + entries for key, entries in found])
    return array_header(len(found)) + b"".join([array_header(2) + bulk(key) + entries for key, entries in found])


def _serve_waiting(c: Client, request: _Request, key: bytes) -> bytes | None:
    """The key for which a client waits has changed: its reply, None if there is nothing for it yet."""
    value = c.db.peek(key)
    assert type(value) is StreamObj
    if request.group is None:
        above = request.ids[request.keys.index(key)]
        if value.last_id <= above:
            return None
        return _reply(c, [(key, entries_reply(_new_entries(value, above, request.count)))])
    group = value.groups.get(request.group)
    if group is None:
        raise CommandError(_GROUP_GONE)
    if request.claim is not None:
        found = _read_claiming(c, request, [(key, MAX_ID)])
        if not found:
            _look_again(c, request)
            return None
        return _reply(c, found)
    if value.last_id <= group.last_id:
        return None
    consumer = _consumer(c, request, group, key)
    return _reply(c, [(key, array(_deliver(c, request, key, value, group, consumer, request.count)))])


def _xread(c: Client, argv: list[bytes], grouped: bool) -> bytes | None:
    dirty = c.server.dirty
    reply = _read_or_wait(c, argv, grouped)
    if c.server.dirty != dirty:
        prevent(c)  # what was read is told entry by entry
    return reply


def _read_or_wait(c: Client, argv: list[bytes], grouped: bool) -> bytes | None:
    if c.blocked is not None and c.blocked.ready is not None:
        return _serve_waiting(c, c.blocked.request, c.blocked.ready)
    request = _parse(c, argv, grouped)
    _resolve(c, request)
    found = _read_all(c, request)
    if found:
        return _reply(c, found)
    if request.timeout is None or c.flags & CLIENT_DENY_BLOCKING:
        return NULL_ARRAY[c.resp]
    seconds = request.timeout / 1000
    block_for_keys(c, BLOCKED_STREAM, request.keys, seconds, argv, NULL_ARRAY[c.resp])
    assert c.blocked is not None
    c.blocked.request = request
    if grouped:
        c.blocked.on_gone = _GONE
    if request.claim is not None:
        _look_again(c, request)
    return None


@command(
    b"XREAD",
    -4,
    CMD_READONLY | CMD_BLOCKING | CMD_MOVABLEKEYS,
    keys=(KWord(b"STREAMS", 1, KEY_RO | KEY_ACCESS, last=-1, limit=2),),
    group="stream",
    since="5.0.0",
    summary="Return what is new in one or several streams, waiting if need be.",
    complexity=(
        "For each stream mentioned: O(N) with N being the number of elements being returned, it means that XREAD-ing "
        "with a fixed COUNT is O(1). Note that when the BLOCK option is used, XADD will pay O(M) time in order to "
        "serve the M clients blocked on the stream getting new data."
    ),
    usage="[COUNT count:int] [BLOCK milliseconds:int] STREAMS streams=(key... id...)",
)
def xread_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _xread(c, argv, False)


@command(
    b"XREADGROUP",
    -7,
    CMD_WRITE | CMD_BLOCKING | CMD_MOVABLEKEYS,
    keys=(KWord(b"STREAMS", 4, KEY_RO | KEY_ACCESS, last=-1, limit=2),),
    group="stream",
    since="5.0.0",
    summary="Return what a group has not read yet, or what is pending for a consumer; waiting if need be.",
    complexity=(
        "For each stream mentioned: O(M) with M being the number of elements returned. If M is constant (e.g. always "
        "asking for the first 10 elements with COUNT), you can consider it O(1). On the other side when XREADGROUP "
        "blocks, XADD will pay the O(N) time in order to serve the N clients blocked on the stream getting new data."
    ),
    usage=(
        "GROUP group_consumer=(group consumer) [COUNT count:int] [BLOCK milliseconds:int] "
        "[CLAIM min-idle-time:int]@8.4.0 [NOACK] "
        "STREAMS streams=(key... id...)"
    ),
)
def xreadgroup_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _xread(c, argv, True)
