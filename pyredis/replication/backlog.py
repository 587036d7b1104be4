"""The replication backlog: the last bytes of the stream, for replicas that were away for a moment."""

from __future__ import annotations


class Backlog:
    """A ring of ``size`` bytes. ``end`` is the offset behind the last byte, as offsets count from 1."""

    __slots__ = ("_at", "_ring", "end", "length", "size")

    def __init__(self, size: int, offset: int) -> None:
        self.size = size
        self.end = offset + 1
        self.length = 0
        self._ring = bytearray(size)
        self._at = 0

    def first(self) -> int:
        """The offset of the oldest byte."""
        return self.end - self.length

    def append(self, data: bytes) -> None:
        """Add bytes of the stream: O(len(data)); the oldest go when there is no room."""
        self.end += len(data)
        size = self.size
        if len(data) >= size:
            self._ring[:] = memoryview(data)[len(data) - size :]
            self._at = 0
            self.length = size
            return
        at = self._at
        stop = at + len(data)
        if stop <= size:
            self._ring[at:stop] = data
        else:
            room = size - at
            self._ring[at:] = memoryview(data)[:room]
            self._ring[: stop - size] = memoryview(data)[room:]
        self._at = stop % size
        self.length = min(self.length + len(data), size)

    def has(self, offset: int) -> bool:
        """Whether everything from ``offset`` on is there; the offset to come is, too."""
        return self.first() <= offset <= self.end

    def since(self, offset: int) -> bytes:
        """The bytes from ``offset`` on, which the backlog must have."""
        n = self.end - offset
        begin = self._at - n
        if begin >= 0:
            return bytes(memoryview(self._ring)[begin : self._at])
        view = memoryview(self._ring)
        return b"".join((view[begin + self.size :], view[: self._at]))

    def resize(self, size: int) -> None:
        """``repl-backlog-size`` was changed; as much of the newest stays as has room."""
        kept = self.since(self.end - min(self.length, size))
        end = self.end
        self._ring = bytearray(size)
        self.size = size
        self._at = self.length = 0
        self.append(kept)
        self.end = end
