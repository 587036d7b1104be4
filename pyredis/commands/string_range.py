"""Strings: their length, parts of them, appending and overwriting parts, the longest common subsequence."""

from __future__ import annotations

from pyredis.core.args import get_int, read_string, syntax_error, write_string
from pyredis.core.client import Client
from pyredis.core.command import (
    CMD_DENYOOM,
    CMD_FAST,
    CMD_READONLY,
    CMD_WRITE,
    KEY_ACCESS,
    KEY_INSERT,
    KEY_RO,
    KEY_RW,
    KEY_UPDATE,
    K,
    command,
)
from pyredis.keyspace.modified import modified
from pyredis.keyspace.state import NOTIFY_STRING
from pyredis.lib.lcs import lcs, lcs_length
from pyredis.resp.errors import STRING_TOO_LONG, CommandError
from pyredis.resp.reply import EMPTY_BULK, ZERO, array, array_header, bulk, integer, map_header


def check_string_length(c: Client, size: int) -> None:
    """Raise if a string would be longer than ``proto-max-bulk-len``."""
    if size > c.server.config.proto_max_bulk_len:
        raise CommandError(STRING_TOO_LONG)


@command(
    b"APPEND",
    3,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_INSERT),),
    group="string",
    since="2.0.0",
    summary="Add bytes to the end of a string.",
    complexity=(
        "O(1). The amortized time complexity is O(1) assuming the appended value is small and the "
        "already present value is of any size, since the dynamic string library used by Redis will "
        "double the free space available on every reallocation."
    ),
    usage="key value",
)
def append_command(c: Client, argv: list[bytes]) -> bytes | None:
    db, key = c.db, argv[1]
    value = write_string(db, key)
    if value is None:
        db.add(key, argv[2])
        size = len(argv[2])
    else:
        size = len(value) + len(argv[2])
        check_string_length(c, size)
        if type(value) is not bytearray:
            value = bytearray(value)
            db.overwrite(key, value)
        value += argv[2]
    modified(db, key, 1, NOTIFY_STRING, b"append")
    return integer(size)


@command(
    b"STRLEN",
    2,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO),),
    group="string",
    since="2.2.0",
    summary="Return the length of a string.",
    complexity="O(1)",
    usage="key",
)
def strlen_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = read_string(c.db, argv[1])
    return ZERO if value is None else integer(len(value))


@command(
    b"SETRANGE",
    4,
    CMD_WRITE | CMD_DENYOOM,
    keys=(K(1, KEY_RW | KEY_UPDATE),),
    group="string",
    since="2.2.0",
    summary="Write into a string from an offset on.",
    complexity=(
        "O(1), not counting the time taken to copy the new string in place. Usually, this string is "
        "very small so the amortized complexity is O(1). Otherwise, complexity is O(M) with M being the "
        "length of the value argument."
    ),
    usage="key offset:int value",
)
def setrange_command(c: Client, argv: list[bytes]) -> bytes | None:
    db, key, part = c.db, argv[1], argv[3]
    offset = get_int(argv[2])
    if offset < 0:
        raise CommandError(b"ERR offset is out of range")
    value = write_string(db, key)
    if not part:
        return ZERO if value is None else integer(len(value))
    check_string_length(c, offset + len(part))
    if type(value) is not bytearray:
        is_new = value is None
        value = bytearray(value or b"")
        if is_new:
            db.add(key, value)
        else:
            db.overwrite(key, value)
    if len(value) < offset:
        value += bytes(offset - len(value))
    value[offset : offset + len(part)] = part
    modified(db, key, 1, NOTIFY_STRING, b"setrange")
    return integer(len(value))


@command(
    b"GETRANGE",
    4,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="string",
    since="2.4.0",
    summary="Return a part of a string.",
    complexity=(
        "O(N) where N is the length of the returned string. The complexity is ultimately determined by "
        "the returned length, but because creating a substring from an existing string is very cheap, "
        "it can be considered O(1) for small strings."
    ),
    usage="key start:int end:int",
)
def getrange_command(c: Client, argv: list[bytes]) -> bytes | None:
    start, end = get_int(argv[2]), get_int(argv[3])
    value = read_string(c.db, argv[1])
    if value is None:
        return EMPTY_BULK
    n = len(value)
    if start < 0 and end < 0 and start > end:
        return EMPTY_BULK
    start = max(0, start + n) if start < 0 else start
    end = max(0, end + n) if end < 0 else min(end, n - 1)
    if start > end or n == 0:
        return EMPTY_BULK
    return bulk(value[start : end + 1])


@command(
    b"SUBSTR",
    4,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="string",
    since="1.0.0",
    summary="Return a part of a string (old name of GETRANGE).",
    complexity=(
        "O(N) where N is the length of the returned string. The complexity is ultimately determined by "
        "the returned length, but because creating a substring from an existing string is very cheap, "
        "it can be considered O(1) for small strings."
    ),
    usage="key start:int end:int",
    deprecated_since="2.0.0",
    replaced_by="`GETRANGE`",
    doc_flags=("deprecated",),
)
def substr_command(c: Client, argv: list[bytes]) -> bytes | None:
    return getrange_command(c, argv)


@command(
    b"LCS",
    -3,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS, last=1),),
    group="string",
    since="7.0.0",
    summary="Find the longest subsequence that two strings share.",
    complexity="O(N*M) where N and M are the lengths of s1 and s2, respectively",
    usage="key1:key key2:key [LEN] [IDX] [MINMATCHLEN len:int] [WITHMATCHLEN]",
)
def lcs_command(c: Client, argv: list[bytes]) -> bytes | None:
    a, b = c.db.lookup_read(argv[1]), c.db.lookup_read(argv[2])
    for value in (a, b):
        if value is not None and type(value) is not bytes and type(value) is not bytearray:
            raise CommandError(b"ERR The specified keys must contain string values")
    get_len = get_idx = with_len = False
    minimum = 0
    at = 3
    while at < len(argv):
        word = argv[at].upper()
        if word == b"IDX":
            get_idx = True
        elif word == b"LEN":
            get_len = True
        elif word == b"WITHMATCHLEN":
            with_len = True
        elif word == b"MINMATCHLEN" and at + 1 < len(argv):
            minimum = max(0, get_int(argv[at + 1]))
            at += 1
        else:
            raise syntax_error()
        at += 1
    if get_len and get_idx:
        raise CommandError(b"ERR If you want both the length and indexes, please just use IDX.")
    left, right = bytes(a or b""), bytes(b or b"")
    if len(left) >= 0xFFFFFFFF or len(right) >= 0xFFFFFFFF:
        raise CommandError(b"ERR String too long for LCS")
    if (len(left) + 1) * (len(right) + 1) * 4 > max(c.server.config.proto_max_bulk_len, 1 << 20):
        raise CommandError(b"ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
    if get_len:
        return integer(lcs_length(left, right))
    text, ranges = lcs(left, right)[:2]
    if not get_idx:
        return bulk(text)
    items: list[bytes] = []
    for a_start, a_end, b_start, b_end in ranges:
        size = a_end - a_start + 1
        if size >= minimum:
            sides = [array([integer(a_start), integer(a_end)]), array([integer(b_start), integer(b_end)])]
            items.append(array([*sides, integer(size)] if with_len else sides))
    matches = array_header(len(items)) + b"".join(items)
    return map_header(2, c.resp) + bulk(b"matches") + matches + bulk(b"len") + integer(len(text))
