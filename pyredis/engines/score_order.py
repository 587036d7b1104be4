"""Members of a sorted set in order: by score, then by the bytes of the member.

Chunks of at most ``2 * LOAD`` members, each two parallel lists (members, scores), so that a search is a C bisect over
floats and a range of members is a slice. To find a chunk, the last member and score of each are kept in two more lists.
Ranks come from the lengths of the chunks; in front of these stand sums over groups of ``GROUP`` chunks, so that a rank
costs two short sums, about O(sqrt(n / LOAD)) additions at C speed (1 us at a million members), while an insertion
touches a single counter.

A place is ``(chunk, offset)``; the place after the last member is ``(number of chunks, 0)``.

Invariants: no chunk is empty; chunks are sorted within and among themselves; ``max_members[c]`` and ``max_scores[c]``
are the last of chunk ``c``; ``groups`` is None (to be computed) or the exact sums. Scores are never NaN.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import chain

LOAD = 512
"""A chunk is split when it has more than twice this, and joined to a neighbour when it has less than a quarter."""

_SHIFT = 5
_GROUP = 1 << _SHIFT


class ScoreOrder:
    """The ordered half of a sorted set; see the module's docstring."""

    __slots__ = ("chunks", "groups", "load", "max_members", "max_scores", "scores", "size")

    def __init__(self, scores: dict[bytes, float], load: int = LOAD) -> None:
        """Sort the members of ``scores``: O(n log n)."""
        self.load = load
        self.size = 0
        self.chunks: list[list[bytes]] = []
        self.scores: list[list[float]] = []
        self.max_members: list[bytes] = []
        self.max_scores: list[float] = []
        self.groups: list[int] | None = None
        if scores:
            self._fill(_sorted_members(scores), scores)

    def _fill(self, members: list[bytes], scores: dict[bytes, float]) -> None:
        step = self.load
        self.size = len(members)
        self.chunks = [members[i : i + step] for i in range(0, len(members), step)]
        self.scores = [[scores[m] for m in chunk] for chunk in self.chunks]
        self.max_members = [chunk[-1] for chunk in self.chunks]
        self.max_scores = [chunk[-1] for chunk in self.scores]

    def copy(self) -> ScoreOrder:
        """Return an independent copy: O(n)."""
        o = ScoreOrder({}, self.load)
        o.size = self.size
        o.chunks = [chunk.copy() for chunk in self.chunks]
        o.scores = [chunk.copy() for chunk in self.scores]
        o.max_members = self.max_members.copy()
        o.max_scores = self.max_scores.copy()
        return o

    def members(self) -> Iterator[bytes]:
        """Iterate over the members in order."""
        return chain.from_iterable(self.chunks)

    # --- changing ---------------------------------------------------------------------------------------------

    def insert(self, member: bytes, score: float) -> None:
        """Put in ``member``, which is absent: O(LOAD) memory moves, O(log n) comparisons."""
        chunks = self.chunks
        if not chunks:
            chunks.append([member])
            self.scores.append([score])
            self.max_members.append(member)
            self.max_scores.append(score)
            self.size = 1
            self.groups = None
            return
        c, i = self.locate(score, member)
        if c == len(chunks):
            c -= 1
            i = len(chunks[c])
            self.max_members[c] = member
            self.max_scores[c] = score
        chunk = chunks[c]
        chunk.insert(i, member)
        self.scores[c].insert(i, score)
        self.size += 1
        if len(chunk) > self.load * 2:
            self._split(c)
        elif self.groups is not None:
            self.groups[c >> _SHIFT] += 1

    def _split(self, c: int) -> None:
        members = self.chunks[c]
        scores = self.scores[c]
        half = len(members) >> 1
        self.chunks.insert(c + 1, members[half:])
        self.scores.insert(c + 1, scores[half:])
        del members[half:]
        del scores[half:]
        self.max_members.insert(c, members[-1])
        self.max_scores.insert(c, scores[-1])
        self.groups = None

    def remove(self, member: bytes, score: float) -> None:
        """Take out ``member``, which is present with ``score``: O(LOAD) memory moves, O(log n) comparisons."""
        c, i = self.locate(score, member)
        chunk = self.chunks[c]
        scores = self.scores[c]
        del chunk[i]
        del scores[i]
        self.size -= 1
        size = len(chunk)
        if not size or (size < self.load >> 2 and len(self.chunks) > 1):
            self._join(c)
            return
        if i == size:
            self.max_members[c] = chunk[-1]
            self.max_scores[c] = scores[-1]
        if self.groups is not None:
            self.groups[c >> _SHIFT] -= 1

    def _join(self, c: int) -> None:
        """Restore the invariants for chunk ``c``, which has become small or empty (its maxima may be out of date)."""
        self.groups = None
        members = self.chunks.pop(c)
        scores = self.scores.pop(c)
        del self.max_members[c]
        del self.max_scores[c]
        if not members:
            return
        if not self.chunks:
            self.chunks.append(members)
            self.scores.append(scores)
            self.max_members.append(members[-1])
            self.max_scores.append(scores[-1])
            return
        if c:
            c -= 1
            self.chunks[c] += members
            self.scores[c] += scores
            self.max_members[c] = members[-1]
            self.max_scores[c] = scores[-1]
        else:
            self.chunks[0][:0] = members
            self.scores[0][:0] = scores
        if len(self.chunks[c]) > self.load * 2:
            self._split(c)

    def move(self, member: bytes, old: float, new: float) -> None:
        """Change the score of ``member`` from ``old`` to ``new``; cheaper when no other member is passed."""
        c, i = self.locate(old, member)
        chunk = self.chunks[c]
        scores = self.scores[c]
        last = len(chunk) - 1
        # Strictly between the neighbours' scores within the chunk, or beyond the chunk's end if it is the last one.
        if i and scores[i - 1] >= new:
            low = False
        else:
            low = i > 0 or c == 0 or self.max_scores[c - 1] < new
        if low and (scores[i + 1] > new if i < last else c == len(self.chunks) - 1):
            scores[i] = new
            if i == last:
                self.max_scores[c] = new
            return
        self.remove(member, old)
        self.insert(member, new)

    def remove_ranks(self, low: int, high: int) -> tuple[list[bytes], list[float]]:
        """Take out the members of ranks ``low`` to ``high - 1`` (0 <= low < high <= size) and return them in order.

        O(removed + LOAD + number of chunks).
        """
        n = high - low
        c1, i1 = self.select(low)
        self.size -= n
        chunk = self.chunks[c1]
        scores = self.scores[c1]
        members_out = chunk[i1 : i1 + n]
        scores_out = scores[i1 : i1 + n]
        del chunk[i1 : i1 + n]
        del scores[i1 : i1 + n]
        small = self.load >> 2
        left = n - len(members_out)
        if left:
            self.groups = None
            self._remove_after(c1, left, members_out, scores_out)
        elif self.groups is not None:
            self.groups[c1 >> _SHIFT] -= n
        if not chunk or (len(chunk) < small and len(self.chunks) > 1):
            self._join(c1)
        else:
            self.max_members[c1] = chunk[-1]
            self.max_scores[c1] = scores[-1]
        return members_out, scores_out

    def _remove_after(self, c1: int, left: int, members_out: list[bytes], scores_out: list[float]) -> None:
        """Take out the ``left`` members that follow chunk ``c1``, appending them to the two lists."""
        c2 = c1 + 1
        while left:
            members = self.chunks[c2]
            if len(members) > left:
                members_out += members[:left]
                scores_out += self.scores[c2][:left]
                del members[:left]
                del self.scores[c2][:left]
                break
            members_out += members
            scores_out += self.scores[c2]
            left -= len(members)
            c2 += 1
        del self.chunks[c1 + 1 : c2]
        del self.scores[c1 + 1 : c2]
        del self.max_members[c1 + 1 : c2]
        del self.max_scores[c1 + 1 : c2]
        if left and len(self.chunks[c1 + 1]) < self.load >> 2:
            self._join(c1 + 1)

    # --- places and ranks -------------------------------------------------------------------------------------

    def locate(self, score: float, member: bytes) -> tuple[int, int]:
        """Return the place of the first member not before ``(score, member)``: O(log n)."""
        max_scores = self.max_scores
        c = bisect_left(max_scores, score)
        count = len(max_scores)
        if c == count:
            return c, 0
        if max_scores[c] == score and self.max_members[c] < member:
            c = bisect_left(self.max_members, member, c, bisect_right(max_scores, score, c))
            if c == count:
                return c, 0
        scores = self.scores[c]
        i = bisect_left(scores, score)
        if scores[i] == score:
            chunk = self.chunks[c]
            if chunk[i] < member:
                i = bisect_left(chunk, member, i + 1, bisect_right(scores, score, i + 1))
        return c, i

    def locate_score(self, score: float, after: bool) -> tuple[int, int]:
        """Return the place of the first member with at least ``score`` (or above it, if ``after``): O(log n)."""
        max_scores = self.max_scores
        if after:
            c = bisect_right(max_scores, score)
            return (c, bisect_right(self.scores[c], score)) if c < len(max_scores) else (c, 0)
        c = bisect_left(max_scores, score)
        return (c, bisect_left(self.scores[c], score)) if c < len(max_scores) else (c, 0)

    def span(self, low: float, high: float) -> tuple[int, int, int, int]:
        """The place of the first score that is at least ``low``, and that of the first not below ``high``: O(log n)."""
        max_scores = self.max_scores
        c = bisect_left(max_scores, low)
        if c == len(max_scores):
            return c, 0, c, 0
        scores = self.scores[c]
        i = bisect_left(scores, low)
        if max_scores[c] >= high:
            return c, i, c, bisect_left(scores, high, i)
        last = bisect_left(max_scores, high, c)
        return c, i, last, bisect_left(self.scores[last], high) if last < len(max_scores) else 0

    def _group_sums(self) -> list[int]:
        groups = self.groups
        if groups is None:
            sizes = list(map(len, self.chunks))
            groups = [sum(sizes[i : i + _GROUP]) for i in range(0, len(sizes), _GROUP)]
            self.groups = groups
        return groups

    def rank_at(self, c: int, i: int) -> int:
        """Return how many members are before the place ``(c, i)``."""
        if not c:
            return i
        if c <= _GROUP:
            return i + sum(map(len, self.chunks[:c]))
        groups = self.groups
        if groups is None:
            groups = self._group_sums()
        g = c >> _SHIFT
        return i + sum(groups[:g]) + sum(map(len, self.chunks[g << _SHIFT : c]))

    def select(self, rank: int) -> tuple[int, int]:
        """Return the place of the member of ``rank`` (0 <= rank < size)."""
        chunks = self.chunks
        if rank < len(chunks[0]):
            return 0, rank
        last = len(chunks) - 1
        from_end = self.size - rank
        if from_end <= len(chunks[last]):
            return last, len(chunks[last]) - from_end
        c = 0
        if last > _GROUP:
            groups = self.groups
            if groups is None:
                groups = self._group_sums()
            g = 0
            while rank >= groups[g]:
                rank -= groups[g]
                g += 1
            c = g << _SHIFT
        for chunk in chunks[c : c + _GROUP + 1]:
            if rank < len(chunk):
                break
            rank -= len(chunk)
            c += 1
        return c, rank

    def slice_members(self, low: int, high: int) -> list[bytes]:
        """Return the members of ranks ``low`` to ``high - 1`` (0 <= low < high <= size), in order."""
        c, i = self.select(low)
        n = high - low
        out = self.chunks[c][i : i + n]
        while len(out) < n:
            c += 1
            out += self.chunks[c][: n - len(out)]
        return out

    def slice_pairs(self, low: int, high: int) -> list[tuple[bytes, float]]:
        """Return the members and scores of ranks ``low`` to ``high - 1`` (0 <= low < high <= size), in order."""
        c, i = self.select(low)
        n = high - low
        out = list(zip(self.chunks[c][i : i + n], self.scores[c][i : i + n]))
        while len(out) < n:
            c += 1
            left = n - len(out)
            out += zip(self.chunks[c][:left], self.scores[c][:left])
        return out

    def check(self) -> None:
        """Raise AssertionError if an invariant is broken."""
        assert all(self.chunks), "an empty chunk"
        assert all(len(chunk) <= self.load * 2 for chunk in self.chunks), "a chunk is too large"
        assert [len(c) for c in self.chunks] == [len(c) for c in self.scores]
        assert self.max_members == [chunk[-1] for chunk in self.chunks]
        assert self.max_scores == [chunk[-1] for chunk in self.scores]
        pairs = list(zip(chain.from_iterable(self.scores), self.members()))
        assert pairs == sorted(set(pairs)), "not in order"
        assert len(pairs) == self.size
        if self.groups is not None:
            kept = self.groups
            self.groups = None
            assert kept == self._group_sums(), "sums of groups"


def _sorted_members(scores: dict[bytes, float]) -> list[bytes]:
    """Sort members by score, then bytes. Sorting by float keys is several times faster than comparing pairs."""
    members = sorted(scores, key=scores.__getitem__)
    start = 0
    size = len(members)
    while start < size - 1:
        score = scores[members[start]]
        if scores[members[start + 1]] != score:
            start += 1
            continue
        stop = start + 2
        while stop < size and scores[members[stop]] == score:
            stop += 1
        members[start:stop] = sorted(members[start:stop])
        start = stop
    return members
