"""Consumer groups of streams: XGROUP, XACK, XPENDING."""

from __future__ import annotations

from itertools import islice
from typing import Final

from pyredis.core.args import get_int, syntax_error
from pyredis.core.client import Client
from pyredis.core.command import (
    ACL_STREAM,
    CMD_DENYOOM,
    CMD_FAST,
    CMD_LOADING,
    CMD_READONLY,
    CMD_STALE,
    CMD_WRITE,
    KEY_ACCESS,
    KEY_DELETE,
    KEY_INSERT,
    KEY_RO,
    KEY_RW,
    KEY_UPDATE,
    K,
    command,
    container,
)
from pyredis.core.streams import (
    create_consumer,
    id_reply,
    no_such_group,
    parse_end,
    parse_id,
    parse_start,
    read_group,
    read_stream,
    write_stream,
)
from pyredis.engines.group import Group, Pending
from pyredis.engines.stream import StreamObj, signed64
from pyredis.keyspace.modified import counted, ready, touched
from pyredis.keyspace.state import NOTIFY_STREAM
from pyredis.resp.errors import CommandError, subcommand_syntax
from pyredis.resp.reply import (
    EMPTY_ARRAY,
    NULL,
    NULL_ARRAY,
    OK,
    ONE,
    ZERO,
    array,
    array_header,
    bulk,
    help_reply,
    integer,
)

_NO_KEY: Final = (
    b"ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM "
    b"option to create an empty stream automatically."
)

container(
    b"XGROUP",
    -2,
    0,
    group="stream",
    since="5.0.0",
    summary="Manage the consumer groups of a stream.",
    complexity="Depends on subcommand.",
    acl=0,
)


def _options(argv: list[bytes], mkstream_allowed: bool) -> tuple[bool, int | None]:
    """``[MKSTREAM] [ENTRIESREAD n]`` from position 5: whether to create the stream, and the number (None if -1)."""
    mkstream, read = False, -1
    at = 5
    while at < len(argv):
        word = argv[at].upper()
        if word == b"MKSTREAM" and mkstream_allowed:
            mkstream = True
        elif word == b"ENTRIESREAD" and at + 1 < len(argv):
            at += 1
            read = get_int(argv[at])
            if read < -1:
                raise CommandError(b"ERR value for ENTRIESREAD must be positive or -1")
        else:
            raise subcommand_syntax(b"XGROUP", argv[1])
        at += 1
    return mkstream, None if read == -1 else read


def _stream(c: Client, key: bytes) -> StreamObj:
    value = write_stream(c.db, key)
    if value is None:
        raise CommandError(_NO_KEY)
    return value


def _group(c: Client, argv: list[bytes]) -> tuple[StreamObj, Group]:
    """The stream at ``argv[2]`` and its group ``argv[3]``."""
    value = _stream(c, argv[2])
    group = value.groups.get(argv[3])
    if group is None:
        raise no_such_group(argv[2], argv[3])
    return value, group


def _at_most_added(c: Client, value: StreamObj, read: int | None) -> int | None:
    """ENTRIESREAD as it is kept: as of 8.2 no more entries than there ever were."""
    return read if read is None or c.server.compat < 802 else min(read, value.entries_added)


@command(
    b"XGROUP|CREATE",
    -5,
    CMD_WRITE | CMD_DENYOOM,
    keys=(K(2, KEY_RW | KEY_INSERT),),
    group="stream",
    since="5.0.0",
    summary="Create a consumer group.",
    complexity="O(1)",
    usage="key groupname id=(id|new_id='$') [MKSTREAM] [ENTRIESREAD entries_read:int]",
    history=(("7.0.0", "Added the `entries_read` named argument."),),
)
def xgroup_create_command(c: Client, argv: list[bytes]) -> bytes | None:
    mkstream, read = _options(argv, True)
    db, key = c.db, argv[2]
    value = write_stream(db, key)
    if value is None and not mkstream:
        raise CommandError(_NO_KEY)
    if len(argv) > 8:
        raise subcommand_syntax(b"XGROUP", argv[1])
    if argv[4] == b"$":
        last_id = 0 if value is None else value.last_id
    else:
        last_id = parse_id(argv[4])
    if value is None:
        value = StreamObj()
        db.add(key, value)
        touched(db, key)
    if argv[3] in value.groups:
        raise CommandError(b"BUSYGROUP Consumer Group name already exists")
    value.groups[argv[3]] = Group(last_id, _at_most_added(c, value, read))
    counted(db, key, 1, NOTIFY_STREAM, b"xgroup-create")
    return OK


@command(
    b"XGROUP|SETID",
    -5,
    CMD_WRITE,
    keys=(K(2, KEY_RW | KEY_UPDATE),),
    group="stream",
    since="5.0.0",
    summary="Set how far a group has read.",
    complexity="O(1)",
    usage="key groupname id=(id|new_id='$') [ENTRIESREAD entries_read:int]",
    history=(("7.0.0", "Added the optional `entries_read` argument."),),
)
def xgroup_setid_command(c: Client, argv: list[bytes]) -> bytes | None:
    read = _options(argv, False)[1]
    value, group = _group(c, argv)
    if len(argv) not in (5, 7):
        raise subcommand_syntax(b"XGROUP", argv[1])
    group.last_id = value.last_id if argv[4] == b"$" else parse_id(argv[4], strict=False)
    group.entries_read = _at_most_added(c, value, read)
    counted(c.db, argv[2], 1, NOTIFY_STREAM, b"xgroup-setid")
    return OK


@command(
    b"XGROUP|DESTROY",
    4,
    CMD_WRITE,
    keys=(K(2, KEY_RW | KEY_DELETE),),
    group="stream",
    since="5.0.0",
    summary="Remove a consumer group.",
    complexity="O(N) where N is the number of entries in the group's pending entries list (PEL).",
    usage="key groupname",
)
def xgroup_destroy_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = _stream(c, argv[2])
    if value.groups.pop(argv[3], None) is None:
        return ZERO
    counted(c.db, argv[2], 1, NOTIFY_STREAM, b"xgroup-destroy")
    ready(c.db, argv[2])  # its readers wait no longer
    return ONE


@command(
    b"XGROUP|CREATECONSUMER",
    5,
    CMD_WRITE | CMD_DENYOOM,
    keys=(K(2, KEY_RW | KEY_INSERT),),
    group="stream",
    since="6.2.0",
    summary="Add a consumer to a group.",
    complexity="O(1)",
    usage="key groupname consumername",
)
def xgroup_createconsumer_command(c: Client, argv: list[bytes]) -> bytes | None:
    group = _group(c, argv)[1]
    if argv[4] in group.consumers:
        return ZERO
    create_consumer(c, group, argv[4], argv[2])
    return ONE


@command(
    b"XGROUP|DELCONSUMER",
    5,
    CMD_WRITE,
    keys=(K(2, KEY_RW | KEY_DELETE),),
    group="stream",
    since="5.0.0",
    summary="Remove a consumer from a group, with what is pending for it.",
    complexity="O(1)",
    usage="key groupname consumername",
)
def xgroup_delconsumer_command(c: Client, argv: list[bytes]) -> bytes | None:
    group = _group(c, argv)[1]
    consumer = group.consumers.get(argv[4])
    if consumer is None:
        return ZERO
    pending = len(consumer.pending)
    group.delete_consumer(consumer)
    counted(c.db, argv[2], 1, NOTIFY_STREAM, b"xgroup-delconsumer")
    return integer(pending)


@command(
    b"XGROUP|HELP",
    2,
    CMD_LOADING | CMD_STALE,
    group="stream",
    since="5.0.0",
    summary="Explain the subcommands.",
    complexity="O(1)",
    acl=ACL_STREAM,
)
def xgroup_help_command(c: Client, argv: list[bytes]) -> bytes | None:
    return help_reply(
        b"XGROUP",
        [
            b"CREATE <key> <group> <id or $> [MKSTREAM] [ENTRIESREAD <count>]",
            b"    Add a group that will read what comes after the ID; $ is the present end.",
            b"    MKSTREAM makes an empty stream where there is none. ENTRIESREAD says how many",
            b"    entries count as read, from which the group's lag is told.",
            b"CREATECONSUMER <key> <group> <consumer>",
            b"    Add a consumer; reading does it, too.",
            b"DELCONSUMER <key> <group> <consumer>",
            b"    Remove a consumer and forget what is pending for it.",
            b"DESTROY <key> <group>",
            b"    Remove a group.",
            b"SETID <key> <group> <id or $> [ENTRIESREAD <count>]",
            b"    Have a group go on after another ID.",
        ],
    )


@command(
    b"XACK",
    -4,
    CMD_WRITE | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_UPDATE),),
    group="stream",
    since="5.0.0",
    summary="Acknowledge entries that were delivered to a group.",
    complexity="O(1) for each message ID processed.",
    usage="key group id...",
)
def xack_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = read_stream(c.db, argv[1])
    group = None if value is None else value.groups.get(argv[2])
    if group is None:
        return ZERO
    acknowledged = sum(map(group.forget, [parse_id(text) for text in argv[3:]]))
    counted(c.db, argv[1], acknowledged, NOTIFY_STREAM, b"")
    return integer(acknowledged)


def _pending_summary(c: Client, group: Group) -> bytes:
    pending = group.pending
    if not len(pending):
        null = NULL[c.resp]
        return array([ZERO, null, null, NULL_ARRAY[c.resp]])
    counts = [
        array_header(2) + bulk(consumer.name) + bulk(b"%d" % len(consumer.pending))
        for consumer in group.sorted_consumers()
        if len(consumer.pending)
    ]
    return array([integer(len(pending)), id_reply(pending.first()), id_reply(pending.last()), array(counts)])


def _pending_range(c: Client, pending: Pending, low: int, high: int, count: int, min_idle: int) -> bytes:
    now = c.server.mstime
    found = (
        (entry_id, entry)
        for entry_id, entry in pending.walk(low, high)
        if not min_idle or now - entry.delivery_time >= min_idle
    )
    items = []
    for entry_id, entry in islice(found, count):
        assert entry.consumer is not None
        idle = max(now - entry.delivery_time, 0)
        items.append(
            array(
                [id_reply(entry_id), bulk(entry.consumer.name), integer(idle), integer(signed64(entry.delivery_count))]
            )
        )
    return array(items)


@command(
    b"XPENDING",
    -3,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="stream",
    since="5.0.0",
    summary="Tell what was delivered to a group and is not acknowledged.",
    complexity=(
        "O(N) with N being the number of elements returned, so asking for a small fixed number of entries per call is "
        "O(1). O(M), where M is the total number of entries scanned when used with the IDLE filter. When the command "
        "returns just the summary and the list of consumers is small, it runs in O(1) time; otherwise, an additional "
        "O(N) time for iterating every consumer."
    ),
    usage="key group filters=[[IDLE min-idle-time:int]@6.2.0 start end count:int [consumer]]",
    history=(("6.2.0", "Added the `IDLE` option and exclusive range intervals."),),
    tips=(b"nondeterministic_output",),
)
def xpending_command(c: Client, argv: list[bytes]) -> bytes | None:
    if len(argv) == 3:
        return _pending_summary(c, read_group(c, argv[1], argv[2])[1])
    if not 6 <= len(argv) <= 9:
        raise syntax_error()
    at, min_idle = 3, 0
    if argv[3].upper() == b"IDLE":
        min_idle = get_int(argv[4])
        if len(argv) < 8:
            raise syntax_error()
        at = 5
    count = max(get_int(argv[at + 2]), 0)
    low, high = parse_start(argv[at]), parse_end(argv[at + 1])
    group = read_group(c, argv[1], argv[2])[1]
    pending = group.pending
    if at + 3 < len(argv):
        consumer = group.consumers.get(argv[at + 3])
        if consumer is None:
            return EMPTY_ARRAY
        pending = consumer.pending
    return _pending_range(c, pending, low, high, count, min_idle)
