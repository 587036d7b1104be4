"""A Lua interpreter that has the libraries and nothing else: no server, no sandbox."""

from __future__ import annotations

import re
from typing import Any

from lupa.lua51 import LuaError, LuaRuntime, lua_type

from pyredis.scripting.libs import Libraries
from pyredis.scripting.libs.tailcalls import without_tail_calls


class PlainLua:
    """``run(script)``: what EVAL would answer, as the bytes of RESP2."""

    def __init__(self, compat: int = 700) -> None:
        self.lua: Any = LuaRuntime(  # type: ignore[call-arg]
            encoding=None, unpack_returned_tuples=True, register_eval=False, register_builtins=False
        )
        self.libraries = Libraries(self.lua, compat)
        names = self.lua.globals()
        names[b"os"] = None
        for name, content in self.libraries.tables.items():
            names[name.encode()] = content
        names[b"math"][b"random"] = self.libraries.math_random
        names[b"math"][b"randomseed"] = self.libraries.math_randomseed
        self.dump = names[b"string"][b"dump"]

    def run(self, script: str) -> bytes:
        try:
            compiled = self.lua.compile(script.encode("latin-1"), name=b"@user_script")
            result = self.lua.compile(without_tail_calls(self.dump(compiled)))()
        except LuaError as e:
            message = str(e).split("\nstack traceback")[0].encode()
            return b"-" + (message if message.startswith(b"ERR ") else b"ERR " + message) + b"\r\n"
        return encode(result[0] if isinstance(result, tuple) else result)


def encode(value: Any) -> bytes:
    """A Lua value as RESP2."""
    if value is None or value is False:
        return b"$-1\r\n"
    if isinstance(value, bytes):
        return b"$%d\r\n%b\r\n" % (len(value), value)
    if isinstance(value, bool | int | float):
        return b":%d\r\n" % (int(value) if -(2**63) <= value < 2**63 else -(2**63))
    assert lua_type(value) == "table"
    items: list[Any] = []
    while (item := value[len(items) + 1]) is not None:
        items.append(item)
    return b"*%d\r\n" % len(items) + b"".join(map(encode, items))


def comparable(reply: bytes) -> bytes:
    """A reply without what may differ: addresses, and what EVAL puts behind an error."""
    reply = re.sub(rb"0x[0-9a-f]+", b"0x", reply)
    return re.sub(rb" script: [0-9a-f]{40}, on @user_script:\d+\.\r\n$", b"\r\n", reply)
