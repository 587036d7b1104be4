"""XINFO: what a stream, its groups and their consumers are like."""

from __future__ import annotations

from itertools import islice

from pyredis.core.args import get_int
from pyredis.core.client import Client
from pyredis.core.command import (
    ACL_STREAM,
    CMD_LOADING,
    CMD_READONLY,
    CMD_STALE,
    KEY_ACCESS,
    KEY_RO,
    K,
    command,
    container,
)
from pyredis.core.streams import entries_reply, entry_reply, id_reply, no_such_group, read_stream
from pyredis.engines.group import Consumer, Group
from pyredis.engines.stream import MAX_ID, Entry, StreamObj, signed64
from pyredis.resp.errors import NO_SUCH_KEY, CommandError, subcommand_syntax
from pyredis.resp.reply import NULL, array, bulk, help_reply, integer, map_header

container(
    b"XINFO",
    -2,
    0,
    group="stream",
    since="5.0.0",
    summary="Look at streams and their consumer groups.",
    complexity="Depends on subcommand.",
    acl=0,
)


def _map(c: Client, *pairs: tuple[bytes, bytes]) -> bytes:
    """A map of names to encoded replies."""
    return map_header(len(pairs), c.resp) + b"".join([bulk(name) + reply for name, reply in pairs])


def _number(c: Client, n: int | None) -> bytes:
    return NULL[c.resp] if n is None else integer(signed64(n))


def _stream(c: Client, key: bytes) -> StreamObj:
    value = read_stream(c.db, key)
    if value is None:
        raise CommandError(NO_SUCH_KEY)
    return value


def _entry(c: Client, entry: Entry | None) -> bytes:
    return NULL[c.resp] if entry is None else entry_reply(entry)


def _full_consumer(c: Client, consumer: Consumer, count: int) -> bytes:
    pending = [
        array([id_reply(entry_id), integer(entry.delivery_time), _number(c, entry.delivery_count)])
        for entry_id, entry in islice(consumer.pending.walk(0, MAX_ID), count or None)
    ]
    about = [(b"name", bulk(consumer.name)), (b"seen-time", integer(consumer.seen_time))]
    if c.server.compat >= 702:
        about.append((b"active-time", integer(consumer.active_time)))
    return _map(c, *about, (b"pel-count", integer(len(consumer.pending))), (b"pending", array(pending)))


def _full_group(c: Client, value: StreamObj, name: bytes, group: Group, count: int) -> bytes:
    pending = []
    for entry_id, entry in islice(group.pending.walk(0, MAX_ID), count or None):
        assert entry.consumer is not None
        parts = [id_reply(entry_id), bulk(entry.consumer.name)]
        pending.append(array([*parts, integer(entry.delivery_time), _number(c, entry.delivery_count)]))
    return _map(
        c,
        (b"name", bulk(name)),
        (b"last-delivered-id", id_reply(group.last_id)),
        (b"entries-read", _number(c, group.entries_read)),
        (b"lag", _number(c, value.lag(group, c.server.compat))),
        (b"pel-count", integer(len(group.pending))),
        (b"pending", array(pending)),
        (b"consumers", array([_full_consumer(c, consumer, count) for consumer in group.sorted_consumers()])),
    )


@command(
    b"XINFO|STREAM",
    -3,
    CMD_READONLY,
    keys=(K(2, KEY_RO | KEY_ACCESS),),
    group="stream",
    since="5.0.0",
    summary="Describe a stream, with FULL its entries, groups and consumers, too.",
    complexity="O(1)",
    usage="key [FULL full=([COUNT count:int])]",
    history=(
        ("6.0.0", "Added the `FULL` modifier."),
        (
            "7.0.0",
            "Added the `max-deleted-entry-id`, `entries-added`, `recorded-first-entry-id`, `entries-read` and `lag` "
            "fields",
        ),
        ("7.2.0", "Added the `active-time` field, and changed the meaning of `seen-time`."),
    ),
)
def xinfo_stream_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = _stream(c, argv[2])
    options = [word.upper() for word in argv[3:]]
    if options and (options[0] != b"FULL" or len(options) not in (1, 3) or options[1:2] not in ([], [b"COUNT"])):
        raise subcommand_syntax(b"XINFO", argv[1])
    count = get_int(argv[5]) if len(options) == 3 else 10
    count = 10 if count < 0 else count
    about = [
        (b"length", integer(len(value))),
        (b"radix-tree-keys", integer(len(value.blocks))),
        (b"radix-tree-nodes", integer(value.tree_nodes())),
        (b"last-generated-id", id_reply(value.last_id)),
        (b"max-deleted-entry-id", id_reply(value.max_deleted_id)),
        (b"entries-added", _number(c, value.entries_added)),
        (b"recorded-first-entry-id", id_reply(value.first_id)),
    ]
    if options:
        groups = [_full_group(c, value, name, value.groups[name], count) for name in sorted(value.groups)]
        about.append((b"entries", entries_reply(islice(value.range(0, MAX_ID), count or None))))
        about.append((b"groups", array(groups)))
    else:
        about.append((b"groups", integer(len(value.groups))))
        about.append((b"first-entry", _entry(c, next(value.range(0, MAX_ID), None))))
        about.append((b"last-entry", _entry(c, next(value.reverse_range(0, MAX_ID), None))))
    return _map(c, *about)


@command(
    b"XINFO|GROUPS",
    3,
    CMD_READONLY,
    keys=(K(2, KEY_RO | KEY_ACCESS),),
    group="stream",
    since="5.0.0",
    summary="List the groups of a stream.",
    complexity="O(1)",
    usage="key",
    history=(("7.0.0", "Added the `entries-read` and `lag` fields"),),
)
def xinfo_groups_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = _stream(c, argv[2])
    items = []
    for name in sorted(value.groups):
        group = value.groups[name]
        items.append(
            _map(
                c,
                (b"name", bulk(name)),
                (b"consumers", integer(len(group.consumers))),
                (b"pending", integer(len(group.pending))),
                (b"last-delivered-id", id_reply(group.last_id)),
                (b"entries-read", _number(c, group.entries_read)),
                (b"lag", _number(c, value.lag(group, c.server.compat))),
            )
        )
    return array(items)


@command(
    b"XINFO|CONSUMERS",
    4,
    CMD_READONLY,
    keys=(K(2, KEY_RO | KEY_ACCESS),),
    group="stream",
    since="5.0.0",
    summary="List the consumers of a group.",
    complexity="O(1)",
    usage="key groupname",
    history=(("7.2.0", "Added the `inactive` field, and changed the meaning of `idle`."),),
    tips=(b"nondeterministic_output",),
)
def xinfo_consumers_command(c: Client, argv: list[bytes]) -> bytes | None:
    group = _stream(c, argv[2]).groups.get(argv[3])
    if group is None:
        raise no_such_group(argv[2], argv[3])
    return array([_consumer(c, consumer) for consumer in group.sorted_consumers()])


def _consumer(c: Client, consumer: Consumer) -> bytes:
    now = c.server.mstime
    about = [
        (b"name", bulk(consumer.name)),
        (b"pending", integer(len(consumer.pending))),
        (b"idle", integer(max(now - consumer.seen_time, 0))),
    ]
    if c.server.compat >= 702:
        never = consumer.active_time == -1
        about.append((b"inactive", integer(-1 if never else max(now - consumer.active_time, 0))))
    return _map(c, *about)


@command(
    b"XINFO|HELP",
    2,
    CMD_LOADING | CMD_STALE,
    group="stream",
    since="5.0.0",
    summary="Explain the subcommands.",
    complexity="O(1)",
    acl=ACL_STREAM,
)
def xinfo_help_command(c: Client, argv: list[bytes]) -> bytes | None:
    return help_reply(
        b"XINFO",
        [
            b"CONSUMERS <key> <group>",
            b"    The consumers of a group: what is pending for each, and how long each was silent.",
            b"GROUPS <key>",
            b"    The groups of a stream: how far each has read, and what is pending.",
            b"STREAM <key> [FULL [COUNT <count>]]",
            b"    The stream itself; with FULL also entries, groups and consumers, <count> of each (10 by default).",
        ],
    )
