"""Streams: adding, reading ranges, deleting, trimming."""

from __future__ import annotations

from itertools import islice
from typing import Final

from pyredis.core.args import get_int, syntax_error
from pyredis.core.client import CLIENT_MASTER, Client
from pyredis.core.command import (
    CMD_DENYOOM,
    CMD_FAST,
    CMD_READONLY,
    CMD_WRITE,
    KEY_ACCESS,
    KEY_DELETE,
    KEY_RO,
    KEY_RW,
    KEY_UPDATE,
    K,
    command,
)
from pyredis.core.propagate import rewrite
from pyredis.core.streams import (
    REFERENCE_POLICIES,
    entries_reply,
    id_text,
    parse_end,
    parse_id,
    parse_start,
    read_stream,
    write_stream,
)
from pyredis.engines.stream import MAX_ID, MAX_PART, StreamObj
from pyredis.keyspace.modified import counted, modified, notify
from pyredis.keyspace.state import NOTIFY_STREAM
from pyredis.resp.errors import NO_SUCH_KEY, CommandError, wrong_arity
from pyredis.resp.reply import EMPTY_ARRAY, NULL, NULL_ARRAY, OK, ZERO, bulk, integer

_LARGEST_ENTRY: Final = 1 << 30
_NODES_PER_TRIM: Final = 100
_TOO_LOW: Final = b"ERR The ID specified in XADD is equal or smaller than the target stream top item"
_TRIM: Final = "strategy=(MAXLEN|MINID@6.2.0) operator=[equal='='|approximately='~'] threshold [LIMIT count:int]@6.2.0"
_POLICY: Final = "condition=[KEEPREF|DELREF|ACKED]@8.2.0"


class _Trim:
    """``MAXLEN|MINID [=|~] threshold [LIMIT count]`` and XADD's other options.

    ``at`` is the position of XADD's ID; ``threshold_at`` that of the threshold. ``policy``: see ``REFERENCE_POLICIES``.
    """

    __slots__ = ("approximate", "at", "limit", "nomkstream", "policy", "strategy", "threshold", "threshold_at")

    def __init__(self) -> None:
        self.strategy = b""
        self.approximate = False
        self.threshold = 0
        self.threshold_at = 0
        self.limit: int | None = None
        self.nomkstream = False
        self.policy = b""
        self.at = 2

    def parse_strategy(self, argv: list[bytes], at: int) -> int:
        """Read a strategy whose word is at ``at``; returns the position of its threshold."""
        if self.strategy:
            raise CommandError(b"ERR syntax error, MAXLEN and MINID options at the same time are not compatible")
        strategy = argv[at].upper()
        self.approximate = False
        if at + 2 < len(argv) and argv[at + 1] in (b"~", b"="):
            self.approximate = argv[at + 1] == b"~"
            at += 1
        at += 1
        if strategy == b"MAXLEN":
            self.threshold = get_int(argv[at])
            if self.threshold < 0:
                raise CommandError(b"ERR The MAXLEN argument must be >= 0.")
        else:
            self.threshold = parse_id(argv[at])
        self.strategy, self.threshold_at = strategy, at
        return at

    def parse(self, c: Client, argv: list[bytes], xadd: bool) -> None:
        """Read the options; XADD's end at the ID."""
        at = 2
        while at < len(argv):
            word = argv[at].upper()
            more = at + 1 < len(argv)
            if xadd and word == b"*":
                break
            if word in (b"MAXLEN", b"MINID") and more:
                at = self.parse_strategy(argv, at)
            elif word == b"LIMIT" and more:
                at += 1
                self.limit = get_int(argv[at])
                if self.limit < 0:
                    raise CommandError(b"ERR The LIMIT argument must be >= 0.")
            elif xadd and word == b"NOMKSTREAM":
                self.nomkstream = True
            elif word in REFERENCE_POLICIES and not self.policy and c.server.compat >= 802:
                self.policy = word
            elif xadd:
                break
            else:
                raise syntax_error()
            at += 1
        self.at = at

    def complete(self, c: Client, xadd: bool) -> None:
        """Check the options against one another, and set the limit where none was given."""
        if self.limit and not self.strategy:
            raise CommandError(b"ERR syntax error, LIMIT cannot be used without specifying a trimming strategy")
        if not xadd and not self.strategy:
            raise CommandError(b"ERR syntax error, XTRIM must be called with a trimming strategy")
        if c.flags & CLIENT_MASTER:
            self.limit = 0  # the threshold is what was left, whatever the limit was
        elif self.limit is not None:
            if not self.approximate:
                raise CommandError(b"ERR syntax error, LIMIT cannot be used without the special ~ option")
        elif self.approximate:
            most = _NODES_PER_TRIM * c.server.config.stream_node_max_entries
            self.limit = 10000 if most <= 0 else min(most, 1_000_000)

    def run(self, value: StreamObj) -> int:
        """Trim; returns how many entries went."""
        limit = self.limit or 0
        by_length = self.strategy == b"MAXLEN"
        if self.policy == b"ACKED" and value.groups:
            if by_length:
                return value.trim_done(self.threshold, MAX_ID + 1, self.approximate, limit)
            return value.trim_done(0, self.threshold, self.approximate, limit)
        forget = self.policy == b"DELREF"
        if by_length:
            return value.trim_to_length(self.threshold, self.approximate, limit, forget)
        return value.trim_below(self.threshold, self.approximate, limit, forget)

    def exactly(self, argv: list[bytes], value: StreamObj) -> list[bytes]:
        """The command as it is propagated: what was trimmed approximately here must be trimmed just so elsewhere."""
        if not self.approximate:
            return argv
        argv = list(argv)
        argv[self.threshold_at - 1] = b"="
        if self.strategy == b"MAXLEN" or self.policy == b"ACKED":  # then what went may have left earlier ones behind
            argv[self.threshold_at - 2] = b"MAXLEN"
            argv[self.threshold_at] = b"%d" % len(value)
        else:
            argv[self.threshold_at] = id_text(value.first_id if len(value) else MAX_ID)
        return argv


def _parse_new_id(text: bytes) -> tuple[int, bool]:
    """XADD's ID, and whether the sequence number was given (``5-*`` leaves it to the stream)."""
    if len(text) < 128:
        ms, dash, seq = text.split(b"\0")[0].partition(b"-")
        if dash and seq == b"*":
            return parse_id(ms + b"-0"), False
    return parse_id(text), True


def _new_id(c: Client, value: StreamObj, given: tuple[int, bool] | None) -> int:
    """The ID of the entry to add; raises where there is none left, or it is not above the last one."""
    last = value.last_id
    if last == MAX_ID:
        raise CommandError(b"ERR The stream has exhausted the last possible ID, unable to add more items")
    if given is None:
        return value.next_id(c.server.mstime)
    entry_id, with_seq = given
    if not with_seq and entry_id >> 64 == last >> 64:
        if last & MAX_PART == MAX_PART:
            raise CommandError(_TOO_LOW)
        return last + 1
    if entry_id <= last:
        raise CommandError(_TOO_LOW)
    return entry_id


@command(
    b"XADD",
    -5,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_UPDATE, notes="UPDATE instead of INSERT because of the optional trimming feature"),),
    group="stream",
    since="5.0.0",
    summary="Add an entry at the end of a stream.",
    complexity="O(1) when adding a new entry, O(N) when trimming where N being the number of entries evicted.",
    usage=f"key [NOMKSTREAM]@6.2.0 {_POLICY} trim=[{_TRIM}] id_or_auto=(auto_id='*'|id) (field value)...",
    history=(
        ("6.2.0", "Added the `NOMKSTREAM` option, `MINID` trimming strategy and the `LIMIT` option."),
        ("7.0.0", "Added support for the `<ms>-*` explicit ID form."),
        ("8.2.0", "Added the `KEEPREF`, `DELREF` and `ACKED` options."),
    ),
    tips=(b"nondeterministic_output",),
)
def xadd_command(c: Client, argv: list[bytes]) -> bytes | None:
    trim = _Trim()
    if argv[2] != b"*":
        trim.parse(c, argv, True)
    at = trim.at
    given = None
    if at < len(argv) and argv[at] != b"*":
        given = _parse_new_id(argv[at])
    trim.complete(c, True)
    if len(argv) - at < 3 or (len(argv) - at) % 2 == 0:
        raise wrong_arity(b"xadd")
    if given is not None and given == (0, True):
        raise CommandError(b"ERR The ID specified in XADD must be greater than 0-0")
    db, key = c.db, argv[1]
    value = write_stream(db, key)
    is_new = value is None
    if value is None:
        if trim.nomkstream:
            return NULL[c.resp]
        value = StreamObj()
    entry_id = _new_id(c, value, given)
    flat = argv[at + 1 :]
    if sum(map(len, flat)) > _LARGEST_ENTRY:
        raise CommandError(b"ERR Elements are too large to be stored")
    config = c.server.config
    if is_new:
        db.add(key, value)
    value.append(entry_id, flat, config.stream_node_max_bytes, config.stream_node_max_entries)
    modified(db, key, 1, NOTIFY_STREAM, b"xadd")
    if trim.strategy and trim.run(value):
        notify(db, key, NOTIFY_STREAM, b"xtrim")
    text = id_text(entry_id)
    if c.server.feeders and (given is None or not given[1] or trim.approximate):
        exact = trim.exactly(argv, value)
        rewrite(c, [*exact[:at], text, *flat])
    return bulk(text)


@command(
    b"XTRIM",
    -4,
    CMD_WRITE,
    keys=(K(1, KEY_RW | KEY_DELETE),),
    group="stream",
    since="5.0.0",
    summary="Remove the oldest entries of a stream.",
    complexity=(
        "O(N), with N being the number of evicted entries. Constant times are very small however, since entries are "
        "organized in macro nodes containing multiple entries that can be released with a single deallocation."
    ),
    usage=f"key trim=({_TRIM} {_POLICY})",
    history=(
        ("6.2.0", "Added the `MINID` trimming strategy and the `LIMIT` option."),
        ("8.2.0", "Added the `KEEPREF`, `DELREF` and `ACKED` options."),
    ),
    tips=(b"nondeterministic_output",),
)
def xtrim_command(c: Client, argv: list[bytes]) -> bytes | None:
    trim = _Trim()
    trim.parse(c, argv, False)
    trim.complete(c, False)
    value = write_stream(c.db, argv[1])
    if value is None:
        return ZERO
    removed = trim.run(value)
    if removed:
        modified(c.db, argv[1], removed, NOTIFY_STREAM, b"xtrim")
        if trim.approximate:
            rewrite(c, trim.exactly(argv, value))
    return integer(removed)


@command(
    b"XLEN",
    2,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO),),
    group="stream",
    since="5.0.0",
    summary="Return the number of entries of a stream.",
    complexity="O(1)",
    usage="key",
)
def xlen_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = read_stream(c.db, argv[1])
    return ZERO if value is None else integer(len(value))


def _range(c: Client, argv: list[bytes], reverse: bool) -> bytes:
    low, high = parse_start(argv[3 if reverse else 2]), parse_end(argv[2 if reverse else 3])
    count: int | None = None
    for at in range(4, len(argv), 2):
        if argv[at].upper() != b"COUNT" or at + 1 == len(argv):
            raise syntax_error()
        count = max(get_int(argv[at + 1]), 0)
    value = read_stream(c.db, argv[1])
    if value is None:
        return EMPTY_ARRAY
    if count == 0:
        return NULL_ARRAY[c.resp]
    entries = value.reverse_range(low, high) if reverse else value.range(low, high)
    return entries_reply(entries if count is None else islice(entries, count))


_RANGE_COMPLEXITY: Final = (
    "O(N) with N being the number of elements %s. If N is constant (e.g. always asking for the first 10 elements with "
    "COUNT), you can consider it O(1)."
)


@command(
    b"XRANGE",
    -4,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="stream",
    since="5.0.0",
    summary="Return the entries with IDs in a range.",
    complexity=_RANGE_COMPLEXITY % "being returned",
    usage="key start end [COUNT count:int]",
    history=(("6.2.0", "Added exclusive ranges."),),
)
def xrange_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _range(c, argv, False)


@command(
    b"XREVRANGE",
    -4,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="stream",
    since="5.0.0",
    summary="Return the entries with IDs in a range, the latest first.",
    complexity=_RANGE_COMPLEXITY % "returned",
    usage="key end start [COUNT count:int]",
    history=(("6.2.0", "Added exclusive ranges."),),
)
def xrevrange_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _range(c, argv, True)


@command(
    b"XSETID",
    -3,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_UPDATE),),
    group="stream",
    since="5.0.0",
    summary="Set a stream's last ID and its counters: for replication.",
    complexity="O(1)",
    usage="key last-id [ENTRIESADDED entries_added:int]@7.0.0 [MAXDELETEDID max_deleted_entry_id]@7.0.0",
    history=(("7.0.0", "Added the `entries_added` and `max_deleted_entry_id` arguments."),),
)
def xsetid_command(c: Client, argv: list[bytes]) -> bytes | None:
    last_id = parse_id(argv[2])
    added, max_deleted = -1, 0
    for at in range(3, len(argv), 2):
        word = argv[at].upper()
        if word not in (b"ENTRIESADDED", b"MAXDELETEDID") or at + 1 == len(argv):
            raise syntax_error()
        if word == b"ENTRIESADDED":
            added = get_int(argv[at + 1])
            if added < 0:
                raise CommandError(b"ERR entries_added must be positive")
        else:
            max_deleted = parse_id(argv[at + 1])
            if last_id < max_deleted:
                raise CommandError(b"ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id")
    value = write_stream(c.db, argv[1])
    if value is None:
        raise CommandError(NO_SUCH_KEY)
    if len(value):
        if last_id < value.last_entry_id():
            raise CommandError(b"ERR The ID specified in XSETID is smaller than the target stream top item")
        if added != -1 and added < len(value):
            raise CommandError(b"ERR The entries_added specified in XSETID is smaller than the target stream length")
    value.set_id(last_id, added, max_deleted)
    counted(c.db, argv[1], 1, NOTIFY_STREAM, b"xsetid")
    return OK
