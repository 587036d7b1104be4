"""One Lua interpreter: the sandbox, what is compiled in it, and how much memory it may take.

Lua's allocator has a hard limit. An allocation that fails in Lua is an error that the script gets; one that fails while
values are handed over would end the process. So scripts get their error at a soft limit below it, before anything is
handed over, and large values are asked for room.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pyredis.lib.heap import give_back
from pyredis.scripting.convert import Converter
from pyredis.scripting.libs import Libraries, lua_source
from pyredis.scripting.libs.tailcalls import without_tail_calls

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyredis.scripting.calls import Calls

_SOFT_LIMIT: Final = 1 << 30
"""Bytes from which on a script gets an error instead of more."""
_SLACK: Final = 64 << 20
"""Bytes above the soft limit that are left for values which are handed over."""
_COLLECT_AT: Final = 64 << 20
"""Bytes beyond what the last such collection left: with more in use after a script, garbage is collected at once."""
_GIVE_BACK: Final = 256 << 20
"""Bytes of garbage in one collection from which on what is free is given back to the system."""
_LARGE: Final = 1 << 20
"""Bytes of arguments from which on it is asked whether there is room for them."""
_AT_ONCE: Final = 1000
"""Arguments handed over in one call."""

_SOURCES: Final = ("patterns.lua", "sandbox.lua", "reply.lua", "api.lua", "functions.lua")


class CompileError(Exception):
    """A script does not compile; ``message`` says why, in Lua's words."""

    def __init__(self, message: bytes) -> None:
        super().__init__(message)
        self.message = message


class Code:
    """What ``interpreter`` has compiled: ``handle`` stands for it there, ``name`` is what errors call it.

    ``flags`` say what it has declared (see ``shebang``).
    """

    __slots__ = ("flags", "handle", "interpreter", "name")

    def __init__(self, name: bytes, interpreter: Interpreter, handle: int, flags: int) -> None:
        self.name = name
        self.interpreter = interpreter
        self.handle = handle
        self.flags = flags


def _no_attributes(obj: object, name: object, setting: bool) -> Any:
    """Nothing of a Python object can be reached from Lua."""
    raise AttributeError


class Interpreter:
    """Lua 5.1 with Redis's globals, for scripts or for functions. ``calls`` is what ``redis.call`` and the like do."""

    def __init__(self, calls: Calls, version: bytes, compat: int, for_functions: bool = False) -> None:
        # Loading it takes milliseconds, which a server without scripts need not wait for.
        from lupa.lua51 import LuaError, LuaRuntime

        self._failure: type[Exception] = LuaError
        self._collect_at = _COLLECT_AT
        self._lua = lua = LuaRuntime(
            encoding=None,
            attribute_filter=_no_attributes,
            register_eval=False,
            register_builtins=False,
            unpack_returned_tuples=True,
            max_memory=_SOFT_LIMIT + _SLACK,
        )
        self._converter = converter = Converter(lua.table_from, self.has_room)
        soft_limit = _SOFT_LIMIT // 1024
        table = lua.table_from
        self._hide_host(calls.tick)
        libraries = Libraries(lua, compat)
        sources = [*libraries.sources, *(b"=" + name.encode() for name in _SOURCES)]
        sandbox = self._load(
            "sandbox.lua",
            table(dict.fromkeys(sources, True)),
            _SOFT_LIMIT // 2,
            soft_limit,
            without_tail_calls,
            calls.tick,
            table({name.encode(): content for name, content in libraries.tables.items()}),
            libraries.common,
            libraries.math_random,
            libraries.math_randomseed,
            *self._load("patterns.lua"),
        )
        functions = calls.functions(converter)
        encode = self._load("reply.lua", functions[b"count_error"])
        major, minor, patch = version.split(b".")
        numbers = (int(major) << 16) | (int(minor) << 8) | int(patch)
        config = table({b"version": version, b"version_number": numbers})
        api = self._load("api.lua", sandbox, encode, soft_limit, config, table(functions))
        if for_functions:
            self._load("functions.lua", sandbox, api)
            self._load_library: Callable[..., Any] = api[b"load_library"]
        sandbox[b"seal"]()
        self._compile: Callable[..., Any] = api[b"compile"]
        self._forget: Callable[[int], None] = api[b"forget"]
        self._push: Callable[..., None] = api[b"push"]
        self._run: Callable[..., Any] = api[b"call" if for_functions else b"run"]

    def _load(self, name: str, *arguments: Any) -> Any:
        return self._lua.compile(lua_source("pyredis.scripting", name), name=b"=" + name.encode())(*arguments)

    def _hide_host(self, function: Callable[..., Any]) -> None:
        """A Python function can be called, and nothing else: not even its name can be seen."""
        self._lua.execute(
            b"local meta = debug.getmetatable(...) "
            b"meta.__index, meta.__newindex, meta.__tostring, meta.__metatable = nil, nil, nil, false",
            function,
        )

    def close(self) -> None:
        """Nothing runs in it any more: break the circle of references that would keep it."""
        self._converter.close()

    def has_room(self, size: int) -> bool:
        """Whether a value of so many bytes may be handed over."""
        return bool(self._lua.get_memory_used() + size < _SOFT_LIMIT)

    def memory(self) -> int:
        """Bytes in use."""
        return int(self._lua.get_memory_used(total=True))

    def compile(self, text: bytes) -> int:
        """A handle for a script. Raises CompileError."""
        if not self.has_room(4 * len(text)):
            raise CompileError(b"not enough memory")
        try:
            compiled = self._compile(text)
        except self._failure as e:
            raise CompileError(b"not enough memory") from e
        if type(compiled) is int:
            return compiled
        raise CompileError(compiled[1])

    def load_library(self, code: bytes) -> list[tuple[bytes, int, bytes, bytes]]:
        """Load a library: for each function its name, a handle, the description and the flags. Raises CompileError."""
        try:
            count, found, *rest = self._load_library(code)
        except self._failure as e:
            raise CompileError(b"ERR not enough memory") from e
        if count is None:
            raise CompileError((b"Error compiling function: " if rest[0] else b"Error registering functions: ") + found)
        values = [found[at] for at in range(1, 4 * count + 1)]
        return [(values[at], values[at + 1], values[at + 2] or b"", values[at + 3]) for at in range(0, 4 * count, 4)]

    def forget(self, handle: int) -> None:
        """A script will not run any more."""
        self._forget(handle)

    def run(self, handle: int, resp: int, keys: int, arguments: list[bytes]) -> Any:
        """Run a script: a string or number that it returned, or a tuple as ``api.lua`` delivers it."""
        if arguments:
            size = len(arguments[0]) if len(arguments) == 1 else sum(map(len, arguments))
            if size > _LARGE and not self.has_room(2 * size):
                return None, None, b"ERR not enough memory"
            if len(arguments) > _AT_ONCE:
                for at in range(0, len(arguments), _AT_ONCE):
                    self._push(*arguments[at : at + _AT_ONCE])
                arguments = []
        try:
            result = self._run(handle, resp, keys, *arguments)
        except self._failure:  # memory, in the few lines around a script
            result = (None, None, b"ERR not enough memory")
        if (used := self._lua.get_memory_used()) > self._collect_at:
            self._lua.gccollect()
            left = self._lua.get_memory_used()
            self._collect_at = left + _COLLECT_AT
            if used - left > _GIVE_BACK:
                give_back()
        return result
