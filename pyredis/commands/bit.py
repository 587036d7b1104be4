"""Bitmaps: strings as rows of bits. Integers in them: :mod:`pyredis.commands.bitfield`."""

from __future__ import annotations

from typing import Final

from pyredis.core.args import String, get_int, read_string, syntax_error
from pyredis.core.bits import bits_to_write, get_bit_offset
from pyredis.core.client import Client
from pyredis.core.command import (
    CMD_DENYOOM,
    CMD_FAST,
    CMD_READONLY,
    CMD_WRITE,
    KEY_ACCESS,
    KEY_OW,
    KEY_RO,
    KEY_RW,
    KEY_UPDATE,
    K,
    command,
)
from pyredis.keyspace.modified import modified
from pyredis.keyspace.state import NOTIFY_GENERIC, NOTIFY_STRING
from pyredis.lib.bitops import combine, count_bits, find_bit
from pyredis.resp.errors import CommandError
from pyredis.resp.reply import ONE, ZERO, integer

_BIT_ERROR: Final = b"ERR bit is not an integer or out of range"
_MANY: Final = frozenset((b"DIFF", b"DIFF1", b"ANDOR"))
_OF_8_2: Final = _MANY | {b"ONE"}
_OPERATIONS: Final = _OF_8_2 | {b"AND", b"OR", b"XOR", b"NOT"}


@command(
    b"SETBIT",
    4,
    CMD_WRITE | CMD_DENYOOM,
    keys=(K(1, KEY_RW | KEY_ACCESS | KEY_UPDATE),),
    group="bitmap",
    since="2.2.0",
    summary="Set or clear one bit of a string and return what it was.",
    complexity="O(1)",
    usage="key offset:int value:int",
)
def setbit_command(c: Client, argv: list[bytes]) -> bytes | None:
    db, key = c.db, argv[1]
    offset = get_bit_offset(c, argv[2])
    bit = get_int(argv[3], _BIT_ERROR)
    if bit not in (0, 1):
        raise CommandError(_BIT_ERROR)
    value, is_longer = bits_to_write(db, key, offset)
    at, mask = offset >> 3, 0x80 >> (offset & 7)
    byte = value[at]
    was = 1 if byte & mask else 0
    if was != bit:
        value[at] = byte ^ mask
    if is_longer or was != bit:
        modified(db, key, 1, NOTIFY_STRING, b"setbit")
    return ONE if was else ZERO


@command(
    b"GETBIT",
    3,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="bitmap",
    since="2.2.0",
    summary="Return one bit of a string.",
    complexity="O(1)",
    usage="key offset:int",
)
def getbit_command(c: Client, argv: list[bytes]) -> bytes | None:
    offset = get_bit_offset(c, argv[2])
    value = read_string(c.db, argv[1])
    at = offset >> 3
    return ONE if value is not None and at < len(value) and value[at] & 0x80 >> (offset & 7) else ZERO


def _clamped(start: int, end: int, size: int) -> tuple[int, int]:
    """A range of positions, negative ones counted from the end, within ``size`` of them; empty if start > end."""
    start = max(start + size, 0) if start < 0 else start
    end = max(end + size, 0) if end < 0 else end
    return start, min(end, size - 1)


def _unit(argv: list[bytes], at: int) -> int:
    """Bits in a step: 8, or 1 where position ``at`` says BIT."""
    if len(argv) <= at:
        return 8
    word = argv[at].upper()
    if word not in (b"BIT", b"BYTE"):
        raise syntax_error()
    return 1 if word == b"BIT" else 8


@command(
    b"BITCOUNT",
    -2,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="bitmap",
    since="2.6.0",
    summary="Count the bits that are set in a string or in a part of it.",
    complexity="O(N)",
    history=(("7.0.0", "Added the `BYTE|BIT` option."),),
    usage="key index=[start:int end:int index_unit=[BYTE|BIT]@7.0.0]",
)
def bitcount_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = read_string(c.db, argv[1])
    if value is None:
        return ZERO  # whatever the arguments are
    start, end, unit = 0, -1, 8
    if len(argv) in (4, 5):
        start, end = get_int(argv[2]), get_int(argv[3])
        if start < 0 and end < 0 and start > end:
            return ZERO
        unit = _unit(argv, 4)
    elif len(argv) != 2:
        raise syntax_error()
    start, end = _clamped(start, end, len(value) * 8 // unit)
    if start > end:
        return ZERO
    return integer(count_bits(value, start * unit, end * unit + unit - 1))


@command(
    b"BITPOS",
    -3,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="bitmap",
    since="2.8.7",
    summary="Find the first bit that is set, or the first that is not, in a string.",
    complexity="O(N)",
    history=(("7.0.0", "Added the `BYTE|BIT` option."),),
    usage="key bit:int index=[start:int end_index=[end:int index_unit=[BYTE|BIT]@7.0.0]]",
)
def bitpos_command(c: Client, argv: list[bytes]) -> bytes | None:
    bit = get_int(argv[2])
    if bit not in (0, 1):
        raise CommandError(b"ERR The bit argument must be 1 or 0.")
    value = read_string(c.db, argv[1])
    if value is None:
        return integer(-1) if bit else ZERO
    start, end, unit = 0, -1, 8
    if 4 <= len(argv) <= 6:
        start = get_int(argv[3])
        unit = _unit(argv, 5)
        if len(argv) > 4:
            end = get_int(argv[4])
    elif len(argv) != 3:
        raise syntax_error()
    start, end = _clamped(start, end, len(value) * 8 // unit)
    if start > end:
        return integer(-1)
    found = find_bit(value, bit, start * unit, end * unit + unit - 1)
    if found < 0 and not bit and len(argv) < 5:
        found = len(value) * 8  # the string is taken to go on with zeros, unless its end was given
    return integer(found)


@command(
    b"BITOP",
    -4,
    CMD_WRITE | CMD_DENYOOM,
    keys=(K(2, KEY_OW | KEY_UPDATE), K(3, KEY_RO | KEY_ACCESS, last=-1)),
    group="bitmap",
    since="2.6.0",
    summary="Combine strings bit by bit (AND, OR, XOR, NOT, DIFF, DIFF1, ANDOR, ONE) and store the result.",
    complexity="O(N)",
    usage="operation destkey:key key#1...",
)
def bitop_command(c: Client, argv: list[bytes]) -> bytes | None:
    db, target = c.db, argv[2]
    operation = argv[1].upper()
    if operation not in _OPERATIONS or (operation in _OF_8_2 and c.server.compat < 802):
        raise syntax_error()
    if operation == b"NOT" and len(argv) != 4:
        raise CommandError(b"ERR BITOP NOT must be called with a single source key.")
    if operation in _MANY and len(argv) < 5:
        raise CommandError(b"ERR BITOP %b must be called with multiple source keys." % operation)
    sources: list[String] = [read_string(db, key) or b"" for key in argv[3:]]
    result = combine(operation, sources)
    if result:
        db.set_key(target, result)
        modified(db, target, 1, NOTIFY_STRING, b"set")
    elif db.delete(target):
        modified(db, target, 1, NOTIFY_GENERIC, b"del")
    return integer(len(result))
