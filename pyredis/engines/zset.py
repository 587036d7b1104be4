"""The sorted set type.

A dict gives each member's score; a `ScoreOrder` beside it gives order and ranks. The latter is made when something
first asks about order (or when the set outgrows ``LAZY_MAX``, so that no query meets a long sort of what was added one
by one) and kept up to date from then on: a set which is only written and read by member costs no more than a hash.

Members are ordered by score, then by their bytes (shorter first if one begins with the other). Scores are never NaN;
-0.0 and 0.0 are the same score, as in Redis.

Invariants: ``order``, when present, holds exactly the items of ``scores``; so does ``index`` their members; ``packed``
never becomes true again.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from pyredis.engines.key_index import KeyIndex
from pyredis.engines.score_order import ScoreOrder

LAZY_MAX = 4096
"""A set this large keeps its order even if nothing has asked for it."""

NO_CHANGE = 0
ADDED = 1
UPDATED = 2

LexBound = tuple[int, bytes, bool]
"""An end of a ZRANGEBYLEX range: ``(-1, b"", False)`` is ``-``, ``(1, b"", False)`` is ``+``, and
``(0, value, exclusive)`` a member."""

LEX_MIN: LexBound = (-1, b"", False)
LEX_MAX: LexBound = (1, b"", False)

Pairs = list[tuple[bytes, float]]


class ZSetObj:
    """A sorted set of byte strings with float scores.

    ``max_entries`` and ``max_value`` arguments are ``zset-max-listpack-entries`` and ``zset-max-listpack-value``.
    Ranges are reported in ascending order or, with ``reverse``, in descending order (members of equal score as well).
    """

    __slots__ = ("index", "order", "packed", "scores")

    def __init__(self) -> None:
        self.scores: dict[bytes, float] = {}
        """Read freely; change only through the methods."""
        self.packed = True
        """Whether the encoding is ``listpack``; else it is ``skiplist``."""
        self.order: ScoreOrder | None = None
        self.index: KeyIndex | None = None

    @classmethod
    def from_scores(cls, scores: dict[bytes, float], max_entries: int, max_value: int) -> ZSetObj:
        """Wrap ``scores`` (copied if small); the encoding is the smallest that fits, as after ZUNIONSTORE: O(n)."""
        o = cls()
        o.scores = scores
        o.packed = len(scores) <= max_entries and all(len(m) <= max_value for m in scores)
        if o.packed:
            o.scores = {member: score or 0.0 for member, score in scores.items()}
        return o

    def __len__(self) -> int:
        return len(self.scores)

    def __contains__(self, member: object) -> bool:
        return member in self.scores

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over the members in ascending order; the set must not change meanwhile."""
        return self.ordered().members()

    def copy(self) -> ZSetObj:
        """Return an independent sorted set with the same members, scores and encoding: O(n)."""
        o = ZSetObj()
        o.scores = self.scores.copy()
        o.packed = self.packed
        if self.order is not None:
            o.order = self.order.copy()
        return o

    def encoding(self) -> str:
        """What OBJECT ENCODING answers."""
        return "listpack" if self.packed else "skiplist"

    def unpack(self) -> None:
        """Become a ``skiplist`` for good."""
        self.packed = False

    def ordered(self) -> ScoreOrder:
        """The members in order; the first time O(n log n)."""
        if self.order is None:
            self.order = ScoreOrder(self.scores)
        return self.order

    # --- single members ---------------------------------------------------------------------------------------

    def score(self, member: bytes) -> float | None:
        """Return the score of ``member``, or None."""
        return self.scores.get(member)

    def add(self, member: bytes, score: float, max_entries: int, max_value: int) -> int:
        """Give ``member`` this ``score``: O(log n). Return ``NO_CHANGE``, ``ADDED`` or ``UPDATED``."""
        scores = self.scores
        old = scores.get(member)
        order = self.order
        if old is not None:
            if old == score:
                return NO_CHANGE
            if self.packed and not score:
                score = 0.0
            scores[member] = score
            if order is not None:
                order.move(member, old, score)
            return UPDATED
        if self.packed:
            if len(scores) >= max_entries or len(member) > max_value:
                self.packed = False
            elif not score:
                score = 0.0  # a listpack knows one zero only: -0 is gone
        scores[member] = score
        if order is not None:
            order.insert(member, score)
        elif len(scores) > LAZY_MAX:
            self.order = ScoreOrder(scores)
        if self.index is not None:
            self.index.added(member)
        return ADDED

    def remove(self, member: bytes) -> bool:
        """Remove ``member``; True if it was present: O(log n)."""
        score = self.scores.pop(member, None)
        if score is None:
            return False
        if self.order is not None:
            self.order.remove(member, score)
        if self.index is not None:
            self.index.removed(member)
        return True

    def rank(self, member: bytes, reverse: bool = False) -> int | None:
        """Return how many members come before ``member``, or None if it is not here: O(log n + sqrt(n / 512))."""
        score = self.scores.get(member)
        if score is None:
            return None
        order = self.order
        if order is None:
            order = self.ordered()
        c, i = order.locate(score, member)
        rank = order.rank_at(c, i)
        return order.size - 1 - rank if reverse else rank

    # --- ranges -----------------------------------------------------------------------------------------------
    # Each kind of range is first turned into ranks low <= r < high; empty ones have low == high.

    def _rank_range(self, start: int, stop: int, reverse: bool) -> tuple[int, int]:
        """Ranks (ascending) for Redis's ``start`` and ``stop``: both included, negative ones from the end."""
        size = len(self.scores)
        if start < 0:
            start += size
            if start < 0:
                start = 0
        if stop < 0:
            stop += size
        if stop >= size:
            stop = size - 1
        if start > stop:
            return 0, 0
        if reverse:
            return size - 1 - stop, size - start
        return start, stop + 1

    def _score_range(self, low: float, low_ex: bool, high: float, high_ex: bool) -> tuple[int, int]:
        """Ranks of the scores from ``low`` to ``high``, each end excluded if its flag says so."""
        if low > high:
            return 0, 0
        order = self.ordered()
        if not order.size or high < order.scores[0][0]:
            return 0, 0  # nothing is old enough, as a limiter of rates finds it most of the time
        c1, i1 = order.locate_score(low, low_ex)
        c2, i2 = order.locate_score(high, not high_ex)
        first = order.rank_at(c1, i1)
        if c1 == c2:
            return (first, first + i2 - i1) if i2 > i1 else (0, 0)
        if c2 < c1:
            return 0, 0
        return first, order.rank_at(c2, i2) if c2 < len(order.chunks) else order.size

    def _lex_range(self, low: LexBound, high: LexBound, reverse: bool, offset: int = 0) -> tuple[int, int]:
        """Ranks of the members from ``low`` to ``high`` but the first ``offset``, supposing that all scores are equal.

        When they are not, Redis calls the result unspecified; here it is what a walk along the members finds, as for
        Redis's small encoding: from the first that is not below ``low`` on, ``offset`` further, as long as they are
        not above ``high`` (with ``reverse``, the same from the other end).
        """
        if not self.scores or offset < 0 or low > high or (low[:2] == high[:2] and (low[2] or high[2])):
            return 0, 0
        order = self.ordered()
        score = order.scores[0][0]
        if order.max_scores[-1] != score:
            return self._lex_walk(low, high, reverse, offset)
        first = 0
        last = order.size
        if low[0] == 0:
            first = self._lex_rank(order, score, low[1], low[2])
        elif low[0] > 0:
            first = last
        if high[0] == 0:
            last = self._lex_rank(order, score, high[1], not high[2])
        elif high[0] < 0:
            last = 0
        if reverse:
            last -= offset
        else:
            first += offset
        return (first, last) if first < last else (0, 0)

    def _lex_rank(self, order: ScoreOrder, score: float, value: bytes, after: bool) -> int:
        """How many members are before ``value`` (and, if ``after``, itself if it is there)."""
        c, i = order.locate(score, value)
        if c == len(order.chunks):
            return order.size
        rank = order.rank_at(c, i)
        return rank + 1 if after and order.chunks[c][i] == value else rank

    def _lex_walk(self, low: LexBound, high: LexBound, reverse: bool, offset: int) -> tuple[int, int]:
        members = list(self.ordered().members())
        size = len(members)
        if not _lex_above(members[-1], low) or not _lex_below(members[0], high):
            return 0, 0
        if reverse:
            last = size
            while last and not _lex_below(members[last - 1], high):
                last -= 1
            first = last = max(last - offset, 0)
            while first and _lex_above(members[first - 1], low):
                first -= 1
            return first, last
        first = 0
        while first < size and not _lex_above(members[first], low):
            first += 1
        first = last = min(first + offset, size)
        while last < size and _lex_below(members[last], high):
            last += 1
        return first, last

    def _members(self, low: int, high: int, reverse: bool) -> list[bytes]:
        if low >= high:
            return []
        out = self.ordered().slice_members(low, high)
        if reverse:
            out.reverse()
        return out

    def _pairs(self, low: int, high: int, reverse: bool) -> Pairs:
        if low >= high:
            return []
        out = self.ordered().slice_pairs(low, high)
        if reverse:
            out.reverse()
        return out

    def by_rank(self, start: int, stop: int, reverse: bool = False) -> Pairs:
        """Return members and scores of ranks ``start`` to ``stop``, as in ZRANGE: both included, -1 is the last."""
        low, high = self._rank_range(start, stop, reverse)
        return self._pairs(low, high, reverse)

    def members_by_rank(self, start: int, stop: int, reverse: bool = False) -> list[bytes]:
        """Return the members alone of ``by_rank``; faster."""
        low, high = self._rank_range(start, stop, reverse)
        return self._members(low, high, reverse)

    def by_score(
        self,
        low: float,
        low_ex: bool,
        high: float,
        high_ex: bool,
        reverse: bool = False,
        offset: int = 0,
        count: int = -1,
    ) -> Pairs:
        """Return members and scores with scores from ``low`` to ``high`` (``_ex``: the end itself excluded).

        After skipping ``offset`` of them, at most ``count`` (negative: all); a negative ``offset`` leaves nothing.
        ``low <= high`` whatever ``reverse`` is.
        """
        first, last = self._score_range(low, low_ex, high, high_ex)
        first, last = _limit(first, last, reverse, offset, count)
        return self._pairs(first, last, reverse)

    def by_lex(self, low: LexBound, high: LexBound, reverse: bool = False, offset: int = 0, count: int = -1) -> Pairs:
        """Return members and scores from member ``low`` to ``high``; ``offset`` and ``count`` as in ``by_score``."""
        first, last = self._lex_range(low, high, reverse, offset)
        first, last = _limit(first, last, reverse, 0, count)
        return self._pairs(first, last, reverse)

    def count_by_score(self, low: float, low_ex: bool, high: float, high_ex: bool) -> int:
        """Return the number of members with scores from ``low`` to ``high``: as fast as a rank."""
        first, last = self._score_range(low, low_ex, high, high_ex)
        return last - first

    def count_by_lex(self, low: LexBound, high: LexBound) -> int:
        """Return the number of members from ``low`` to ``high``: as fast as a rank."""
        first, last = self._lex_range(low, high, False)
        return last - first

    # --- removing ranges --------------------------------------------------------------------------------------

    def _remove_ranks(self, low: int, high: int) -> Pairs:
        """Remove ranks ``low`` to ``high - 1`` and return them in ascending order: O(removed + LOAD + n / LOAD)."""
        if low >= high:
            return []
        members, values = self.ordered().remove_ranks(low, high)
        scores = self.scores
        for member in members:
            del scores[member]
        if self.index is not None:
            for member in members:
                self.index.removed(member)
        return list(zip(members, values))

    def remove_by_rank(self, start: int, stop: int) -> Pairs:
        """Remove and return the members of ranks ``start`` to ``stop``, given as to ``by_rank``."""
        low, high = self._rank_range(start, stop, False)
        return self._remove_ranks(low, high)

    def remove_by_score(self, low: float, low_ex: bool, high: float, high_ex: bool) -> Pairs:
        """Remove and return the members with scores from ``low`` to ``high``."""
        first, last = self._score_range(low, low_ex, high, high_ex)
        return self._remove_ranks(first, last)

    def remove_by_lex(self, low: LexBound, high: LexBound) -> Pairs:
        """Remove and return the members from ``low`` to ``high``."""
        first, last = self._lex_range(low, high, False)
        return self._remove_ranks(first, last)

    def pop_min(self, count: int = 1) -> Pairs:
        """Remove and return the first ``count`` members (all if there are fewer), first one first."""
        return self._remove_ranks(0, min(count, len(self.scores)))

    def pop_max(self, count: int = 1) -> Pairs:
        """Remove and return the last ``count`` members (all if there are fewer), last one first."""
        size = len(self.scores)
        out = self._remove_ranks(max(size - count, 0), size)
        out.reverse()
        return out

    # --- random picks and scanning ----------------------------------------------------------------------------

    def _indexed(self) -> KeyIndex:
        if self.index is None:
            self.index = KeyIndex(self.scores)
        return self.index

    def random(self, rng: Random) -> bytes:
        """Return a random member: O(1), the first time O(n). KeyError if there is none."""
        member = self._indexed().random(rng)
        if member is None:
            raise KeyError("empty sorted set")
        return member

    def random_distinct(self, rng: Random, count: int) -> list[bytes]:
        """Return ``count`` different random members, or all when there are not more; a random order."""
        return self._indexed().sample(rng, count)

    def random_repeating(self, rng: Random, count: int) -> list[bytes]:
        """Return ``count`` independent random picks (none from an empty set): O(count)."""
        return self._indexed().choices(rng, count)

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """One step of ZSCAN: the next cursor (0 at the end) and members; a listpack comes whole and in order.

        Every member present from the first step to the last is returned at least once.
        """
        if self.packed:
            return 0, self._members(0, len(self.scores), False)
        return self._indexed().scan(cursor, count)

    def check(self) -> None:
        """Raise AssertionError if an invariant is broken."""
        assert all(score == score for score in self.scores.values()), "NaN"
        if self.order is not None:
            self.order.check()
            scores = [s for chunk in self.order.scores for s in chunk]
            assert dict(zip(self.order.members(), scores)) == self.scores, "order and scores differ"
            assert self.order.size == len(self.scores)
        if self.index is not None:
            self.index.check(self.scores)


def _limit(low: int, high: int, reverse: bool, offset: int, count: int) -> tuple[int, int]:
    """Apply LIMIT to a range of ranks."""
    if offset < 0:
        return 0, 0
    if reverse:
        high -= offset
        if 0 <= count < high - low:
            low = high - count
    else:
        low += offset
        if 0 <= count < high - low:
            high = low + count
    return low, high


def _lex_above(member: bytes, low: LexBound) -> bool:
    if low[0]:
        return low[0] < 0
    return member > low[1] if low[2] else member >= low[1]


def _lex_below(member: bytes, high: LexBound) -> bool:
    if high[0]:
        return high[0] > 0
    return member < high[1] if high[2] else member <= high[1]
