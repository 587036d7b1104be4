"""The manifest of the append-only file: which files make it up, in which order they are read.

A directory (``appenddirname``) holds at most one base file, any number of incremental files, and for a while the
history: files that a rewrite has made superfluous. The manifest has one line for each, as Redis 7 writes it::

    file appendonly.aof.2.base.rdb seq 2 type b
    file appendonly.aof.2.incr.aof seq 2 type i

It is replaced as a whole (:meth:`Manifest.encode` into a temporary file, then a rename), so a crash leaves the old
list or the new one.
"""

from __future__ import annotations

from typing import Final

from pyredis.lib.splitargs import quote_arg, split_args

BASE: Final = "b"
HISTORY: Final = "h"
INCREMENTAL: Final = "i"
_LONGEST_LINE: Final = 1024
_PLAIN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-+=@%,:")


class ManifestError(Exception):
    """A manifest that cannot be read; the text names the line."""


class AofFile:
    """One file of the list: ``kind`` is BASE, INCREMENTAL or HISTORY."""

    __slots__ = ("kind", "name", "seq")

    def __init__(self, name: str, seq: int, kind: str) -> None:
        self.name = name
        self.seq = seq
        self.kind = kind

    def line(self) -> str:
        """The line of the manifest."""
        raw = self.name.encode("utf-8", "surrogateescape")
        shown = self.name if _PLAIN.issuperset(raw) else quote_arg(raw).decode("ascii")
        return f"file {shown} seq {self.seq} type {self.kind}\n"


class Manifest:
    """The list. ``filename`` is the configured ``appendfilename``, from which new names are made."""

    def __init__(self, filename: str) -> None:
        self.filename = filename
        self.base: AofFile | None = None
        self.increments: list[AofFile] = []
        self.history: list[AofFile] = []
        self.base_seq = 0
        """The highest number a base file had; the next one has the next."""
        self.increment_seq = 0

    @property
    def path_name(self) -> str:
        """The manifest's own name in its directory."""
        return f"{self.filename}.manifest"

    def copy(self) -> Manifest:
        """A list that can be changed and written before it counts."""
        other = Manifest(self.filename)
        other.base = self.base
        other.increments = list(self.increments)
        other.history = list(self.history)
        other.base_seq = self.base_seq
        other.increment_seq = self.increment_seq
        return other

    def add_base(self, rdb: bool) -> AofFile:
        """A new base file; the one before, and all increments but those given to :meth:`keep_only`, become history."""
        if self.base is not None:
            self.history.append(AofFile(self.base.name, self.base.seq, HISTORY))
        self.base_seq += 1
        suffix = "base.rdb" if rdb else "base.aof"
        self.base = AofFile(f"{self.filename}.{self.base_seq}.{suffix}", self.base_seq, BASE)
        return self.base

    def add_increment(self) -> AofFile:
        """A new incremental file at the end."""
        self.increment_seq += 1
        file = AofFile(f"{self.filename}.{self.increment_seq}.incr.aof", self.increment_seq, INCREMENTAL)
        self.increments.append(file)
        return file

    def keep_last(self, count: int) -> None:
        """Increments before the last ``count`` become history: a base file holds what was in them."""
        cut = len(self.increments) - count
        self.history += [AofFile(file.name, file.seq, HISTORY) for file in self.increments[:cut]]
        del self.increments[:cut]

    def adopt(self, name: str) -> None:
        """Take an append-only file of one piece, from before Redis 7, as the base file."""
        self.base_seq = 1
        self.base = AofFile(name, 1, BASE)

    def files(self) -> list[AofFile]:
        """What is to be read, in order."""
        return ([self.base] if self.base is not None else []) + self.increments

    def encode(self) -> bytes:
        """The manifest's content."""
        lines = [file.line() for file in ([self.base] if self.base else []) + self.history + self.increments]
        return "".join(lines).encode("utf-8", "surrogateescape")

    @classmethod
    def decode(cls, data: bytes, filename: str) -> Manifest:
        """Read a manifest. Raises ManifestError for anything that is not one."""
        manifest = cls(filename)
        if not data:
            raise ManifestError("Found an empty AOF manifest")
        for number, line in enumerate(data.splitlines(keepends=True), 1):
            if not line.endswith(b"\n"):
                raise ManifestError(f"line {number}: The AOF manifest file contains too long line or is cut off")
            if line.startswith(b"#"):
                continue
            manifest._add(_parse_line(line, number), number)
        return manifest

    def _add(self, file: AofFile, number: int) -> None:
        if file.kind == BASE:
            if self.base is not None:
                raise ManifestError(f"line {number}: Found duplicate base file information")
            self.base = file
            self.base_seq = file.seq
        elif file.kind == HISTORY:
            self.history.append(file)
        else:
            if file.seq <= self.increment_seq:
                raise ManifestError(f"line {number}: Found a non-monotonic sequence number")
            self.increments.append(file)
            self.increment_seq = file.seq


def _parse_line(line: bytes, number: int) -> AofFile:
    """``file NAME seq N type T``: pairs in any order; unknown keys are left for versions to come."""
    words = split_args(line.rstrip(b"\r\n")) if len(line) <= _LONGEST_LINE else None
    if words is None or len(words) < 6 or len(words) % 2:
        raise ManifestError(f"line {number}: The AOF manifest file is invalid format")
    fields = {words[at].lower(): words[at + 1].decode("utf-8", "surrogateescape") for at in range(0, len(words), 2)}
    name, seq, kind = fields.get(b"file", ""), fields.get(b"seq", ""), fields.get(b"type", "")
    if not name or not seq.isdecimal() or not int(seq) or kind not in (BASE, HISTORY, INCREMENTAL):
        raise ManifestError(f"line {number}: The AOF manifest file is invalid format")
    if "/" in name or "\\" in name or "\0" in name:
        raise ManifestError(f"line {number}: File can't be a path, just a filename")
    return AofFile(name, int(seq), kind)
