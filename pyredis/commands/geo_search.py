"""Geo: members inside a circle or a box, returned or stored, by GEOSEARCH and the older GEORADIUS commands."""

from __future__ import annotations

from typing import Final

from pyredis.core.args import get_float, get_int, read_zset, syntax_error
from pyredis.core.client import Client
from pyredis.core.command import (
    CMD_DENYOOM,
    CMD_MOVABLEKEYS,
    CMD_READONLY,
    CMD_WRITE,
    KEY_ACCESS,
    KEY_OW,
    KEY_RO,
    KEY_UPDATE,
    K,
    KWord,
    command,
)
from pyredis.core.geo import get_position, get_unit, position_reply
from pyredis.core.zsets import store_zset
from pyredis.engines.zset import ZSetObj
from pyredis.lib.geo_areas import Found, Shape, divisible
from pyredis.lib.geohash import Position, format_distance, place
from pyredis.lib.partialsort import smallest
from pyredis.resp.errors import CommandError, c_text
from pyredis.resp.reply import EMPTY_ARRAY, array, array_header, bulk, bulk_array, integer

_FEW: Final = 48
"""So many members are sooner looked at than divided by the parts of their cell."""
_MANY: Final = 10_000
"""So many candidates are looked at before more are gathered."""

_UNIT: Final = "unit=(M|KM|FT|MI)"
_COUNT: Final = "count=[COUNT count:int [ANY]]"
_WITH: Final = "[WITHCOORD] [WITHDIST] [WITHHASH]"
_AREA: Final = (
    "from=(FROMMEMBER member | FROMLONLAT (longitude:double latitude:double)) "
    f"by=(circle=(BYRADIUS radius:double {_UNIT}) | box=(BYBOX width:double height:double {_UNIT})) "
    f"order=[ASC|DESC] {_COUNT}"
)
_OLD_OPTIONS: Final = f"{_WITH} {_COUNT} order=[ASC|DESC]"
_OLD_OPTIONS_6_2: Final = f"{_WITH} count=[COUNT count:int [ANY]@6.2.0] order=[ASC|DESC]"
_OLD_STORE: Final = "[STORE key:key#1] [STOREDIST key:key#2]"
_SEARCH_COMPLEXITY: Final = (
    "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area around the shape provided as "
    "the filter and M is the number of items inside the shape"
)
_RADIUS_COMPLEXITY: Final = (
    "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area delimited by center "
    "and radius and M is the number of items inside the index."
)
_UPPERCASE_UNITS: Final = ("7.0.0", "Added support for uppercase unit names.")
_ANY_ADDED: Final = ("6.2.0", "Added the `ANY` option for `COUNT`.")


class _Query:
    """The parsed arguments. ``order`` is b"ASC", b"DESC" or empty; ``count`` 0 means all."""

    __slots__ = (
        "any",
        "count",
        "order",
        "shape",
        "store",
        "store_dist",
        "with_coord",
        "with_dist",
        "with_hash",
    )

    def __init__(self) -> None:
        self.shape = Shape()
        self.order = b""
        self.count = 0
        self.any = False
        self.with_coord = self.with_dist = self.with_hash = False
        self.store: bytes | None = None
        self.store_dist = False


def _member_position(value: ZSetObj, member: bytes) -> Position:
    score = value.score(member)
    if score is None:
        raise CommandError(b"ERR could not decode requested zset member")
    return place(score)[:2]


def _parse_circle(shape: Shape, argv: list[bytes], at: int) -> None:
    """``radius unit``."""
    radius = get_float(argv[at], b"ERR need numeric radius")
    if radius < 0:
        raise CommandError(b"ERR radius cannot be negative")
    shape.unit = get_unit(argv[at + 1])
    shape.radius = radius


def _parse_box(shape: Shape, argv: list[bytes], at: int) -> None:
    """``width height unit``."""
    width = get_float(argv[at], b"ERR need numeric width")
    height = get_float(argv[at + 1], b"ERR need numeric height")
    if height < 0 or width < 0:
        raise CommandError(b"ERR height or width cannot be negative")
    shape.unit = get_unit(argv[at + 2])
    shape.width, shape.height, shape.radius = width, height, None


def _parse_common(q: _Query, argv: list[bytes], at: int) -> int:
    """An option that all the commands have: how many arguments it took, 0 if there is none at ``at``."""
    word = argv[at].upper()
    if word == b"WITHDIST":
        q.with_dist = True
    elif word == b"WITHHASH":
        q.with_hash = True
    elif word == b"WITHCOORD":
        q.with_coord = True
    elif word == b"ANY":
        q.any = True
    elif word in (b"ASC", b"DESC"):
        q.order = word
    elif word == b"COUNT" and at + 1 < len(argv):
        q.count = get_int(argv[at + 1])
        if q.count <= 0:
            raise CommandError(b"ERR COUNT must be > 0")
        return 2
    else:
        return 0
    return 1


def _check_common(q: _Query, stores: bytes) -> None:
    if q.store is not None and (q.with_dist or q.with_hash or q.with_coord):
        raise CommandError(b"ERR %b is not compatible with WITHDIST, WITHHASH and WITHCOORD options" % stores)


def _parse_search(argv: list[bytes], value: ZSetObj | None, stores: bool) -> _Query:
    """GEOSEARCH's and GEOSEARCHSTORE's arguments; a member's position is looked up where it is named."""
    q = _Query()
    q.store = argv[1] if stores else None
    at = 3 if stores else 2
    center, area = b"", b""
    while at < len(argv):
        taken = _parse_common(q, argv, at)
        if not taken:
            word = argv[at].upper()
            left = len(argv) - at - 1
            if word == b"STOREDIST" and stores:
                q.store_dist = True
                taken = 1
            elif word == b"FROMMEMBER" and left >= 1 and center != b"FROMLONLAT":
                if value is not None:
                    q.shape.center = _member_position(value, argv[at + 1])
                center = word
                taken = 2
            elif word == b"FROMLONLAT" and left >= 2 and center != b"FROMMEMBER":
                q.shape.center = get_position(argv, at + 1)
                center = word
                taken = 3
            elif word == b"BYRADIUS" and left >= 2 and area != b"BYBOX":
                _parse_circle(q.shape, argv, at + 1)
                area = word
                taken = 3
            elif word == b"BYBOX" and left >= 3 and area != b"BYRADIUS":
                _parse_box(q.shape, argv, at + 1)
                area = word
                taken = 4
            else:
                raise syntax_error()
        at += taken
    _check_common(q, b"GEOSEARCHSTORE")
    if not center:
        raise CommandError(b"ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for %b" % c_text(argv[0]))
    if not area:
        raise CommandError(b"ERR exactly one of BYRADIUS and BYBOX can be specified for %b" % c_text(argv[0]))
    return q


def _parse_radius(argv: list[bytes], value: ZSetObj | None, by_member: bool, may_store: bool) -> _Query:
    """The arguments of the GEORADIUS commands."""
    q = _Query()
    if not by_member:
        q.shape.center = get_position(argv, 2)
        _parse_circle(q.shape, argv, 4)
    elif value is not None:
        q.shape.center = _member_position(value, argv[2])
        _parse_circle(q.shape, argv, 3)
    at = 5 if by_member else 6
    while at < len(argv):
        taken = _parse_common(q, argv, at)
        if not taken:
            word = argv[at].upper()
            if word not in (b"STORE", b"STOREDIST") or not may_store or at + 1 >= len(argv):
                raise syntax_error()
            q.store = argv[at + 1]
            q.store_dist = word == b"STOREDIST"
            taken = 2
        at += taken
    _check_common(q, b"STORE option in GEORADIUS")
    return q


def _search(value: ZSetObj, q: _Query) -> list[Found]:
    """All members inside, in the order of their cells; with ANY, the first ``count``."""
    found: list[Found] = []
    limit = q.count if q.any else 0
    frame, areas = q.shape.plan()
    order = value.ordered()
    # Candidates are gathered over the cells, as one look at many is cheaper than many looks.
    members: list[bytes] = []
    scores: list[float] = []
    waiting = list(reversed(areas))
    while waiting:
        area = waiting.pop()
        c, first, last, end = order.span(area[0], area[1])
        if (c != last or end - first > _FEW) and divisible(area) and not frame.covers(area):
            waiting += frame.parts(area)
            continue
        while c < last or (c == last and first < end):
            stop = end if c == last else None
            members += order.chunks[c][first:stop]
            scores += order.scores[c][first:stop]
            c += 1
            first = 0
            if limit or len(members) >= _MANY:
                frame.select(members, scores, found, limit)
                members, scores = [], []
                if limit and len(found) == limit:
                    return found
    frame.select(members, scores, found, limit)
    return found


def _sorted(found: list[Found], q: _Query) -> list[Found]:
    """In the order that is asked for, and no more than the count."""
    if not q.order and (not q.count or q.any):
        return found  # ANY has counted already
    descending = q.order == b"DESC"
    if not q.count or len(found) <= q.count:
        return sorted(found, key=lambda one: -one[0] if descending else one[0])
    keys = [-one[0] if descending else one[0] for one in found]
    return [found[at] for at in smallest(keys, q.count)]


def _reply(c: Client, q: _Query, found: list[Found]) -> bytes:
    extras = q.with_dist + q.with_hash + q.with_coord
    if not extras:
        return bulk_array([member for _, member, _, _ in found])
    items: list[bytes] = []
    header = array_header(extras + 1)
    for length, member, score, there in found:
        item = header + bulk(member)
        if q.with_dist:
            item += bulk(format_distance(length / q.shape.unit))
        if q.with_hash:
            item += integer(int(score))
        if q.with_coord:
            item += position_reply(there[:2], c.resp)
        items.append(item)
    return array(items)


def _run(c: Client, q: _Query, value: ZSetObj | None, event: bytes) -> bytes:
    if q.any and not q.count:
        raise CommandError(b"ERR the ANY argument requires COUNT argument")
    found = _sorted(_search(value, q), q) if value is not None else []
    if q.store is not None:
        unit = q.shape.unit
        scores = {member: length / unit if q.store_dist else score for length, member, score, _ in found}
        return store_zset(c, q.store, scores, event, len(scores))
    return _reply(c, q, found) if found else EMPTY_ARRAY


def _radius(c: Client, argv: list[bytes], by_member: bool, may_store: bool) -> bytes:
    value = read_zset(c.db, argv[1])
    return _run(c, _parse_radius(argv, value, by_member, may_store), value, b"georadiusstore")


def radius_get_keys(argv: list[bytes]) -> list[tuple[int, int]]:
    """The key to search, and the last STORE's or STOREDIST's."""
    store = 0
    at = 5
    while at + 1 < len(argv):
        if argv[at].upper() in (b"STORE", b"STOREDIST"):
            store = at + 1
            at += 1
        at += 1
    found = [(1, KEY_RO | KEY_ACCESS)]
    if store:
        found.append((store, KEY_OW | KEY_UPDATE))
    return found


@command(
    b"GEOSEARCH",
    -7,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="geo",
    since="6.2.0",
    summary="Return the members inside a circle or a box.",
    complexity=_SEARCH_COMPLEXITY,
    usage=f"key {_AREA} {_WITH}",
    history=(_UPPERCASE_UNITS,),
)
def geosearch_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = read_zset(c.db, argv[1])
    return _run(c, _parse_search(argv, value, False), value, b"")


@command(
    b"GEOSEARCHSTORE",
    -8,
    CMD_WRITE | CMD_DENYOOM,
    keys=(K(1, KEY_OW | KEY_UPDATE), K(2, KEY_RO | KEY_ACCESS)),
    group="geo",
    since="6.2.0",
    summary="Store the members inside a circle or a box.",
    complexity=_SEARCH_COMPLEXITY,
    usage=f"destination:key source:key#1 {_AREA} [STOREDIST]",
    history=(_UPPERCASE_UNITS,),
)
def geosearchstore_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = read_zset(c.db, argv[2])
    return _run(c, _parse_search(argv, value, True), value, b"geosearchstore")


@command(
    b"GEORADIUS",
    -6,
    CMD_WRITE | CMD_DENYOOM | CMD_MOVABLEKEYS,
    keys=(
        K(1, KEY_RO | KEY_ACCESS),
        KWord(b"STORE", 6, KEY_OW | KEY_UPDATE),
        KWord(b"STOREDIST", 6, KEY_OW | KEY_UPDATE),
    ),
    get_keys=radius_get_keys,
    group="geo",
    since="3.2.0",
    summary="Return or store the members within a distance of a position.",
    complexity=_RADIUS_COMPLEXITY,
    usage=f"key longitude:double latitude:double radius:double {_UNIT} {_OLD_OPTIONS_6_2} {_OLD_STORE}",
    history=(_ANY_ADDED, _UPPERCASE_UNITS),
    deprecated_since="6.2.0",
    replaced_by="`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument",
    doc_flags=("deprecated",),
)
def georadius_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _radius(c, argv, False, True)


@command(
    b"GEORADIUS_RO",
    -6,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="geo",
    since="3.2.10",
    summary="Return the members within a distance of a position.",
    complexity=_RADIUS_COMPLEXITY,
    usage=f"key longitude:double latitude:double radius:double {_UNIT} {_OLD_OPTIONS_6_2}",
    history=(_ANY_ADDED,),
    deprecated_since="6.2.0",
    replaced_by="`GEOSEARCH` with the `BYRADIUS` argument",
    doc_flags=("deprecated",),
)
def georadius_ro_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _radius(c, argv, False, False)


@command(
    b"GEORADIUSBYMEMBER",
    -5,
    CMD_WRITE | CMD_DENYOOM | CMD_MOVABLEKEYS,
    keys=(
        K(1, KEY_RO | KEY_ACCESS),
        KWord(b"STORE", 5, KEY_OW | KEY_UPDATE),
        KWord(b"STOREDIST", 5, KEY_OW | KEY_UPDATE),
    ),
    get_keys=radius_get_keys,
    group="geo",
    since="3.2.0",
    summary="Return or store the members within a distance of a member.",
    complexity=_RADIUS_COMPLEXITY,
    usage=f"key member radius:double {_UNIT} {_OLD_OPTIONS} {_OLD_STORE}",
    history=(_UPPERCASE_UNITS,),
    deprecated_since="6.2.0",
    replaced_by="`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
    doc_flags=("deprecated",),
)
def georadiusbymember_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _radius(c, argv, True, True)


@command(
    b"GEORADIUSBYMEMBER_RO",
    -5,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="geo",
    since="3.2.10",
    summary="Return the members within a distance of a member.",
    complexity=_RADIUS_COMPLEXITY,
    usage=f"key member radius:double {_UNIT} {_OLD_OPTIONS}",
    deprecated_since="6.2.0",
    replaced_by="`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments",
    doc_flags=("deprecated",),
)
def georadiusbymember_ro_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _radius(c, argv, True, False)
