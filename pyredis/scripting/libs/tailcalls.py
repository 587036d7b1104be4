"""Compiled Lua without tail calls.

A C function that is called in tail position still sees who called it, and so says in which line of the script it
failed: ``return cjson.decode(x)`` fails as ``user_script:1: …``. A function written in Lua takes its caller's frame
then, and the line is gone. ``without_tail_calls`` turns the tail calls of a compiled chunk into plain ones, so that
functions written in Lua can stand for C functions. The price: recursion in tail position needs stack, and ends at
20,000 calls.

The input is what ``string.dump`` of Lua 5.1 gives on a little-endian machine with 64 bits; anything else is returned
unchanged.
"""

from __future__ import annotations

import struct

_HEADER = b"\x1bLua\x51\x00\x01\x04\x08\x04\x08\x00"
_OP_CALL, _OP_TAILCALL, _OP_SETLIST = 28, 29, 34
_NIL, _BOOLEAN, _NUMBER, _STRING = 0, 1, 3, 4
_CONSTANT_SIZES = {_NIL: 0, _BOOLEAN: 1, _NUMBER: 8}


class _Chunk:
    """A dumped chunk that is read from front to back and changed in place."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self.at = len(_HEADER)

    def integer(self) -> int:
        self.at += 4
        return int.from_bytes(self.data[self.at - 4 : self.at], "little")

    def skip_string(self) -> None:
        self.at += 8
        self.at += int.from_bytes(self.data[self.at - 8 : self.at], "little")

    def skip_constant(self) -> None:
        kind = self.data[self.at]
        self.at += 1
        if kind == _STRING:
            self.skip_string()
        else:
            self.at += _CONSTANT_SIZES[kind]

    def skip_debug(self) -> None:
        """Line numbers, local variables, upvalues."""
        lines = self.integer()
        self.at += 4 * lines
        for _ in range(self.integer()):
            self.skip_string()
            self.at += 8
        for _ in range(self.integer()):
            self.skip_string()

    def change_code(self) -> None:
        count = self.integer()
        code = struct.unpack_from(f"<{count}I", self.data, self.at)
        index = 0
        while index < count:
            operation = code[index] & 0x3F
            if operation == _OP_TAILCALL:
                self.data[self.at + 4 * index] ^= _OP_TAILCALL ^ _OP_CALL
            elif operation == _OP_SETLIST and not (code[index] >> 14) & 0x1FF:
                index += 1  # the next word is a number
            index += 1
        self.at += 4 * count

    def change_function(self) -> None:
        """This function and those in it; they nest at most 200 deep, which is the compiler's limit."""
        self.skip_string()  # source
        self.at += 12  # first line, last line, and four bytes of counts
        self.change_code()
        for _ in range(self.integer()):
            self.skip_constant()
        for _ in range(self.integer()):
            self.change_function()
        self.skip_debug()


def without_tail_calls(dumped: bytes) -> bytes:
    """The chunk with plain calls where it had tail calls."""
    if not dumped.startswith(_HEADER):
        return dumped
    chunk = _Chunk(dumped)
    chunk.change_function()
    return bytes(chunk.data)
