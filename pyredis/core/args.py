"""Reading arguments: numbers, ranges, cursors, timeouts, with the error text Redis gives for each."""

from __future__ import annotations

import re
from random import Random
from typing import Any, Final

from pyredis.core.hashes import live_hash, with_live_fields
from pyredis.engines.hash import HashObj
from pyredis.engines.list import ListObj
from pyredis.engines.set import SetObj
from pyredis.engines.zset import ZSetObj
from pyredis.keyspace.db import Database
from pyredis.lib.fpconv import parse_double
from pyredis.lib.intparse import LLONG_MAX, string2ll
from pyredis.lib.longdouble import add, format_human, milliseconds, parse_long_double
from pyredis.resp.errors import (
    MUST_BE_POSITIVE,
    NOT_A_FLOAT,
    NOT_AN_INTEGER,
    OUT_OF_RANGE,
    SYNTAX_ERROR,
    WRONGTYPE,
    CommandError,
)

String = bytes | bytearray
LONG_MAX: Final = LLONG_MAX
MAX_PICKS: Final = 10_000_000
MAX_PICKED_BYTES: Final = 1 << 30
_CURSOR: Final = re.compile(rb"([+-]?[0-9]+|)(?:\0|\Z)", re.DOTALL)


_SMALL: Final = {b"%d" % n: n for n in range(-1024, 1025)}


def get_int(text: bytes, message: bytes = NOT_AN_INTEGER) -> int:
    """A signed 64-bit integer."""
    n = _SMALL.get(text)
    if n is None:
        n = string2ll(text)
        if n is None:
            raise CommandError(message)
    return n


def count_keys(argv: list[bytes], message: bytes = NOT_AN_INTEGER) -> int:
    """How many keys EVAL and its like are given: their second argument. The message is for what is no number."""
    count = _SMALL.get(argv[2])
    if count is None:
        count = get_int(argv[2], message)
    if count > len(argv) - 3:
        raise CommandError(b"ERR Number of keys can't be greater than number of args")
    if count < 0:
        raise CommandError(b"ERR Number of keys can't be negative")
    return count


def get_range_int(text: bytes, low: int, high: int, message: bytes = b"") -> int:
    """An integer between ``low`` and ``high``; the message covers both failures when given."""
    n = get_int(text, message or NOT_AN_INTEGER)
    if not low <= n <= high:
        raise CommandError(message or b"ERR value is out of range, value must between %d and %d" % (low, high))
    return n


def get_positive(text: bytes, message: bytes = b"") -> int:
    """An integer from 0 on."""
    n = get_int(text, message or MUST_BE_POSITIVE)
    if n < 0:
        raise CommandError(message or MUST_BE_POSITIVE)
    return n


def get_float(text: bytes, message: bytes = NOT_A_FLOAT) -> float:
    """A double; infinities are fine, NaN is not."""
    value = parse_double(text)
    if value is None:
        raise CommandError(message)
    return value


def get_cursor(text: bytes) -> int:
    """A SCAN cursor: an unsigned 64-bit number as strtoul reads it, so nothing at all is 0 and -1 the largest."""
    match = _CURSOR.match(text)
    n = int(match[1] or b"0") if match is not None and len(match[1]) < 4000 else 1 << 64
    if abs(n) >= 1 << 64:
        raise CommandError(b"ERR invalid cursor")
    return n % (1 << 64)


def get_timeout(text: bytes) -> float:
    """A blocking command's timeout in seconds, 0 = for ever."""
    value = parse_long_double(text)
    if value is None:
        raise CommandError(b"ERR timeout is not a float or out of range")
    # Redis computes milliseconds in 64 bits, where what is too large becomes the smallest number there is.
    ms = -1 if isinstance(value, float) else milliseconds(value)
    if not 0 <= ms <= LLONG_MAX:
        raise CommandError(b"ERR timeout is negative")
    return ms / 1000


def get_milliseconds(text: bytes) -> int:
    """A timeout in milliseconds, 0 = for ever."""
    ms = get_int(text, b"ERR timeout is not an integer or out of range")
    if ms < 0:
        raise CommandError(b"ERR timeout is negative")
    return ms


def syntax_error() -> CommandError:
    """``ERR syntax error``."""
    return CommandError(SYNTAX_ERROR)


def out_of_range() -> CommandError:
    """``ERR value is out of range``."""
    return CommandError(OUT_OF_RANGE)


# --- lookups with a type ------------------------------------------------------------------------------------------


def expect(value: Any, kind: type) -> None:
    """Raise WRONGTYPE unless the value is missing or of the kind."""
    if value is not None and type(value) is not kind:
        raise CommandError(WRONGTYPE)


def read_string(db: Database, key: bytes) -> String | None:
    """The string at a key, for reading."""
    value = db.lookup_read(key)
    if value is None or type(value) is bytes or type(value) is bytearray:
        return value
    raise CommandError(WRONGTYPE)


def write_string(db: Database, key: bytes) -> String | None:
    """The string at a key, for a command that writes."""
    value = db.fetch(key)
    if value is None or type(value) is bytes or type(value) is bytearray:
        return value
    raise CommandError(WRONGTYPE)


def read_list(db: Database, key: bytes) -> ListObj | None:
    """The list at a key, for reading."""
    value = db.lookup_read(key)
    if value is None or type(value) is ListObj:
        return value
    raise CommandError(WRONGTYPE)


def write_list(db: Database, key: bytes) -> ListObj | None:
    """The list at a key, for a command that writes."""
    value = db.fetch(key)
    if value is None or type(value) is ListObj:
        return value
    raise CommandError(WRONGTYPE)


def read_set(db: Database, key: bytes) -> SetObj | None:
    """The set at a key, for reading."""
    value = db.lookup_read(key)
    if value is None or type(value) is SetObj:
        return value
    raise CommandError(WRONGTYPE)


def write_set(db: Database, key: bytes) -> SetObj | None:
    """The set at a key, for a command that writes."""
    value = db.fetch(key)
    if value is None or type(value) is SetObj:
        return value
    raise CommandError(WRONGTYPE)


def read_hash(db: Database, key: bytes) -> HashObj | None:
    """The hash at a key, for reading as a whole: all fields that are in it count, none is due."""
    value = db.lookup_read(key)
    if value is None or type(value) is HashObj:
        return value
    return live_hash(db, key, value)


def read_fields(db: Database, argv: list[bytes]) -> HashObj | None:
    """The hash at the key ``argv[1]``, for reading the fields that ``argv`` names: none of these is due."""
    value = db.lookup_read(argv[1])
    if value is None or type(value) is HashObj:
        return value
    return with_live_fields(db, argv, value, False)


def write_fields(db: Database, argv: list[bytes]) -> HashObj | None:
    """The hash at the key ``argv[1]``, for changing the fields that ``argv`` names: none of these is due."""
    value = db.fetch(argv[1])
    if value is None or type(value) is HashObj:
        return value
    return with_live_fields(db, argv, value, True)


def read_zset(db: Database, key: bytes) -> ZSetObj | None:
    """The sorted set at a key, for reading."""
    value = db.lookup_read(key)
    if value is None or type(value) is ZSetObj:
        return value
    raise CommandError(WRONGTYPE)


def write_zset(db: Database, key: bytes) -> ZSetObj | None:
    """The sorted set at a key, for a command that writes."""
    value = db.fetch(key)
    if value is None or type(value) is ZSetObj:
        return value
    raise CommandError(WRONGTYPE)


class ScanOptions:
    """``[MATCH pattern] [COUNT count] [TYPE type] [NOVALUES]``."""

    __slots__ = ("count", "novalues", "pattern", "type")

    def __init__(self) -> None:
        self.count = 10
        self.novalues = False
        self.pattern: bytes | None = None
        self.type: bytes | None = None


def parse_scan_options(argv: list[bytes], at: int, of: str, compat: int) -> ScanOptions:
    """The options of SCAN (``of`` is ``keys``) and of HSCAN (``hash``), SSCAN, ZSCAN from position ``at`` on."""
    options = ScanOptions()
    while at < len(argv):
        word = argv[at].upper()
        if word == b"NOVALUES" and compat >= 704:
            if of != "hash":
                raise CommandError(b"ERR NOVALUES option can only be used in HSCAN")
            options.novalues = True
            at += 1
            continue
        if at + 1 >= len(argv):
            raise syntax_error()
        if word == b"COUNT":
            options.count = get_int(argv[at + 1])
            if options.count < 1:
                raise syntax_error()
        elif word == b"MATCH":
            options.pattern = None if argv[at + 1] == b"*" else argv[at + 1]
        elif word == b"TYPE" and of == "keys":
            options.type = argv[at + 1]
        else:
            raise syntax_error()
        at += 2
    return options


def parse_mpop(argv: list[bytes], at: int, first: bytes, last: bytes) -> tuple[list[bytes], bool, int]:
    """``numkeys key [key …] first|last [COUNT count]`` from position ``at``: keys, whether ``first``, count."""
    numkeys = get_range_int(argv[at], 1, LLONG_MAX, b"ERR numkeys should be greater than 0")
    where = at + 1 + numkeys
    if where >= len(argv):
        raise syntax_error()
    word = argv[where].upper()
    if word not in (first, last):
        raise syntax_error()
    count = -1
    rest = where + 1
    while rest < len(argv):
        if count == -1 and argv[rest].upper() == b"COUNT" and rest + 1 < len(argv):
            count = get_range_int(argv[rest + 1], 1, LLONG_MAX, b"ERR count should be greater than 0")
            rest += 2
        else:
            raise syntax_error()
    return argv[at + 1 : where], word == first, 1 if count == -1 else count


def random_picks(value: HashObj | SetObj | ZSetObj, rng: Random, count: int) -> list[bytes]:
    """Fields or members at random: up to ``count`` different ones, or ``-count`` that may repeat.

    Redis has no limit to the latter and fills its memory; here they are refused beyond ``MAX_PICKS``, and where the
    reply would be larger than ``MAX_PICKED_BYTES``.
    """
    if count >= 0:
        return value.random_distinct(rng, count)
    picks = value.random_repeating(rng, -count) if -count <= MAX_PICKS else None
    if picks is None or sum(map(len, picks)) > MAX_PICKED_BYTES:
        raise CommandError(b"ERR value is out of range, too many random picks for one reply")
    return picks


def incr_long_double(current: bytes, increment: bytes, not_a_float: bytes = NOT_A_FLOAT) -> bytes:
    """``current + increment`` as Redis's long doubles give it; raises its errors (also for HINCRBYFLOAT)."""
    old = parse_long_double(current)
    if old is None:
        raise CommandError(not_a_float)
    by = parse_long_double(increment)
    if by is None:
        raise CommandError(NOT_A_FLOAT)
    total = add(old, by)
    if total is None:
        raise CommandError(b"ERR increment would produce NaN or Infinity")
    return format_human(total)
