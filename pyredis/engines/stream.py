"""The stream type: entries in the order of their IDs, in blocks, and the consumer groups that read them.

An ID is one integer here: milliseconds in the upper 64 bits, the sequence number in the lower ones. A stream is a list
of blocks, found by bisection. The last block is open and holds its values in a list; when the next one begins it is
sealed: all values become one byte string and an array of where each ends. Names of fields are kept once per block as
long as all its entries have the same.

Blocks begin where Redis begins a node (``stream-node-max-entries``, and ``stream-node-max-bytes`` of listpack), so that
trimming by whole blocks leaves as many entries as it does there.

Invariants: blocks and the IDs within each ascend; ``length`` is the number of entries in all blocks; a block whose
entries are all gone is gone too, except after trimming by ID (as in Redis); ``last_id`` never falls except by
:meth:`StreamObj.set_id`.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, islice
from typing import Final

from pyredis.engines.group import Group
from pyredis.lib.listpack import LISTPACK_ENDS, element_size, integer_size

MAX_PART: Final = (1 << 64) - 1
MAX_ID: Final = (1 << 128) - 1
_ID_BYTES: Final = 16
_EXACT_LAG: Final = 704
_MAX_NODE: Final = 1 << 30
"""The largest node, and the largest entry, whatever is configured."""

Entry = tuple[int, int, list[bytes]]
"""Milliseconds, sequence number, and field, value, field, value …"""


def signed64(n: int) -> int:
    """A number as 64 signed bits hold it: beyond them counters and differences turn around, as in Redis."""
    n &= MAX_PART
    return n - (1 << 64) if n >> 63 else n


class Block:
    """Entries with ascending IDs: what Redis keeps in one node.

    ``first`` and ``last`` are the IDs with which it began and up to which it grew, whether the entries are still there
    or not. The entries before index ``start`` were removed; those removed from the middle are out of the arrays.
    """

    __slots__ = (
        "deleted",
        "ends",
        "fields",
        "first",
        "last",
        "mss",
        "names",
        "packed",
        "seqs",
        "size",
        "start",
        "starts",
        "values",
    )

    def __init__(self, first: int, fields: tuple[bytes, ...]) -> None:
        self.first = self.last = first
        self.fields = fields
        self.start = 0
        self.deleted = 0
        """How many entries were removed."""
        self.mss = array("Q")
        self.seqs = array("Q")
        self.names: list[tuple[bytes, ...]] | None = None
        """Each entry's fields, once one has other fields than the first."""
        self.starts: list[int] = []
        """With ``names``: the index of each entry's first value."""
        self.values: list[bytes] = []
        self.packed = b""
        self.ends: array[int] | None = None
        """Where in ``packed`` each value ends, once the block is sealed."""
        self.size = LISTPACK_ENDS + integer_size(len(fields)) + sum(map(element_size, fields)) + 2
        """Bytes of Redis's node, without the counters of entries."""

    def __len__(self) -> int:
        return len(self.mss) - self.start

    def node_bytes(self) -> int:
        """Bytes of Redis's node."""
        return self.size + integer_size(len(self)) + integer_size(self.deleted)

    def find(self, entry_id: int) -> int:
        """The index of the first entry whose ID is not below ``entry_id``."""
        ms, seq = entry_id >> 64, entry_id & MAX_PART
        mss = self.mss
        low = bisect_left(mss, ms, self.start)
        if low == len(mss) or mss[low] != ms:
            return low
        return bisect_left(self.seqs, seq, low, bisect_right(mss, ms, low))

    def id_at(self, index: int) -> int:
        """The ID of an entry."""
        return self.mss[index] << 64 | self.seqs[index]

    def flat(self, index: int) -> list[bytes]:
        """An entry's fields and values, one after the other."""
        if self.names is None:
            fields = self.fields
            at = index * len(fields)
        else:
            fields = self.names[index]
            at = self.starts[index]
        flat = [b""] * (2 * len(fields))
        flat[::2] = fields
        ends = self.ends
        if ends is None:
            flat[1::2] = self.values[at : at + len(fields)]
        else:
            packed = self.packed
            begin = ends[at - 1] if at else 0
            for place, end in enumerate(ends[at : at + len(fields)]):
                flat[2 * place + 1] = packed[begin:end]
                begin = end
        return flat

    def append(self, entry_id: int, fields: tuple[bytes, ...], values: Sequence[bytes]) -> None:
        """Add an entry with a higher ID to a block that is not sealed: O(1)."""
        first = self.first
        n = len(fields)
        size = 2 + integer_size(signed64((entry_id >> 64) - (first >> 64)))
        size += integer_size(signed64((entry_id & MAX_PART) - (first & MAX_PART)))
        same = fields == self.fields
        if not same:
            size += integer_size(n) + sum(map(element_size, fields))
            if self.names is None:
                width = len(self.fields)
                self.names = [self.fields] * len(self.mss)
                self.starts = list(range(0, width * len(self.mss), width))
        if self.names is not None:
            self.names.append(self.fields if same else fields)
            self.starts.append(len(self.values))
        self.size += size + sum(map(element_size, values)) + integer_size(n + 3 if same else 2 * n + 4)
        self.mss.append(entry_id >> 64)
        self.seqs.append(entry_id & MAX_PART)
        self.values += values
        self.last = entry_id

    def seal(self) -> None:
        """Pack the values: no entry comes any more. O(n)."""
        if self.ends is None:
            self.ends = array("I", accumulate(map(len, self.values)))
            self.packed = b"".join(self.values)
            self.values = []

    def _open(self) -> None:
        if self.ends is not None:
            begins = [0, *self.ends[:-1]]
            self.values = [self.packed[begin:end] for begin, end in zip(begins, self.ends)]
            self.packed, self.ends = b"", None

    def remove(self, index: int) -> None:
        """Remove an entry: O(1) the first one, others O(n)."""
        self.deleted += 1
        if index == self.start:
            self.start += 1
            return
        sealed = self.ends is not None
        self._open()
        if self.names is None:
            at, n = index * len(self.fields), len(self.fields)
        else:
            at, n = self.starts[index], len(self.names[index])
            del self.names[index], self.starts[index]
            self.starts[index:] = [start - n for start in self.starts[index:]]
        del self.mss[index], self.seqs[index], self.values[at : at + n]
        if sealed:
            self.seal()

    def drop_first(self, count: int) -> None:
        """Remove the first ``count`` entries: O(1)."""
        self.start += count
        self.deleted += count

    def copy(self) -> Block:
        """An independent block."""
        other = Block(self.first, self.fields)
        other.last, other.start, other.deleted, other.size = self.last, self.start, self.deleted, self.size
        other.mss, other.seqs = self.mss[:], self.seqs[:]
        other.names = None if self.names is None else self.names[:]
        other.starts, other.values = self.starts[:], self.values[:]
        other.packed, other.ends = self.packed, None if self.ends is None else self.ends[:]
        return other


class StreamObj:
    """Entries by ID, and consumer groups by name."""

    __slots__ = ("blocks", "entries_added", "first_id", "firsts", "groups", "last_id", "length", "max_deleted_id")

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.firsts: list[int] = []
        """The ID with which each block began."""
        self.length = 0
        self.last_id = 0
        self.first_id = 0
        """The ID of the first entry; 0 if there is none."""
        self.max_deleted_id = 0
        self.entries_added = 0
        self.groups: dict[bytes, Group] = {}

    def __len__(self) -> int:
        return self.length

    def encoding(self) -> str:
        """What OBJECT ENCODING answers."""
        return "stream"

    def copy(self) -> StreamObj:
        """An independent stream with its groups: O(n)."""
        o = StreamObj()
        o.blocks = [block.copy() for block in self.blocks]
        o.firsts = self.firsts[:]
        o.length, o.last_id, o.first_id = self.length, self.last_id, self.first_id
        o.max_deleted_id, o.entries_added = self.max_deleted_id, self.entries_added
        o.groups = {name: group.copy() for name, group in self.groups.items()}
        return o

    # --- adding ---------------------------------------------------------------------------------------------------

    def next_id(self, now_ms: int) -> int:
        """The ID of an entry that is added now: the time, or what follows the last ID if that is not earlier."""
        return now_ms << 64 if now_ms > self.last_id >> 64 else self.last_id + 1

    def append(self, entry_id: int, flat: Sequence[bytes], max_bytes: int, max_entries: int) -> None:
        """Add an entry (field, value, field, value …) whose ID is above ``last_id``: O(1).

        ``max_bytes`` and ``max_entries`` are ``stream-node-max-bytes`` and ``-entries``; 0 = no limit.
        """
        fields, values = tuple(flat[::2]), flat[1::2]
        block = self.blocks[-1] if self.blocks else None
        if block is not None:
            if fields == block.fields:
                fields = block.fields
            most = max_bytes if 0 < max_bytes < _MAX_NODE else _MAX_NODE
            full = block.node_bytes() + sum(map(len, flat)) >= most
            if full or (max_entries and len(block) + block.deleted >= max_entries) or entry_id <= block.first:
                block.seal()
                block = None
        if block is None:
            if self.blocks and entry_id <= self.firsts[-1]:
                self._drop_blocks(len(self.blocks) - 1, len(self.blocks))  # its entries are gone: see the invariants
            block = Block(entry_id, fields)
            self.blocks.append(block)
            self.firsts.append(entry_id)
        block.append(entry_id, fields, values)
        self.length += 1
        self.entries_added += 1
        self.last_id = entry_id
        if self.length == 1:
            self.first_id = entry_id

    def set_id(self, last_id: int, entries_added: int, max_deleted_id: int) -> None:
        """XSETID; ``entries_added`` -1 and ``max_deleted_id`` 0 leave these alone."""
        self.last_id = last_id
        if entries_added != -1:
            self.entries_added = entries_added
        if max_deleted_id:
            self.max_deleted_id = max_deleted_id

    # --- reading --------------------------------------------------------------------------------------------------

    def _locate(self, entry_id: int) -> int:
        """The number of the block in which the ID is, or would be."""
        return max(bisect_right(self.firsts, entry_id) - 1, 0)

    def __contains__(self, entry_id: object) -> bool:
        return isinstance(entry_id, int) and next(self.range(entry_id, entry_id), None) is not None

    def range(self, low: int, high: int) -> Iterator[Entry]:
        """Entries from ``low`` to ``high``, both included: O(log n) to the first."""
        number = self._locate(low)
        while number < len(self.blocks):
            block = self.blocks[number]
            if block.first > high:
                return
            mss, seqs = block.mss, block.seqs
            stop = len(mss) if block.last <= high else block.find(high + 1)
            for index in range(block.find(low) if block.first < low else block.start, stop):
                yield mss[index], seqs[index], block.flat(index)
            number += 1

    def reverse_range(self, low: int, high: int) -> Iterator[Entry]:
        """The same from ``high`` down to ``low``."""
        for number in range(self._locate(high), -1, -1):
            if number >= len(self.blocks):
                return
            block = self.blocks[number]
            if block.last < low:
                return
            mss, seqs = block.mss, block.seqs
            stop = len(mss) if block.last <= high else block.find(high + 1)
            begin = block.find(low) if block.first < low else block.start
            for index in range(stop - 1, begin - 1, -1):
                yield mss[index], seqs[index], block.flat(index)

    def ids(self) -> Iterator[int]:
        """All IDs in order."""
        for block in self.blocks:
            for index in range(block.start, len(block.mss)):
                yield block.id_at(index)

    def last_entry_id(self) -> int:
        """The highest ID that is there; 0 if there is none."""
        for block in reversed(self.blocks):
            if len(block):
                return block.id_at(len(block.mss) - 1)
        return 0

    def _lowest(self) -> int:
        for block in self.blocks:
            if len(block):
                return block.id_at(block.start)
        return 0

    # --- removing -------------------------------------------------------------------------------------------------

    def _drop_blocks(self, begin: int, end: int) -> None:
        del self.blocks[begin:end], self.firsts[begin:end]

    def delete(self, entry_id: int) -> bool:
        """Remove an entry; True if it was there: O(log n)."""
        if not self.blocks:
            return False
        number = self._locate(entry_id)
        block = self.blocks[number]
        index = block.find(entry_id)
        if index == len(block.mss) or block.id_at(index) != entry_id:
            return False
        if len(block) == 1:
            self._drop_blocks(number, number + 1)
        else:
            block.remove(index)
        self.length -= 1
        self.max_deleted_id = max(self.max_deleted_id, entry_id)
        if entry_id == self.first_id or not self.length:
            self.first_id = self._lowest()
        return True

    def trim_to_length(self, most: int, approximately: bool, limit: int, forget: bool = False) -> int:
        """Remove the oldest entries until ``most`` are left; returns how many: O(blocks removed).

        ``approximately`` removes whole blocks only; ``limit`` (0 = none) is how many entries may be looked at. With
        ``forget`` no group has them pending any more: O(entries removed).
        """
        removed = number = surplus = 0
        while number < len(self.blocks) and self.length - removed > most:
            block = self.blocks[number]
            entries = len(block)
            if limit and removed + entries > limit:
                break
            if self.length - removed - entries < most:
                if not approximately:
                    surplus = self.length - removed - most
                break
            removed += entries
            number += 1
        return self._trim(number, surplus, removed + surplus, forget)

    def trim_below(self, min_id: int, approximately: bool, limit: int, forget: bool = False) -> int:
        """Remove the entries with lower IDs than ``min_id``; the rest as for :meth:`trim_to_length`."""
        removed = number = surplus = 0
        while number < len(self.blocks):
            block = self.blocks[number]
            entries = len(block)
            if limit and removed + entries > limit:
                break
            if block.last >= min_id:
                if not approximately:
                    surplus = block.find(min_id) - block.start
                break
            removed += entries
            number += 1
        return self._trim(number, surplus, removed + surplus, forget)

    def _trim(self, blocks: int, surplus: int, entries: int, forget: bool) -> int:
        """Remove the first ``blocks`` and ``surplus`` entries of the next one, in all ``entries``; returns these."""
        if forget and self.groups:
            for entry_id in islice(self.ids(), entries):
                self.forget(entry_id)
        if surplus:
            self.blocks[blocks].drop_first(surplus)
        self._drop_blocks(0, blocks)
        self.length -= entries
        if entries:
            self.first_id = self._lowest()
        elif not self.length:
            self.first_id = 0
        return entries

    # --- what groups refer to -------------------------------------------------------------------------------------

    def is_needed(self, entry_id: int) -> bool:
        """Whether a group has yet to read an entry, or to acknowledge it."""
        return any(group.last_id < entry_id or group.pending.get(entry_id) for group in self.groups.values())

    def forget(self, entry_id: int) -> bool:
        """Have no group wait for an entry's acknowledgement; True if one did."""
        return sum([group.forget(entry_id) for group in self.groups.values()]) > 0

    def trim_done(self, most: int, min_id: int, approximately: bool, limit: int) -> int:
        """Remove the oldest of the entries that no group needs, below ``min_id`` and until ``most`` are left.

        What is needed stays, and what follows it may go: O(entries looked at). The rest as for :meth:`trim_to_length`.
        """
        doomed: list[int] = []
        kept = looked_at = 0
        for block in self.blocks:
            looked_at += len(block)
            whole = block.last < min_id and self.length - len(doomed) - len(block) >= most
            if (limit and looked_at > limit) or (approximately and not whole):
                break
            for index in range(block.start, len(block.mss)):
                entry_id = block.id_at(index)
                if entry_id >= min_id or self.length - len(doomed) <= most:
                    break
                if self.is_needed(entry_id):
                    kept = kept or entry_id
                else:
                    doomed.append(entry_id)
        max_deleted_id = self.max_deleted_id
        for entry_id in doomed:
            self.delete(entry_id)
        if not kept or not doomed or doomed[-1] < kept:
            self.max_deleted_id = max_deleted_id  # only the beginning went, as when trimming
        return len(doomed)

    # --- how far a reader is --------------------------------------------------------------------------------------

    def has_tombstones(self, low: int, compat: int) -> bool:
        """Whether an entry may have been removed from the middle at ``low`` or later; ``compat`` as for :meth:`lag`."""
        if not self.length or not self.max_deleted_id:
            return False
        if self.first_id > self.max_deleted_id and compat < _EXACT_LAG:
            return False
        return low <= self.max_deleted_id <= self.last_id

    def estimate_read(self, entry_id: int) -> int | None:
        """How many entries were ever added up to an ID, where that can be told without counting; None if not."""
        if not self.entries_added:
            return 0
        if not self.length and entry_id <= self.last_id:
            return self.entries_added
        if entry_id == self.last_id:
            return self.entries_added
        if entry_id > self.last_id:
            return None
        if not self.max_deleted_id or self.max_deleted_id < self.first_id:
            if entry_id < self.first_id:
                return self.entries_added - self.length
            if entry_id == self.first_id:
                return self.entries_added - self.length + 1
        return None

    def lag(self, group: Group, compat: int) -> int | None:
        """How many entries a group has not read yet; None if that cannot be told.

        ``compat`` is the release (704 = 7.4) by whose rules it is told: 7.4.2 learned what trimming does to it.
        """
        if not self.entries_added:
            return 0
        if compat >= _EXACT_LAG:
            if not self.length:
                return 0
            if group.last_id < self.first_id and self.max_deleted_id < self.first_id:
                return self.length
        if group.entries_read is not None and not self.has_tombstones(group.last_id, compat):
            return self.entries_added - group.entries_read
        read = self.estimate_read(group.last_id)
        return None if read is None else self.entries_added - read

    def delivered(self, group: Group, entry_id: int, compat: int) -> None:
        """A group read a new entry: move its place there. ``compat`` as for :meth:`lag`."""
        if compat < _EXACT_LAG:
            counts = not self.has_tombstones(entry_id, compat)
        else:
            counts = group.last_id >= self.first_id and not self.has_tombstones(group.last_id, compat)
        if group.entries_read is not None and counts:
            group.entries_read += 1
        elif self.entries_added:
            group.entries_read = self.estimate_read(entry_id)
        group.last_id = entry_id

    # --- inspection -----------------------------------------------------------------------------------------------

    def tree_nodes(self) -> int:
        """The nodes of Redis's radix tree of the blocks' IDs: O(blocks).

        A leaf for each; a node for each place where IDs part; one for each stretch without a branch in between.
        """
        keys = [first.to_bytes(_ID_BYTES, "big") for first in self.firsts]
        if not keys:
            return 1
        return _tree_nodes(keys)

    def check(self) -> None:
        """Raise AssertionError if an invariant is broken."""
        assert self.firsts == [block.first for block in self.blocks] == sorted(set(self.firsts))
        assert self.length == sum(map(len, self.blocks))
        assert self.first_id == self._lowest()
        ids = list(self.ids())
        assert ids == sorted(set(ids)) and (not ids or ids[-1] <= self.last_id)
        for block in self.blocks:
            assert len(block.mss) == len(block.seqs)
            widths = [len(names) for names in block.names or [block.fields] * len(block.mss)]
            assert sum(widths) == len(block.values if block.ends is None else block.ends)
            assert block.names is None or block.starts == [0, *accumulate(widths)][:-1]
            assert block is self.blocks[-1] or block.ends is not None
        for group in self.groups.values():
            group.check()


def _tree_nodes(keys: list[bytes]) -> int:
    """Nodes of a radix tree with compressed stretches over sorted keys of one length."""
    end = len(keys[0])
    # Depths at which the paths of the key at hand have parted from others, ascending.
    branches: list[int] = []
    nodes = 0
    for before, after in zip(keys, [*keys[1:], None]):
        # The last branch of the path to `before` is either above it or where it parts from its successor.
        parts = -1 if after is None else next(i for i in range(end) if before[i] != after[i])
        nodes += 1  # the leaf
        below = end
        while branches and branches[-1] > parts:
            depth = branches.pop()
            nodes += (below > depth + 1) + 1  # the stretch below this branch, and the branch
            below = depth
        if parts < 0:
            nodes += below > 0  # the stretch from the root
        elif branches and branches[-1] == parts:
            nodes += below > parts + 1
        else:
            nodes += below > parts + 1
            branches.append(parts)
    return nodes
