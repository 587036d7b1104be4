"""Libraries of functions: loading, replacing and deleting them, all or nothing, and finding a function by its name.

A library keeps its source, which is what snapshots, the append-only file and FUNCTION DUMP hold. Names of functions are
one space for all libraries, in which case does not count.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pyredis.core.durability import Libraries
from pyredis.lib.splitargs import split_args
from pyredis.resp.errors import CommandError, sanitize
from pyredis.scripting.interpreter import Code, CompileError, Interpreter
from pyredis.scripting.shebang import FLAG_NAMES

_BAD_NAME: Final = (
    b"ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long"
)
_LETTERS: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


class Function(Code):
    """A function of a library."""

    __slots__ = ("description", "library")

    def __init__(self, name: bytes, interpreter: Interpreter, handle: int, flags: int) -> None:
        super().__init__(name, interpreter, handle, flags)
        self.description: bytes | None = None
        self.library = b""

    def flag_names(self) -> list[bytes]:
        """The flags as words."""
        return [name for name, bit in FLAG_NAMES.items() if self.flags & bit]


class Library:
    """A library: its name, source and functions."""

    __slots__ = ("functions", "name", "source")

    def __init__(self, name: bytes, source: bytes) -> None:
        self.name = name
        self.source = source
        self.functions: list[Function] = []


def library_name(source: bytes) -> tuple[bytes, bytes]:
    """The name that the first line of a library gives, and the code behind that. Raises CommandError."""
    if not source.startswith(b"#!"):
        raise CommandError(b"ERR Missing library metadata")
    end = source.find(b"\n")
    words = split_args(source[:end]) if end >= 0 else None
    if not words:
        raise CommandError(b"ERR Invalid library metadata")
    name: bytes | None = None
    for word in words[1:]:
        if word[:5].lower() != b"name=":
            raise CommandError(b"ERR Invalid metadata value given: " + word)
        if name is not None:
            raise CommandError(b"ERR Invalid metadata value, name argument was given multiple times")
        name = word[5:]
    if name is None:
        raise CommandError(b"ERR Library name was not given")
    if not name or not _LETTERS.issuperset(name):
        raise CommandError(_BAD_NAME)
    engine = words[0][2:]
    if engine.lower() != b"lua":
        raise CommandError(b"ERR Engine '%b' not found" % engine)
    return name, source[end:]


class FunctionLibraries(Libraries):
    """The libraries of one server. ``start`` gives the interpreter, ``run`` runs code in it that may take long."""

    def __init__(self, start: Callable[[], Interpreter], run: Callable[..., Any]) -> None:
        super().__init__()
        self.by_name: dict[bytes, Library] = {}
        self.functions: dict[bytes, Function] = {}
        """Lower-case name → function."""
        self._start = start
        self._run = run
        self.on_clear: Callable[[], None] | None = None

    # --- what snapshots ask for -------------------------------------------------------------------------------

    def load(self, source: bytes, replace: bool) -> None:
        """A library of a snapshot. Raises ValueError."""
        try:
            self.add(source, replace)
        except CommandError as e:
            raise ValueError(e.message.decode("utf-8", "backslashreplace")) from e

    def replace(self, sources: list[bytes]) -> None:
        try:
            self.restore(sources, b"flush")
        except CommandError as e:
            raise ValueError(e.message.decode("utf-8", "backslashreplace")) from e

    def dump(self) -> list[bytes]:
        """The sources of all libraries."""
        return [library.source for library in self.by_name.values()]

    def clear(self) -> None:
        """Forget all libraries, and the interpreter with them."""
        self.by_name.clear()
        self.functions.clear()
        if self.on_clear is not None:
            self.on_clear()

    # --- commands ---------------------------------------------------------------------------------------------

    def add(self, source: bytes, replace: bool) -> bytes:
        """Load a library; its name. One of that name is replaced if ``replace``. Raises CommandError."""
        name, code = library_name(source)
        old = self.by_name.get(name)
        if old is not None and not replace:
            raise CommandError(b"ERR Library '%b' already exists" % name)
        library = self._compile(name, source, code)
        for function in library.functions:
            known = self.functions.get(function.name.lower())
            if known is not None and known.library != name:
                self._forget(library)
                raise CommandError(b"ERR Function %b already exists" % function.name)
        if old is not None:
            self._remove(old)
        self.by_name[name] = library
        for function in library.functions:
            self.functions[function.name.lower()] = function
        return name

    def delete(self, name: bytes) -> None:
        """Forget one library. Raises CommandError."""
        library = self.by_name.get(name)
        if library is None:
            raise CommandError(b"ERR Library not found")
        self._remove(library)

    def restore(self, sources: list[bytes], policy: bytes) -> None:
        """Take the libraries of FUNCTION RESTORE: all of them, or none if one is refused. Raises CommandError."""
        before = dict(self.by_name), dict(self.functions)
        if policy == b"flush":
            self.by_name, self.functions = {}, {}
        taken: list[Library] = []
        removed: list[Library] = []
        try:
            for source in sources:
                name = library_name(source)[0]
                old = self.by_name.get(name)
                if old is not None and policy != b"replace":
                    raise CommandError(b"ERR Library %b already exists" % name)
                if old is not None:
                    removed.append(old)
                    self._take_out(old)
                self.add(source, False)
                taken.append(self.by_name[name])
        except CommandError:
            self.by_name, self.functions = before
            for library in taken:
                self._forget(library)
            raise
        for library in removed if policy != b"flush" else before[0].values():
            self._forget(library)

    def _compile(self, name: bytes, source: bytes, code: bytes) -> Library:
        library = Library(name, source)
        interpreter = self._start()
        try:
            loaded = self._run(interpreter.load_library, code)
        except CompileError as e:
            raise CommandError(b"ERR " + sanitize(e.message)) from e
        for one, handle, description, flags in loaded:
            bits = 0
            for flag in flags.split(b",") if flags else ():
                bits |= FLAG_NAMES[flag]
            function = Function(one, interpreter, handle, bits)
            function.description, function.library = description or None, name
            library.functions.append(function)
        if not library.functions:
            raise CommandError(b"ERR No functions registered")
        return library

    def _take_out(self, library: Library) -> None:
        del self.by_name[library.name]
        for function in library.functions:
            self.functions.pop(function.name.lower(), None)

    def _remove(self, library: Library) -> None:
        self._take_out(library)
        self._forget(library)

    def _forget(self, library: Library) -> None:
        interpreter = self._start()
        for function in library.functions:
            interpreter.forget(function.handle)
