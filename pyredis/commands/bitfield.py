"""Integers of any width in strings: BITFIELD, BITFIELD_RO."""

from __future__ import annotations

from typing import Final

from pyredis.core.args import get_int, read_string, syntax_error
from pyredis.core.bits import bits_to_write, get_bit_offset
from pyredis.core.client import Client
from pyredis.core.command import (
    CMD_DENYOOM,
    CMD_FAST,
    CMD_READONLY,
    CMD_WRITE,
    KEY_ACCESS,
    KEY_RO,
    KEY_RW,
    KEY_UPDATE,
    KEY_VARIABLE_FLAGS,
    K,
    command,
)
from pyredis.keyspace.modified import modified
from pyredis.keyspace.state import NOTIFY_STRING
from pyredis.lib.bitops import fit, get_unsigned, put, signed
from pyredis.lib.intparse import string2ll
from pyredis.resp.errors import CommandError
from pyredis.resp.reply import NULL, array, integer

_ARGUMENTS: Final = {b"GET": 2, b"SET": 3, b"INCRBY": 3, b"OVERFLOW": 1}
"""How many there must be behind each word."""
_MODES: Final = (b"WRAP", b"SAT", b"FAIL")


class _Operation:
    """One GET, SET or INCRBY. ``number`` is what to set or to add."""

    __slots__ = ("bits", "is_signed", "mode", "name", "number", "offset")

    def __init__(self, name: bytes, mode: bytes) -> None:
        self.name = name
        self.mode = mode
        self.is_signed = False
        self.bits = 0
        self.offset = 0
        self.number = 0


def _type(text: bytes) -> tuple[bool, int]:
    """``i8`` or ``u16``: signed or not, and the number of bits."""
    is_signed = text[:1] == b"i"
    bits = string2ll(text[1:].split(b"\0")[0]) if is_signed or text[:1] == b"u" else None
    if bits is None or not 1 <= bits <= (64 if is_signed else 63):
        raise CommandError(
            b"ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."
        )
    return is_signed, bits


def _parse(c: Client, argv: list[bytes]) -> list[_Operation]:
    operations: list[_Operation] = []
    mode = b"WRAP"
    at = 2
    while at < len(argv):
        name = argv[at].upper()
        arguments = _ARGUMENTS.get(name, len(argv))
        if len(argv) - at - 1 < arguments:
            raise syntax_error()
        if name == b"OVERFLOW":
            mode = argv[at + 1].upper()
            if mode not in _MODES:
                raise CommandError(b"ERR Invalid OVERFLOW type specified")
        else:
            operation = _Operation(name, mode)
            operation.is_signed, operation.bits = _type(argv[at + 1])
            operation.offset = get_bit_offset(c, argv[at + 2], operation.bits)
            if arguments == 3:
                operation.number = get_int(argv[at + 3])
            operations.append(operation)
        at += 1 + arguments
    return operations


def _get(value: bytes | bytearray, operation: _Operation) -> int:
    number = get_unsigned(value, operation.offset, operation.bits)
    return signed(number, operation.bits) if operation.is_signed else number


def _set(value: bytearray, o: _Operation) -> tuple[int | None, bool]:
    """The reply of a SET or INCRBY (None: it would overflow, and nothing is done), and whether the number changed."""
    old = _get(value, o)
    start, increment = (o.number, 0) if o.name == b"SET" else (old, o.number)
    new = fit(start, increment, o.bits, o.is_signed, o.mode)
    if new is None:
        return None, False
    put(value, o.offset, o.bits, new)
    return old if o.name == b"SET" else new, new != old


def _bitfield(c: Client, argv: list[bytes], may_write: bool) -> bytes:
    db, key = c.db, argv[1]
    operations = _parse(c, argv)
    last = max([o.offset + o.bits - 1 for o in operations if o.name != b"GET"], default=-1)
    if last < 0:
        found = read_string(db, key) or b""
        return array([integer(_get(found, o)) for o in operations])
    if not may_write:
        raise CommandError(b"ERR BITFIELD_RO only supports the GET subcommand")
    value, is_longer = bits_to_write(db, key, last)
    replies: list[bytes] = []
    changes = 0
    for o in operations:
        if o.name == b"GET":
            replies.append(integer(_get(value, o)))
            continue
        number, is_another = _set(value, o)
        if number is None:
            replies.append(NULL[c.resp])
            continue
        replies.append(integer(number))
        if is_longer or is_another:
            changes += 1
    if changes:
        modified(db, key, changes, NOTIFY_STRING, b"setbit")
    return array(replies)


def bitfield_get_keys(argv: list[bytes]) -> list[tuple[int, int]]:
    """BITFIELD's key: only read where the words up to the first wrong one are GET and OVERFLOW."""
    at = 2
    while at < len(argv):
        name = argv[at].upper()
        arguments = _ARGUMENTS.get(name, len(argv))
        if arguments == 3 or len(argv) - at - 1 < arguments:
            return [(1, KEY_RW | KEY_ACCESS | KEY_UPDATE)]
        at += 1 + arguments
    return [(1, KEY_RO | KEY_ACCESS)]


@command(
    b"BITFIELD",
    -2,
    CMD_WRITE | CMD_DENYOOM,
    keys=(
        K(
            1,
            KEY_RW | KEY_ACCESS | KEY_UPDATE | KEY_VARIABLE_FLAGS,
            notes="This command allows both access and modification of the key",
        ),
    ),
    get_keys=bitfield_get_keys,
    group="bitmap",
    since="3.2.0",
    summary="Read, set and add to integers of any width, at any bit of a string.",
    complexity="O(1) for each subcommand specified",
    usage=(
        "key operation=[GET encoding_offset=(encoding offset:int)"
        "|write=([OVERFLOW wrap_sat_fail=(WRAP|SAT|FAIL)] write_operation=("
        "SET encoding_offset_value=(encoding offset:int value:int)"
        "|INCRBY encoding_offset_increment=(encoding offset:int increment:int)))]..."
    ),
)
def bitfield_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _bitfield(c, argv, True)


@command(
    b"BITFIELD_RO",
    -2,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="bitmap",
    since="6.0.0",
    summary="Read integers of any width, at any bit of a string.",
    complexity="O(1) for each subcommand specified",
    usage="key [GET encoding_offset=(encoding offset:int)]...",
)
def bitfield_ro_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _bitfield(c, argv, False)
