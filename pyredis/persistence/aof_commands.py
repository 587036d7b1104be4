"""Reading an append-only file command by command, with the exact place of any damage.

For the loader; :mod:`aof_check` is stricter. Annotations (``#TS:…`` lines) are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

from pyredis.lib.intparse import string2ll

_CACHED: Final = 512
_COUNTS: Final = {b"*%d\r\n" % n: n for n in range(1, 64)}
_LENGTHS: Final = {b"$%d\r\n" % n: n for n in range(_CACHED)}
_LONGEST_HEADER: Final = 128
_LONGEST_ANNOTATION: Final = 1024


class AofDamage(Exception):
    """The file is not what it should be from ``offset`` on; ``cut`` says that it merely ends too early."""

    def __init__(self, offset: int, cut: bool, reason: str) -> None:
        super().__init__(f"{reason} at offset {offset}")
        self.offset = offset
        self.cut = cut
        self.reason = reason


def read_commands(file: BinaryIO, at: int, size: int) -> Iterator[tuple[int, list[bytes]]]:
    """Yield (offset behind the command, argv) from offset ``at`` to the file's end at ``size``. Raises AofDamage.

    ``file`` is buffered and stands at ``at``. The damage's offset is where the damaged command begins.
    """
    readline, read = file.readline, file.read
    counts, lengths = _COUNTS.get, _LENGTHS.get
    while True:
        line = readline(_LONGEST_HEADER)
        if not line:
            return
        argc = counts(line) or _header(line, b"*", at)
        if argc == 0:
            at += len(line) + _skip_annotation(file, line, at)
            continue
        end = at + len(line)
        argv = []
        for _ in range(argc):
            line = readline(_LONGEST_HEADER)
            n = lengths(line)
            if n is None:
                n = _header(line, b"$", at)
            end += len(line) + n + 2
            if end > size:
                raise AofDamage(at, True, "Unexpected end of file")
            arg = read(n + 2)
            if arg[-2:] != b"\r\n":
                # Zeros, say, that a power cut has left: taken for an argument they would be wrong data.
                raise AofDamage(at, False, f"Expected \\r\\n behind an argument, got: {arg[-2:].hex()}")
            argv.append(arg[:-2])
        at = end
        yield at, argv


def _header(line: bytes, kind: bytes, at: int) -> int:
    """The number of a header line (``*3`` or ``$5``); 0 for an annotation where a command may begin."""
    if kind == b"*" and line.startswith(b"#"):
        return 0
    if line and line[:1] != kind:
        raise AofDamage(at, False, f"Expected prefix '{kind.decode()}', got: '{line[:1].decode('latin-1')}'")
    if not line.endswith(b"\n"):
        if len(line) == _LONGEST_HEADER:
            raise AofDamage(at, False, "Bad number")
        raise AofDamage(at, True, "Unexpected end of file")
    n = string2ll(line[1:].rstrip(b"\r\n"))
    if n is None or n < (1 if kind == b"*" else 0):
        raise AofDamage(at, False, "Bad number")
    return n


def _skip_annotation(file: BinaryIO, line: bytes, at: int) -> int:
    """Pass over the rest of an annotation that began with ``line``; its length."""
    rest = b""
    if not line.endswith(b"\n"):
        rest = file.readline(_LONGEST_ANNOTATION)
        if not rest.endswith(b"\n"):
            cut = len(rest) < _LONGEST_ANNOTATION
            raise AofDamage(at, cut, "Unexpected end of file" if cut else "Annotation line too long")
    return len(rest)
