"""The list type: two stacks back to back.

``head`` holds the front part of the list reversed, ``tail`` the rest in order, so that both ends are ends of a built-in
list: pushing and popping is O(1), indexing is O(1), a range is one or two slices. When a pop finds its own stack empty
it first moves half of the other stack over, which makes pops O(1) amortised, whichever ends are used.

Invariant: the list is ``reversed(head) + tail``: element ``i`` is ``head[len(head) - 1 - i]`` or
``tail[i - len(head)]``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

_CHUNK = 512


class ListObj:
    """A list of byte strings. Indexes may be negative, as in Redis: -1 is the last element."""

    __slots__ = ("head", "memo", "tail")

    def __init__(self, values: Iterable[bytes] = ()) -> None:
        self.head: list[bytes] = []
        self.tail: list[bytes] = list(values)
        self.memo: object = None
        """What a reader has worked out from the elements as they are now; every change forgets it."""

    def __len__(self) -> int:
        return len(self.head) + len(self.tail)

    def __iter__(self) -> Iterator[bytes]:
        """Iterate from head to tail; the list must not change meanwhile."""
        return chain(reversed(self.head), self.tail)

    def copy(self) -> ListObj:
        """Return an independent list with the same elements: O(n)."""
        o = ListObj(self.tail)
        o.head = self.head.copy()
        return o

    def encoding(self) -> str:
        """What OBJECT ENCODING answers."""
        return "quicklist"

    # --- ends -------------------------------------------------------------------------------------------------

    def push_head(self, value: bytes) -> None:
        """Put ``value`` before the first element: O(1)."""
        self.memo = None
        self.head.append(value)

    def push_tail(self, value: bytes) -> None:
        """Put ``value`` after the last element: O(1)."""
        self.memo = None
        self.tail.append(value)

    def push_head_many(self, values: Iterable[bytes]) -> None:
        """Push each of ``values`` at the head in turn, so that the last one ends up first."""
        self.memo = None
        self.head.extend(values)

    def push_tail_many(self, values: Iterable[bytes]) -> None:
        """Push each of ``values`` at the tail in turn."""
        self.memo = None
        self.tail.extend(values)

    def pop_head(self) -> bytes:
        """Remove and return the first element: O(1) amortised. IndexError if there is none."""
        self.memo = None
        head = self.head
        if not head:
            self._refill_head()
        return head.pop()

    def pop_tail(self) -> bytes:
        """Remove and return the last element: O(1) amortised. IndexError if there is none."""
        self.memo = None
        tail = self.tail
        if not tail:
            self._refill_tail()
        return tail.pop()

    def _refill_head(self) -> None:
        """Move the first half of the tail (rounded up) to the empty head."""
        tail = self.tail
        half = (len(tail) + 1) >> 1
        head = self.head
        head.extend(tail[:half])
        head.reverse()
        del tail[:half]

    def _refill_tail(self) -> None:
        """Move the last half of the head (rounded up) to the empty tail."""
        head = self.head
        half = (len(head) + 1) >> 1
        tail = self.tail
        tail.extend(head[:half])
        tail.reverse()
        del head[:half]

    def pop_head_n(self, count: int) -> list[bytes]:
        """Remove and return the first ``count`` elements (all if there are fewer), first one first."""
        out = self.range(0, count - 1) if count > 0 else []
        self._drop_head(len(out))
        return out

    def pop_tail_n(self, count: int) -> list[bytes]:
        """Remove and return the last ``count`` elements (all if there are fewer), last one first."""
        size = len(self.head) + len(self.tail)
        out = self.range(max(size - count, 0), size - 1) if count > 0 else []
        out.reverse()
        self._drop_tail(len(out))
        return out

    def _drop_head(self, count: int) -> None:
        """Remove the first ``count`` (0 to len) elements: O(count) amortised."""
        self.memo = None
        head = self.head
        if count > len(head):
            count -= len(head)
            head.clear()
            tail = self.tail
            if count * 2 >= len(tail):
                del tail[:count]
                return
            self._refill_head()
        if count:
            del head[-count:]

    def _drop_tail(self, count: int) -> None:
        """Remove the last ``count`` (0 to len) elements: O(count) amortised."""
        self.memo = None
        tail = self.tail
        if count > len(tail):
            count -= len(tail)
            tail.clear()
            head = self.head
            if count * 2 >= len(head):
                del head[:count]
                return
            self._refill_tail()
        if count:
            del tail[-count:]

    # --- positions --------------------------------------------------------------------------------------------

    def index(self, i: int) -> bytes | None:
        """Return element ``i``, or None if there is no such: O(1)."""
        head = self.head
        tail = self.tail
        if i < 0:
            i += len(head) + len(tail)
            if i < 0:
                return None
        i -= len(head)
        if i < 0:
            return head[-1 - i]
        return tail[i] if i < len(tail) else None

    def set(self, i: int, value: bytes) -> bool:
        """Replace element ``i``; False if there is no such: O(1)."""
        self.memo = None
        head = self.head
        tail = self.tail
        if i < 0:
            i += len(head) + len(tail)
            if i < 0:
                return False
        i -= len(head)
        if i < 0:
            head[-1 - i] = value
        elif i < len(tail):
            tail[i] = value
        else:
            return False
        return True

    def range(self, start: int, stop: int) -> list[bytes]:
        """Return elements ``start`` to ``stop``, both included, clipped to the list (LRANGE): O(result)."""
        head = self.head
        tail = self.tail
        front = len(head)
        size = front + len(tail)
        if start < 0:
            start += size
            if start < 0:
                start = 0
        if stop < 0:
            stop += size
        stop += 1
        if stop > size:
            stop = size
        if start >= stop:
            return []
        if start >= front:
            return tail[start - front : stop - front]
        if stop <= front:
            out = head[front - stop : front - start]
            out.reverse()
            return out
        out = head[: front - start]
        out.reverse()
        out += tail[: stop - front]
        return out

    def trim(self, start: int, stop: int) -> None:
        """Keep only elements ``start`` to ``stop``, both included (LTRIM): O(elements removed) amortised."""
        size = len(self.head) + len(self.tail)
        if start < 0:
            start += size
            if start < 0:
                start = 0
        if stop < 0:
            stop += size
        if stop >= size:
            stop = size - 1
        self.memo = None
        if start > stop:
            self.head.clear()
            self.tail.clear()
            return
        if stop < size - 1:
            self._drop_tail(size - 1 - stop)
        if start:
            self._drop_head(start)

    # --- values -----------------------------------------------------------------------------------------------

    def insert(self, pivot: bytes, value: bytes, before: bool) -> int:
        """Insert ``value`` beside the first element equal to ``pivot``: O(n). Return the new length, or -1."""
        found = self.positions(pivot, 1, 1, 0)
        if not found:
            return -1
        self.memo = None
        at = found[0] if before else found[0] + 1
        head = self.head
        at -= len(head)
        if at <= 0:
            head.insert(-at, value)
        else:
            self.tail.insert(at, value)
        return len(head) + len(self.tail)

    def remove(self, count: int, value: bytes) -> int:
        """Remove elements equal to ``value``: the first ``count``, the last ``-count``, or all if 0. O(n).

        Returns how many were removed.
        """
        self.memo = None
        head = self.head
        tail = self.tail
        size = len(head) + len(tail)
        if count > 0:
            done = _remove_last(head, value, count)
            if done < count:
                _remove_first(tail, value, count - done)
        elif count < 0:
            done = _remove_last(tail, value, -count)
            if done < -count:
                _remove_first(head, value, -count - done)
        else:
            _remove_first(head, value, size)
            _remove_first(tail, value, size)
        return size - len(head) - len(tail)

    def positions(self, value: bytes, rank: int, count: int, maxlen: int) -> list[int]:
        """Return the indexes of elements equal to ``value`` (LPOS), all of them counted from the head: O(n).

        ``rank``: 1 begins with the first match, 2 with the second …; negative ones go from the tail towards the head.
        ``count``: at most so many, 0 is all. ``maxlen``: at most so many comparisons, 0 is no limit.
        """
        size = len(self.head) + len(self.tail)
        limit = min(maxlen, size) if maxlen else size
        skip = abs(rank) - 1
        found: list[int] = []
        done = 0
        while done < limit:
            # Chunks, so that an early match costs little; searched with list.index, so that a late one costs C time.
            upto = min(done + _CHUNK, limit)
            if rank > 0:
                chunk = self.range(done, upto - 1)
            else:
                chunk = self.range(size - upto, size - done - 1)
                chunk.reverse()
            hits = chunk.count(value)
            if hits <= skip:
                skip -= hits
            else:
                at = -1
                for _ in range(hits):
                    at = chunk.index(value, at + 1)
                    if skip:
                        skip -= 1
                        continue
                    found.append(done + at if rank > 0 else size - 1 - done - at)
                    if len(found) == count:
                        return found
            done = upto
        return found

    def check(self) -> None:
        """Raise AssertionError if an invariant is broken."""
        assert all(type(v) is bytes for v in self), "an element is not bytes"
        assert self.range(0, -1) == list(self)


def _remove_first(items: list[bytes], value: bytes, count: int) -> int:
    """Remove the first ``count`` occurrences of ``value`` from ``items``, in place: O(n). Return how many."""
    try:
        at = items.index(value)
    except ValueError:
        return 0
    if count == 1:
        del items[at]
        return 1
    kept = items[:at]
    done = 1
    prev = at + 1
    while done < count:
        try:
            at = items.index(value, prev)
        except ValueError:
            break
        kept += items[prev:at]
        prev = at + 1
        done += 1
    kept += items[prev:]
    items[:] = kept
    return done


def _remove_last(items: list[bytes], value: bytes, count: int) -> int:
    """Remove the last ``count`` occurrences of ``value`` from ``items``, in place: O(n). Return how many."""
    items.reverse()
    done = _remove_first(items, value, count)
    items.reverse()
    return done
