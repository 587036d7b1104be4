"""What the commands on strings share: the options of SET and its relatives, deadlines, conditions on the value there.

A digest is XXH3's 64-bit hash of a string as 16 hexadecimal digits (https://redis.io/docs/latest/commands/digest/).
"""

from __future__ import annotations

from typing import Any, Final

from xxhash import xxh3_64_hexdigest

from pyredis.core.args import String, get_int, syntax_error
from pyredis.lib.intparse import LLONG_MAX
from pyredis.resp.errors import WRONGTYPE, CommandError

CONDITIONS: Final = frozenset((b"IFEQ", b"IFNE", b"IFDEQ", b"IFDNE"))
"""Equal to a value or not, having a digest or not."""
_UNITS: Final = frozenset((b"EX", b"PX", b"EXAT", b"PXAT"))
_DIGEST_LENGTH: Final = 16


class SetOptions:
    """What follows key and value in SET, the pairs in MSETEX, the key in GETEX."""

    __slots__ = ("condition", "deadline", "expire", "get", "keep_ttl", "nx", "operand", "persist", "xx")

    def __init__(self) -> None:
        self.nx = self.xx = self.get = self.keep_ttl = self.persist = False
        self.condition = b""
        """One of ``CONDITIONS``, empty if there is none; ``operand`` is the value or digest behind it."""
        self.operand = b""
        self.expire: tuple[bytes, bytes] | None = None
        """EX, PX, EXAT or PXAT, and its argument as sent."""
        self.deadline = 0
        """Unix milliseconds, 0 = none."""

    def conditional(self) -> bool:
        """Whether there is any condition: they exclude one another."""
        return self.nx or self.xx or bool(self.condition)

    def take_expire(self, argv: list[bytes], at: int) -> bool:
        """Take EX, PX, EXAT or PXAT at ``at`` with the argument behind it; False if it is none, or may not be there.

        The same one again is fine: the last argument counts.
        """
        word = argv[at].upper()
        if word not in _UNITS or self.keep_ttl or self.persist or at + 1 == len(argv):
            return False
        if self.expire is not None and self.expire[0] != word:
            return False
        self.expire = word, argv[at + 1]
        return True

    def resolve_expire(self, now: int, command: bytes) -> None:
        """Read the number behind EX and the like, which Redis does once all options are known to be some."""
        if self.expire is not None:
            self.deadline = parse_expire(self.expire[1], self.expire[0], now, command)


def parse_expire(text: bytes, unit: bytes, now: int, command: bytes) -> int:
    """A deadline in Unix milliseconds from the argument of EX, PX, EXAT or PXAT."""
    n = get_int(text)
    invalid = CommandError(b"ERR invalid expire time in '%b' command" % command)
    if n <= 0:
        raise invalid
    if unit in (b"EX", b"EXAT"):
        if n > LLONG_MAX // 1000:
            raise invalid
        n *= 1000
    if unit in (b"EX", b"PX"):
        if n > LLONG_MAX - now:
            raise invalid
        n += now
    return n


def parse_set_options(argv: list[bytes], at: int, compat: int) -> SetOptions:
    """The options of SET from position ``at`` on. The number behind EX and the like is not read yet."""
    o = SetOptions()
    while at < len(argv):
        word = argv[at].upper()
        if word == b"NX" and not o.xx and not o.condition:
            o.nx = True
        elif word == b"XX" and not o.nx and not o.condition:
            o.xx = True
        elif word == b"GET":
            o.get = True
        elif word == b"KEEPTTL" and o.expire is None:
            o.keep_ttl = True
        elif word in CONDITIONS and compat >= 804 and not o.conditional() and at + 1 < len(argv):
            at += 1
            o.condition, o.operand = word, argv[at]
        elif o.take_expire(argv, at):
            at += 1
        else:
            raise syntax_error()
        at += 1
    return o


def parse_msetex_options(argv: list[bytes], at: int) -> SetOptions:
    """The options of MSETEX from position ``at`` on, likewise."""
    o = SetOptions()
    while at < len(argv):
        word = argv[at].upper()
        if word == b"NX" and not o.xx:
            o.nx = True
        elif word == b"XX" and not o.nx:
            o.xx = True
        elif word == b"KEEPTTL" and o.expire is None:
            o.keep_ttl = True
        elif o.take_expire(argv, at):
            at += 1
        else:
            raise syntax_error()
        at += 1
    return o


def parse_getex_options(argv: list[bytes]) -> SetOptions:
    """The options of GETEX, likewise."""
    o = SetOptions()
    at = 2
    while at < len(argv):
        if argv[at].upper() == b"PERSIST" and o.expire is None:
            o.persist = True
        elif o.take_expire(argv, at):
            at += 1
        else:
            raise syntax_error()
        at += 1
    return o


# --- conditions -----------------------------------------------------------------------------------------------------


def digest(value: String) -> bytes:
    """XXH3's 64-bit hash as 16 hexadecimal digits: O(length)."""
    return xxh3_64_hexdigest(value).encode()


def string_or_none(value: Any) -> String | None:
    """What is at a key, which must be a string if anything is."""
    if value is None or type(value) is bytes or type(value) is bytearray:
        return value
    raise CommandError(WRONGTYPE)


def is_met(condition: bytes, operand: bytes, value: String | None) -> bool:
    """Whether a string (None: no key) fulfils one of ``CONDITIONS``: without a key only the negative ones are."""
    if value is None:
        return condition in (b"IFNE", b"IFDNE")
    if condition in (b"IFEQ", b"IFNE"):
        return (value == operand) is (condition == b"IFEQ")
    if len(operand) != _DIGEST_LENGTH:
        raise CommandError(b"ERR must be exactly 16 hexadecimal characters")
    return (digest(value) == operand.lower()) is (condition == b"IFDEQ")
