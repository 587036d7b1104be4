"""The libraries of Lua scripts beside Lua's own: ``cjson``, ``cmsgpack``, ``struct``, ``bit``, and ``math.random``.

They are written in Lua and run inside the interpreter: crossing into Python costs more per element than walking a
table in Lua does. What Lua 5.1 lacks (the bytes of a float, bitwise operations) comes from a few functions of Python,
which only these libraries' own closures can reach.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any

_OS_SINCE = 704
_ARRAYS_SINCE = 804
"""``cjson.decode_array_with_array_mt``."""
_MAX_SINGLE = 3.4028235677973366e38  # from here on a number is infinite in four bytes
_SINGLE = struct.Struct("<f")
_DOUBLE = struct.Struct("<d")
_BIG_SINGLE = struct.Struct(">f")
_BIG_DOUBLE = struct.Struct(">d")

# Bytes of a zero with its sign: on the way to Python a number that is whole becomes an int, which has none.
_GLUE = b"""
local pack, zero, negative_zero = ...
return function(number)
  if number == 0 then
    return 1 / number > 0 and zero or negative_zero
  end
  return pack(number)
end
"""

# The value that stands for JSON's null: equal to itself alone, and looking like the light userdata that it is in Redis.
_NULL = b"""
local null = newproxy(true)
local metatable = getmetatable(null)
metatable.__tostring = function() return "userdata: (nil)" end
metatable.__metatable = false
return null
"""


@cache
def lua_source(package: str, name: str) -> bytes:
    """The Lua source of this name in a package, read once per process."""
    return resources.files(package).joinpath(name).read_bytes()


# What JSON writes as it is.
_UNESCAPED = bytes(code for code in range(256) if code >= 32 and code != 127 and code not in b'"\\/')


def is_plain(text: bytes, quotes: int) -> bool:
    """Whether a JSON text has that many quotes, and nothing else that would have to be escaped in a string."""
    rest = text.translate(None, _UNESCAPED)
    return len(rest) == quotes and rest.count(b'"') == quotes


def pack_single(number: float) -> bytes:
    """The four bytes of a number, little endian; what is too large is infinite."""
    if abs(number) >= _MAX_SINGLE:
        number = float("inf") if number > 0 else float("-inf")
    return _SINGLE.pack(number)


def pack_float(number: float) -> bytes:
    """Four bytes, big endian, where they hold the number exactly, else eight."""
    if abs(number) < _MAX_SINGLE or abs(number) == float("inf"):
        single = _BIG_SINGLE.pack(number)
        if _BIG_SINGLE.unpack(single)[0] == number:
            return single
    return _BIG_DOUBLE.pack(number)


class Libraries:
    """The libraries of one interpreter, as Lua tables that are nowhere else yet.

    ``tables`` has them by name; ``math_random`` and ``math_randomseed`` are the functions that replace Lua's own,
    ``common`` is what they share, ``sources`` what ``getinfo`` calls their sources. ``compat`` is the release of Redis
    (704 = 7.4), on which depends what there is. The interpreter must have ``encoding=None`` and
    ``unpack_returned_tuples``, and still its ``debug`` library.
    """

    def __init__(self, lua: Any, compat: int) -> None:
        self.sources: list[bytes] = []

        def load(name: str, *arguments: Any) -> Any:
            source = b"@" + name.encode()
            self.sources.append(source)
            return lua.compile(lua_source(__name__, name), name=source, mode=b"t")(*arguments)

        def glue(pack: Callable[[float], bytes], layout: struct.Struct) -> Any:
            return lua.execute(_GLUE, pack, layout.pack(0.0), layout.pack(-0.0))

        self.common = common = load("common.lua")
        self.null = lua.execute(_NULL)
        shapes = load("cjson_shapes.lua", self.null)
        decode = load("cjson_decode.lua", common, self.null, shapes)
        cjson = load("cjson.lua", common, self.null, decode, shapes, is_plain, compat >= _ARRAYS_SINCE)
        cmsgpack = load("cmsgpack.lua", common, pack_float, _BIG_SINGLE.unpack, _BIG_DOUBLE.unpack)
        packing = load(
            "struct.lua",
            common,
            glue(pack_single, _SINGLE),
            glue(_DOUBLE.pack, _DOUBLE),
            _SINGLE.unpack,
            _DOUBLE.unpack,
            operator.and_,
        )
        bit = load("bit.lua", common, operator.and_, operator.or_, operator.xor)
        self.tables: dict[str, Any] = {"bit": bit, "cjson": cjson, "cmsgpack": cmsgpack, "struct": packing}
        if compat >= _OS_SINCE:
            self.tables["os"] = lua.execute(b"return {clock = os.clock}")
        random = load("random.lua", common)
        self.math_random = random[b"random"]
        self.math_randomseed = random[b"randomseed"]
