"""Replies (RESP2) as values for JSON, and arguments from JSON.

A string is a JSON string if it is short UTF-8, else ``{"b": base64, "n": bytes in all}``, of which long ones have only
the beginning. A status is ``{"s": …}``, an error ``{"e": …}``, an integer beyond 2^53 ``{"i": "…"}``.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

LONGEST_STRING: Final = 64 << 10
"""Bytes of one string that are shown."""
LONGEST_REPLY: Final = 16 << 20
"""Bytes of a reply that is taken apart."""
MOST_ELEMENTS: Final = 50_000
"""Elements of a reply, nested ones included, that are shown: more would keep other clients waiting."""
_EXACT: Final = 1 << 53
_DEEPEST: Final = 64
_TOO_LARGE: Final = {"e": "The reply is too large to be shown here: ask for less of it."}


class BadValue(Exception):
    """What came is no such value."""


class TooMany(Exception):
    """A reply has more elements than are shown."""


def encode_string(data: bytes) -> Any:
    """A string for JSON."""
    if len(data) <= LONGEST_STRING:
        try:
            return data.decode()
        except UnicodeDecodeError:
            pass
    return {"b": base64.b64encode(data[:LONGEST_STRING]).decode(), "n": len(data)}


def decode_string(value: Any) -> bytes:
    """An argument: a string, a number, or ``{"b": base64}``. Raises BadValue."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, int) and not isinstance(value, bool):
        return b"%d" % value
    if isinstance(value, dict) and isinstance(value.get("b"), str):
        try:
            return base64.b64decode(value["b"], validate=True)
        except (binascii.Error, ValueError):
            pass
    raise BadValue


def decode_strings(value: Any, longest: int) -> list[bytes]:
    """A list of at most so many arguments. Raises BadValue."""
    if not isinstance(value, list) or len(value) > longest:
        raise BadValue
    return [decode_string(one) for one in value]


class Replies:
    """Takes encoded replies apart, one after the other. Raises BadValue for one that is nested too deeply, TooMany."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.pos = 0
        self.elements = 0

    def more(self) -> bool:
        """Whether there is another one."""
        return self.pos < len(self.data)

    def _line(self) -> bytes:
        end = self.data.index(b"\r\n", self.pos)
        line = self.data[self.pos : end]
        self.pos = end + 2
        return line

    def next(self, depth: int = 0) -> Any:
        """The next one as a value for JSON."""
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"$":
            size = int(rest)
            if size < 0:
                return None
            start, self.pos = self.pos, self.pos + size + 2
            return encode_string(self.data[start : start + size])
        if kind == b":":
            number = int(rest)
            return number if -_EXACT < number < _EXACT else {"i": str(number)}
        if kind == b"*":
            size = int(rest)
            if size < 0:
                return None
            if depth >= _DEEPEST:
                raise BadValue
            self.elements += size
            if self.elements > MOST_ELEMENTS:
                raise TooMany
            return [self.next(depth + 1) for _ in range(size)]
        return {"s" if kind == b"+" else "e": rest.decode("utf-8", "backslashreplace")}


def show_reply(data: bytes) -> Any:
    """One encoded reply as a value for JSON."""
    if len(data) > LONGEST_REPLY:
        return _TOO_LARGE
    try:
        return Replies(data).next()
    except TooMany:
        return _TOO_LARGE
    except BadValue:
        return {"e": "The reply is nested too deeply to be shown here."}
