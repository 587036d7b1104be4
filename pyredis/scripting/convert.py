"""Replies of commands as Lua values: what ``redis.call`` returns.

A value that Lua has is returned alone; what else there is comes as ``(None, code, …)`` (see ``api.lua``). Arrays up to
some length come as the call's results, from which Lua makes the table; others are tables made here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import hiredis

from pyredis.resp.reply import OK

Value = Any
"""bytes, int, False (a null), True (the status OK), a Lua table, or ``(None, code, …)``."""

CODE_ERROR: Final = 1
CODE_STATUS: Final = 2
CODE_ARRAY: Final = 3
CODE_AGAIN: Final = 4
CODE_OUT_OF_MEMORY: Final = 5
CODE_NIL: Final = 6
CODE_KILLED: Final = 7
CODE_TRUE: Final = 8

NIL: Final = (None, CODE_NIL)
AGAIN: Final = (None, CODE_AGAIN)
KILLED: Final = (None, CODE_KILLED)
TRUE: Final = (None, CODE_TRUE)
OUT_OF_MEMORY: Final = (None, CODE_OUT_OF_MEMORY)

_FLAT: Final = frozenset((bytes, int))
_ON_STACK: Final = 200
"""Elements up to which an array comes as the results of the call."""
LARGE: Final = 1 << 20
"""Bytes of a reply from which on it is asked whether there is room for it."""
_GROWTH: Final = 8
"""How much larger a reply may become as a table."""


class Converter:
    """Makes values for one interpreter. ``has_room`` tells whether so many more bytes may be taken."""

    def __init__(self, table_from: Callable[..., Any], has_room: Callable[[int], bool]) -> None:
        self._table_from = table_from
        self._has_room = has_room
        self._reader = hiredis.Reader()

    def close(self) -> None:
        """Let go of the interpreter, which holds functions that hold this."""
        self._table_from = self._has_room = _gone

    def convert(self, reply: bytes, resp: int) -> Value:
        """The value of an encoded reply in the protocol that the script chose."""
        kind = reply[0]
        if kind == 42 and resp == 2 and len(reply) < LARGE and b"\r\n+" not in reply and b"\r\n-" not in reply:  # *
            return self._plain(reply)
        if kind == 36:  # $
            if len(reply) > LARGE and not self._has_room(len(reply)):
                return OUT_OF_MEMORY
            return False if reply[1] == 45 else reply[reply.index(b"\n") + 1 : -2]
        if kind == 58:  # :
            return int(reply[1:-2])
        if kind == 43:  # +
            return True if reply == OK else (None, CODE_STATUS, reply[1:-2])
        if kind == 45:  # -
            return None, CODE_ERROR, reply[1:-2]
        if len(reply) > LARGE and not self._has_room(len(reply) * _GROWTH):
            return OUT_OF_MEMORY
        if resp == 3:
            return self._table(_Parser(reply).value())
        if kind == 42 and b"\r\n+" not in reply and b"\r\n-" not in reply:  # *
            return self._plain(reply)
        return self._table(_Parser(reply).value())

    def _plain(self, reply: bytes) -> Value:
        """An array of strings, integers, nulls and arrays."""
        reader = self._reader
        reader.feed(reply)
        values = reader.gets()
        if values is None:
            return False
        if not _FLAT.issuperset(map(type, values)):
            _without_none(values)
            return self._table_from(values, recursive=True)
        if len(values) > _ON_STACK:
            return self._table_from(values)
        return (None, CODE_ARRAY, *values)

    def _table(self, value: Value) -> Value:
        if value is None:
            return NIL
        if value is True:
            return TRUE
        if type(value) in (list, dict):
            return self._table_from(value, recursive=True)
        return value


def _gone(*arguments: Any, **named: Any) -> Any:
    """In place of functions of an interpreter that is no more."""
    raise RuntimeError("the interpreter is closed")


def _without_none(values: list[Value]) -> None:
    """A null is false in Lua, in every depth."""
    for at, value in enumerate(values):
        if value is None:
            values[at] = False
        elif type(value) is list:
            _without_none(value)


class _Parser:
    """Reads a reply of any type, with what has no value in Lua as the tables that stand for it."""

    def __init__(self, reply: bytes) -> None:
        self.reply = reply
        self.at = 0

    def value(self) -> Value:
        """The value at the position, which moves on; None is RESP3's null."""
        reply, at = self.reply, self.at
        end = reply.index(b"\r\n", at)
        kind, line = reply[at : at + 1], reply[at + 1 : end]
        self.at = end + 2
        if kind in _LINES:
            return _LINES[kind](line)
        size = int(line)
        if size < 0:
            return False
        if kind == b"$":
            return self._bytes(size)
        if kind == b"=":
            text = self._bytes(size)
            return {b"verbatim_string": {b"string": text[4:], b"format": text[:3]}}
        if kind == b"%":
            return {b"map": {key: item for key, item in self._pairs(size) if type(key) not in (dict, list)}}
        if kind == b"~":
            return {b"set": {key: True for key in self._items(size) if type(key) not in (dict, list)}}
        if kind == b"|":  # attributes are not for scripts
            self._pairs(size)
            return self.value()
        return self._items(size)

    def _bytes(self, size: int) -> bytes:
        start = self.at
        self.at = start + size + 2
        return self.reply[start : start + size]

    def _items(self, size: int) -> list[Value]:
        return [self.value() for _ in range(size)]

    def _pairs(self, size: int) -> list[tuple[Value, Value]]:
        return [(self.value(), self.value()) for _ in range(size)]


_LINES: Final[dict[bytes, Callable[[bytes], Value]]] = {
    b":": int,
    b"+": lambda line: {b"ok": line},
    b"-": lambda line: {b"err": line},
    b"_": lambda line: None,
    b"#": lambda line: line == b"t",
    b",": lambda line: {b"double": float(line)},
    b"(": lambda line: {b"big_number": line},
}
