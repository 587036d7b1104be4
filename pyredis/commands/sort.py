"""SORT and SORT_RO: the elements of a list, set or sorted set in the order of numbers, of bytes, or of other keys."""

from __future__ import annotations

from typing import Final

from pyredis.core.args import get_int, syntax_error
from pyredis.core.client import Client
from pyredis.core.command import (
    ACL_DANGEROUS,
    ACL_LIST,
    ACL_SET,
    ACL_SORTEDSET,
    CMD_DENYOOM,
    CMD_MOVABLEKEYS,
    CMD_READONLY,
    CMD_WRITE,
    KEY_ACCESS,
    KEY_OW,
    KEY_RO,
    KEY_UPDATE,
    K,
    KUnknown,
    command,
)
from pyredis.core.dispatch import lookup_command
from pyredis.engines.hash import HashObj
from pyredis.engines.list import ListObj
from pyredis.engines.set import SetObj
from pyredis.engines.zset import ZSetObj
from pyredis.keyspace.db import Database
from pyredis.keyspace.modified import modified
from pyredis.keyspace.state import NOTIFY_GENERIC, NOTIFY_LIST
from pyredis.lib.fpconv import strtod
from pyredis.resp.errors import WRONGTYPE, CommandError
from pyredis.resp.reply import ZERO, bulk_array, bulk_array_or_nulls, integer

_ACL: Final = ACL_SET | ACL_SORTEDSET | ACL_LIST | ACL_DANGEROUS
_COMPLEXITY: Final = (
    "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number of returned "
    "elements. When the elements are not sorted, complexity is O(N)."
)
_UNKNOWN_PATTERNS: Final = (
    "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the key "
    "we sort"
)
_UNKNOWN_STORE: Final = (
    "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere in the argument "
    "array"
)
_Sortable = ListObj | SetObj | ZSetObj


class _Options:
    """What follows the key. ``by`` is None without BY; ``nosort``: the BY pattern names no key for each element."""

    __slots__ = ("alpha", "by", "count", "desc", "get", "nosort", "offset", "store")

    def __init__(self) -> None:
        self.alpha = self.desc = self.nosort = False
        self.by: bytes | None = None
        self.get: list[bytes] = []
        self.offset = 0
        self.count = -1
        self.store: bytes | None = None


def _parse(argv: list[bytes], may_store: bool, may_read_all: bool) -> _Options:
    o = _Options()
    at = 2
    while at < len(argv):
        word = argv[at].upper()
        left = len(argv) - at - 1
        if word == b"ASC":
            o.desc = False
        elif word == b"DESC":
            o.desc = True
        elif word == b"ALPHA":
            o.alpha = True
        elif word == b"LIMIT" and left >= 2:
            o.offset, o.count = get_int(argv[at + 1]), get_int(argv[at + 2])
            at += 2
        elif word == b"STORE" and left and may_store:
            o.store = argv[at + 1]
            at += 1
        elif word == b"BY" and left:
            o.by = argv[at + 1]
            # Once said, it holds even if a later BY names keys: as in Redis.
            o.nosort |= b"*" not in _c_string(o.by)
            if not may_read_all and b"*" in _c_string(o.by):
                raise CommandError(b"ERR BY option of SORT denied due to insufficient ACL permissions.")
            at += 1
        elif word == b"GET" and left:
            o.get.append(argv[at + 1])
            if not may_read_all:
                raise CommandError(b"ERR GET option of SORT denied due to insufficient ACL permissions.")
            at += 1
        else:
            raise syntax_error()
        at += 1
    return o


def _c_string(text: bytes) -> bytes:
    """What Redis sees where it reads a C string: all before the first zero byte."""
    return text.partition(b"\0")[0] if b"\0" in text else text


class _Pattern:
    """``weight_*``, ``object_*->field`` or ``#``: which value belongs to an element."""

    __slots__ = ("field", "itself", "prefix", "suffix", "usable")

    def __init__(self, text: bytes) -> None:
        self.itself = text == b"#"
        star = _c_string(text).find(b"*")
        self.usable = star >= 0
        self.field: bytes | None = None
        arrow = _c_string(text).find(b"->", star + 1)
        self.prefix, self.suffix = text[:star], text[star + 1 :]
        if arrow >= 0 and _c_string(text[arrow + 2 :]):
            self.suffix, self.field = text[star + 1 : arrow], text[arrow + 2 :]

    def value(self, db: Database, element: bytes) -> bytes | None:
        """The element itself, the string at its key, or the field of the hash there; None if there is none."""
        if self.itself:
            return element
        if not self.usable:
            return None
        found = db.lookup_read(self.prefix + element + self.suffix)
        if self.field is not None:
            return found.live_value(self.field, db.ks.mstime) if isinstance(found, HashObj) else None
        if type(found) is bytes:
            return found
        return bytes(found) if type(found) is bytearray else None


def _elements(value: _Sortable | None, o: _Options) -> list[bytes]:
    """All elements; those that are not to be sorted are in the order in which they are returned."""
    if value is None:
        return []
    if type(value) is ZSetObj:
        # Redis converts the sorted set for good, and so shows another encoding from now on.
        value.unpack()
        return value.members_by_rank(0, -1, o.nosort and o.desc)
    if type(value) is ListObj:
        elements = value.range(0, -1)
        if o.nosort and o.desc:
            elements.reverse()
        return elements
    return list(value)


def _sorted(db: Database, elements: list[bytes], o: _Options) -> list[bytes]:
    by = _Pattern(o.by) if o.by is not None else None
    weights: list[bytes | None] = list(elements) if by is None else [by.value(db, element) for element in elements]
    if o.alpha:
        # Plain ALPHA compares C strings (strcoll), with STORE whole ones: it must not depend on the locale.
        texts = [(weight is not None, weight or b"") for weight in weights]
        if o.store is None:
            texts = [(found, _c_string(text)) for found, text in texts]
        order = sorted(range(len(elements)), key=texts.__getitem__, reverse=o.desc)
        return [elements[i] for i in order]
    numbers: list[tuple[float, bytes]] = []
    for weight, element in zip(weights, elements, strict=True):
        number = 0.0 if weight is None else strtod(weight)
        if number is None:
            raise CommandError(b"ERR One or more scores can't be converted into double")
        numbers.append((number, element))
    # Elements of equal weight are in the order of their bytes, so the result never depends on how they are kept.
    numbers.sort(reverse=o.desc)
    return [element for _, element in numbers]


def _window(n: int, o: _Options) -> tuple[int, int]:
    """LIMIT as first position and position behind the last, within ``n`` elements."""
    start = min(max(o.offset, 0), n)
    return start, n if o.count < 0 else min(start + o.count, n)


def _may_read_all(c: Client, argv: list[bytes]) -> bool:
    """BY and GET read keys that no rule can foresee, so they need the right to read all."""
    if c.user.unrestricted:
        return True
    cmd = lookup_command(c.server, argv)
    return cmd is not None and c.user.may_read_all(cmd, argv)


def _sort(c: Client, argv: list[bytes], may_store: bool) -> bytes:
    o = _parse(argv, may_store, _may_read_all(c, argv))
    db = c.db
    value = db.lookup_read(argv[1])
    if value is not None and type(value) not in (ListObj, SetObj, ZSetObj):
        raise CommandError(WRONGTYPE)
    if o.nosort and type(value) is SetObj and o.store is not None:
        # A set has no order of its own; what is stored must be the same everywhere.
        o.nosort, o.alpha, o.by = False, True, None
    elements = _elements(value, o)
    if not o.nosort:
        elements = _sorted(db, elements, o)
    start, stop = _window(len(elements), o)
    elements = elements[start:stop]
    if o.get:
        patterns = [_Pattern(text) for text in o.get]
        results = [pattern.value(db, element) for element in elements for pattern in patterns]
    else:
        results = list(elements)
    if o.store is not None:
        return _store(db, o.store, [result or b"" for result in results])
    return bulk_array_or_nulls(results, c.resp) if o.get else bulk_array(elements)


def _store(db: Database, key: bytes, results: list[bytes]) -> bytes:
    """Make ``results`` the list at ``key``; nothing to store removes the key."""
    if results:
        db.set_key(key, ListObj(results))
        modified(db, key, len(results), NOTIFY_LIST, b"sortstore")
        return integer(len(results))
    if db.delete(key):
        modified(db, key, 1, NOTIFY_GENERIC, b"del")
    return ZERO


def sort_get_keys(argv: list[bytes]) -> list[tuple[int, int]]:
    """The key to sort, and the last STORE's."""
    store = 0
    at = 2
    while at < len(argv):
        word = argv[at].upper()
        if word == b"LIMIT":
            at += 2
        elif word in (b"GET", b"BY"):
            at += 1
        elif word == b"STORE" and at + 1 < len(argv):
            store = at + 1  # which is looked at as well: STORE STORE key
        at += 1
    found = [(1, KEY_RO | KEY_ACCESS)]
    if store:
        found.append((store, KEY_OW | KEY_UPDATE))
    return found


def sort_ro_get_keys(argv: list[bytes]) -> list[tuple[int, int]]:
    """The key to sort."""
    return [(1, KEY_RO | KEY_ACCESS)]


@command(
    b"SORT",
    -2,
    CMD_WRITE | CMD_DENYOOM | CMD_MOVABLEKEYS,
    keys=(
        K(1, KEY_RO | KEY_ACCESS),
        KUnknown(KEY_RO | KEY_ACCESS, _UNKNOWN_PATTERNS),
        KUnknown(KEY_OW | KEY_UPDATE, _UNKNOWN_STORE),
    ),
    get_keys=sort_get_keys,
    group="generic",
    since="1.0.0",
    summary="Return or store the elements of a list, set or sorted set in order.",
    complexity=_COMPLEXITY,
    usage=(
        "key [BY pattern#1] [LIMIT (offset:int count:int)] [GET pattern#1]... order=[ASC|DESC] [sorting=ALPHA]"
        " [STORE destination:key#2]"
    ),
    acl=_ACL,
)
def sort_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _sort(c, argv, True)


@command(
    b"SORT_RO",
    -2,
    CMD_READONLY | CMD_MOVABLEKEYS,
    keys=(K(1, KEY_RO | KEY_ACCESS), KUnknown(KEY_RO | KEY_ACCESS, _UNKNOWN_PATTERNS)),
    get_keys=sort_ro_get_keys,
    group="generic",
    since="7.0.0",
    summary="Return the elements of a list, set or sorted set in order.",
    complexity=_COMPLEXITY,
    usage="key [BY pattern#1] [LIMIT (offset:int count:int)] [GET pattern#1]... order=[ASC|DESC] [sorting=ALPHA]",
    acl=_ACL,
)
def sort_ro_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _sort(c, argv, False)
