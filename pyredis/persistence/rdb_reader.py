"""Reading a snapshot: bytes in, keys out, as many at a time as the caller likes.

The reader owns no file: it is fed pieces (:meth:`RdbReader.feed`) and works them off (:meth:`RdbReader.run`). What it
finds goes to a :class:`Sink`. A value that the bytes at hand do not hold whole is begun anew when there are more, twice
as many each time, so memory is bounded by the largest value, and a length beyond the file's end is refused before
anything is allocated.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import Any, Final, Protocol

from pyredis.lib.crc64 import crc64
from pyredis.persistence import rdb_format as f
from pyredis.persistence.rdb_format import (
    EmptyKey,
    EncodingLimits,
    RdbError,
    Truncated,
    read_length,
    read_string,
    unpack_i64,
    unpack_u64,
)
from pyredis.persistence.rdb_read_values import READERS, module_name, skip_module_value

CHUNK: Final = 1 << 20
"""How much to feed at once, unless more is wanted."""
_KEYS_PER_LOOK: Final = 32
_FAR: Final = 1 << 62


class Sink(Protocol):
    """Where the contents of a snapshot go. Methods may raise ValueError: the snapshot cannot be loaded.

    While a key is handed over, the reader's ``loaded()`` is where it ends.
    """

    def select(self, number: int) -> None:
        """The following keys are of this database."""

    def resize(self, keys: int, expires: int) -> None:
        """About how many keys, and keys with a deadline, the database has."""

    def aux(self, name: bytes, value: bytes) -> None:
        """Something about the snapshot (``redis-ver``, ``ctime`` …)."""

    def function(self, code: bytes) -> None:
        """The source of a library of functions."""

    def module_data(self, name: str, key: bytes | None) -> None:
        """Data of a module, which were passed over: the value of ``key``, or what belongs to none."""

    def key(self, key: bytes, value: Any, when: int, idle: int, freq: int) -> None:
        """A key with its value; ``when`` is its deadline in Unix milliseconds, ``idle`` the seconds since it was last
        used, ``freq`` its counter of use; each -1 if there is none."""

    def empty_key(self, key: bytes) -> None:
        """A key whose value has no elements; it is none."""


class RdbReader:
    """One snapshot that is being read."""

    def __init__(self, sink: Sink, limits: EncodingLimits) -> None:
        self.sink = sink
        self.limits = limits
        self.thorough = False
        """``sanitize-dump-payload``: verify also what is not used."""
        self.verify_checksum = True
        self.skip_modules = False
        """Pass over the values of modules' types instead of refusing them."""
        self.total = _FAR
        """Bytes of the whole snapshot (and what follows it), if that is known."""
        self.version = 0
        self.checksum = 0
        """What stands at the end; 0 if none was computed."""
        self.done = False
        self.doing = ""
        """What is being read, for messages."""
        self._buf = b""
        self._pos = 0
        self._base = 0
        self._crc = 0
        self._summed = 0
        self._needed = f.HEADER_BYTES
        self._when = self._idle = self._freq = -1

    def loaded(self) -> int:
        """How many bytes have been worked off."""
        return self._base + self._pos

    def wanted(self) -> int:
        """How many bytes :meth:`feed` should bring."""
        have = len(self._buf) - self._pos
        return max(CHUNK, have, self._needed - have)

    def feed(self, data: bytes) -> None:
        """Add the next bytes; none at all means that there are no more. Raises RdbError if some are missing."""
        if not data:
            raise RdbError("the data end too early", self._base + len(self._buf))
        self._sum()
        self._buf = self._buf[self._pos :] + data
        self._base += self._pos
        self._pos = self._summed = 0

    def rest(self) -> bytes:
        """After the end: what has been fed beyond it."""
        return self._buf[self._pos :]

    def _sum(self) -> None:
        """Add what was worked off to the checksum."""
        if self._pos > self._summed:
            self._crc = crc64(memoryview(self._buf)[self._summed : self._pos], self._crc)
            self._summed = self._pos

    def run(self, deadline_ns: int) -> bool:
        """Work off what was fed, at most until ``perf_counter_ns`` passes ``deadline_ns``; True if more must be fed.

        False with ``done`` is the end; False without it means that time is up. Raises RdbError.
        """
        if self._needed > len(self._buf) - self._pos:
            return True
        begin = self._pos
        try:
            if not self.version:
                self._read_header()
            while True:
                for _ in range(_KEYS_PER_LOOK):
                    begin = self._pos
                    self._read_record(begin)
                    if self.done:
                        return False
                if perf_counter_ns() > deadline_ns:
                    break
        except IndexError:
            self._more(begin, len(self._buf) + 1)
            return True
        except Truncated as e:
            self._more(begin, e.needed)
            return True
        except RdbError as e:
            e.offset += self._base
            raise
        except ValueError as e:
            raise RdbError(str(e), self._base + begin) from None
        self._needed = 1
        return False

    def _more(self, begin: int, needed: int) -> None:
        """Wait for bytes up to index ``needed``, to begin anew at index ``begin``."""
        if self._base + needed > self.total:
            where = self._base + begin
            raise RdbError(f"what begins here would end behind the end of the data ({self.total} bytes)", where)
        self._pos = begin
        self._needed = max(needed, len(self._buf) + 1) - begin

    def _read_header(self) -> None:
        buf = self._buf
        if buf[: len(f.MAGIC)] != f.MAGIC:
            raise RdbError("wrong signature, this is no RDB file", 0)
        digits = buf[len(f.MAGIC) : f.HEADER_BYTES]
        version = int(digits) if digits.isdigit() else 0
        if not f.OLDEST_VERSION <= version <= f.NEWEST_VERSION:
            raise RdbError(f"Can't handle RDB format version {digits.decode('latin-1')}", len(f.MAGIC))
        self.version = version
        self._pos = f.HEADER_BYTES

    def _read_record(self, pos: int) -> None:
        """A key, or one of the other things between keys."""
        buf = self._buf
        kind = buf[pos]
        if kind >= f.LOWEST_OPCODE:
            self._read_opcode(kind, pos + 1)
            return
        # The names of most keys are short, and most values strings: what takes the time is read here.
        begin = pos + 2
        end = begin + buf[pos + 1]
        if end - begin < 0x40 and end <= len(buf):
            key, pos = buf[begin:end], end
        else:
            key, pos = read_string(buf, pos + 1)
        if kind == f.TYPE_STRING:
            try:
                value, self._pos = read_string(buf, pos)
            except RdbError as e:
                e.message = f"key '{_shown(key)}': {e.message}"
                raise
            self.sink.key(key, value, self._when, self._idle, self._freq)
            self._when = self._idle = self._freq = -1
            return
        read = READERS.get(kind)
        if read is None:
            raise RdbError(f"a key has the unknown type {kind}", begin - 2)
        if kind == f.TYPE_MODULE_2 and self.skip_modules:
            name, self._pos = self._skip_module(buf, pos)
            self.sink.module_data(name, key)
        else:
            try:
                value, self._pos = read(buf, pos, self.limits, self.thorough)
            except EmptyKey as e:
                self._pos = e.end
                self.sink.empty_key(key)
            except RdbError as e:
                e.message = f"key '{_shown(key)}': {e.message}"
                raise
            else:
                self.sink.key(key, value, self._when, self._idle, self._freq)
        self._when = self._idle = self._freq = -1

    def _read_opcode(self, code: int, pos: int) -> None:
        buf, sink = self._buf, self.sink
        if code == f.OP_EXPIRE_MS:
            if pos + 8 > len(buf):
                raise Truncated(pos + 8)
            # Deadlines before 1970 are as due as any that have passed.
            self._when, pos = max(unpack_i64(buf, pos)[0], 0), pos + 8
        elif code == f.OP_EXPIRE:
            if pos + 4 > len(buf):
                raise Truncated(pos + 4)
            self._when = 1000 * max(int.from_bytes(buf[pos : pos + 4], "little", signed=True), 0)
            pos += 4
        elif code == f.OP_FREQ:
            self._freq, pos = buf[pos], pos + 1
        elif code == f.OP_IDLE:
            self._idle, pos = read_length(buf, pos)
        elif code == f.OP_SELECT_DB:
            number, pos = read_length(buf, pos)
            sink.select(number)
        elif code == f.OP_RESIZE_DB:
            keys, pos = read_length(buf, pos)
            expires, pos = read_length(buf, pos)
            sink.resize(keys, expires)
        elif code == f.OP_AUX:
            name, pos = read_string(buf, pos)
            value, pos = read_string(buf, pos)
            sink.aux(name, value)
        elif code == f.OP_FUNCTION2:
            source, pos = read_string(buf, pos)
            sink.function(source)
        elif code == f.OP_SLOT_INFO:
            for _ in range(3):  # slot, keys, keys with a deadline
                _, pos = read_length(buf, pos)
        elif code == f.OP_MODULE_AUX:
            begin = pos
            name_of_module, pos = self._skip_module(buf, pos)
            if pos == begin:
                raise RdbError("module data without end", pos)
            sink.module_data(name_of_module, None)
        elif code == f.OP_FUNCTION_PRE_GA:
            raise RdbError("functions as of a release candidate of Redis 7.0 cannot be read", pos - 1)
        else:
            self._read_end(pos)
            return
        self._pos = pos

    def _skip_module(self, buf: bytes, pos: int) -> tuple[str, int]:
        number, pos = read_length(buf, pos)
        return module_name(number)[0], skip_module_value(buf, pos)

    def _read_end(self, pos: int) -> None:
        """Verify the checksum; 0 means that none was computed."""
        if self.version >= f.CHECKSUM_SINCE:
            if pos + f.CHECKSUM_BYTES > len(self._buf):
                raise Truncated(pos + f.CHECKSUM_BYTES)
            self._pos = pos
            self._sum()
            written = self.checksum = unpack_u64(self._buf, pos)[0]
            if self.verify_checksum and written and written != self._crc:
                raise RdbError(f"wrong checksum: {self._crc:016x} computed, {written:016x} written", pos)
            pos += f.CHECKSUM_BYTES
        self._pos = pos
        self.done = True


def _shown(key: bytes) -> str:
    """A key in a message: printable and not long."""
    text = key[:64].decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text) + ("…" if len(key) > 64 else "")
