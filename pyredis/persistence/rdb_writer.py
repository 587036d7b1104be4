"""Writing a snapshot: keys in, bytes out, a piece at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pyredis.lib.crc64 import crc64
from pyredis.persistence import rdb_format as f
from pyredis.persistence.rdb_format import EncodingLimits, length_bytes, string_bytes
from pyredis.persistence.rdb_write_values import write_value

PIECE: Final = 256 << 10
"""Bytes that are handed over at once, about."""
_TYPES: Final = tuple(bytes((n,)) for n in range(256))
_OP_EXPIRE_MS: Final = _TYPES[f.OP_EXPIRE_MS]


class RdbWriter:
    """One snapshot that is being written. ``sink`` takes the pieces; what it raises goes through."""

    def __init__(self, sink: Callable[[bytes], object], limits: EncodingLimits) -> None:
        self.sink = sink
        self.limits = limits
        self.compression = True
        self.checksum = True
        self.keys = 0
        self.written = 0
        """Bytes handed over."""
        self._crc = 0
        self._parts: list[bytes] = []
        self._size = 0

    def begin(self, version: int, aux: dict[bytes, bytes]) -> None:
        """The header. ``version`` is VERSION or VERSION_HASH_FIELDS; ``aux`` tells about the snapshot."""
        self._parts.append(b"%b%04d" % (f.MAGIC, version))
        for name, value in aux.items():
            self._parts += (_TYPES[f.OP_AUX], string_bytes(name, False), string_bytes(value, False))

    def function(self, source: bytes) -> None:
        """A library of functions."""
        self._parts += (_TYPES[f.OP_FUNCTION2], string_bytes(source, self.compression))

    def select(self, number: int, keys: int, expires: int) -> None:
        """The following keys are of this database, which has so many, and so many with a deadline (-1: told before)."""
        self._parts += (_TYPES[f.OP_SELECT_DB], length_bytes(number))
        if keys >= 0:
            self._parts += (_TYPES[f.OP_RESIZE_DB], length_bytes(keys), length_bytes(expires))

    def key(self, key: bytes, value: Any, when: int = -1, idle: int = -1, freq: int = -1) -> None:
        """A key; ``when`` is its deadline in Unix milliseconds, ``idle`` the seconds since it was used, ``freq`` its
        counter of use; each -1 to leave it out."""
        parts = self._parts
        if when >= 0:
            parts += (_OP_EXPIRE_MS, when.to_bytes(8, "little"))
        if idle >= 0:
            parts += (_TYPES[f.OP_IDLE], length_bytes(idle))
        if freq >= 0:
            parts += (_TYPES[f.OP_FREQ], _TYPES[freq])
        kind, content = write_value(value, self.limits, self.compression)
        parts += (_TYPES[kind], string_bytes(key, self.compression))
        parts += content
        self.keys += 1
        size = self._size + len(key)
        for part in content:
            size += len(part)
        self._size = size
        if size > PIECE:
            self.flush()

    def flush(self) -> None:
        """Hand over what there is."""
        data = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        if data:
            if self.checksum:
                self._crc = crc64(data, self._crc)
            self.written += len(data)
            self.sink(data)

    def end(self) -> None:
        """The end mark and the checksum (0 if none is wanted)."""
        self._parts.append(_TYPES[f.OP_EOF])
        self.flush()
        tail = self._crc.to_bytes(f.CHECKSUM_BYTES, "little")
        self.written += len(tail)
        self.sink(tail)
