"""Positions on the earth, kept as scores of sorted sets: adding, distances, hashes, coordinates."""

from __future__ import annotations

from typing import Final

from pyredis.core.args import read_zset, syntax_error, write_zset
from pyredis.core.client import Client
from pyredis.core.command import (
    CMD_DENYOOM,
    CMD_READONLY,
    CMD_WRITE,
    KEY_ACCESS,
    KEY_RO,
    KEY_RW,
    KEY_UPDATE,
    K,
    command,
)
from pyredis.core.geo import get_position, get_unit, position_reply
from pyredis.core.propagate import rewrite
from pyredis.core.zsets import add_scores
from pyredis.engines.zset import ADDED, NO_CHANGE, ZSetObj
from pyredis.keyspace.modified import modified
from pyredis.keyspace.state import NOTIFY_ZSET
from pyredis.lib import geohash
from pyredis.resp.reply import NULL, NULL_ARRAY, ONE, ZERO, array, bulk


@command(
    b"GEOADD",
    -5,
    CMD_WRITE | CMD_DENYOOM,
    keys=(K(1, KEY_RW | KEY_UPDATE),),
    group="geo",
    since="3.2.0",
    summary="Add members with their positions, or move them.",
    complexity="O(log(N)) for each item added, where N is the number of elements in the sorted set.",
    usage="key condition=[NX|XX]@6.2.0 [change=CH]@6.2.0 (longitude:double latitude:double member)...",
    history=(("6.2.0", "Added the `CH`, `NX` and `XX` options."),),
)
def geoadd_command(c: Client, argv: list[bytes]) -> bytes | None:
    if len(argv) == 5:
        return _add_one(c, argv)
    nx = xx = ch = False
    at = 2
    while at < len(argv):
        word = argv[at].upper()
        if word == b"NX":
            nx = True
        elif word == b"XX":
            xx = True
        elif word == b"CH":
            ch = True
        else:
            break
        at += 1
    if (len(argv) - at) % 3 or (nx and xx):
        raise syntax_error()
    scored: list[bytes] = []
    for i in range(at, len(argv), 3):
        scored += (b"%d" % geohash.encode(*get_position(argv, i)), argv[i + 2])
    zadd = [b"zadd", argv[1], *argv[2:at], *scored]
    dirty = c.server.dirty
    reply = add_scores(c, zadd, at, (nx, xx, False, False, ch, False))
    if c.server.dirty != dirty:
        rewrite(c, zadd)  # to the append-only file and to replicas it is one
    return reply


def _add_one(c: Client, argv: list[bytes]) -> bytes:
    """GEOADD of one member without options; anything that is none fails for its position."""
    if argv[2].upper() in _OPTIONS:
        raise syntax_error()
    score = geohash.encode(*get_position(argv, 2))
    db, key, config = c.db, argv[1], c.server.config
    value = write_zset(db, key)
    if value is None:
        value = ZSetObj()
        db.add(key, value)
    change = value.add(argv[4], float(score), config.zset_max_listpack_entries, config.zset_max_listpack_value)
    if change == NO_CHANGE:
        return ZERO
    if c.server.feeders:
        rewrite(c, [b"zadd", key, b"%d" % score, argv[4]])  # to the append-only file and to replicas it is one
    modified(db, key, 1, NOTIFY_ZSET, b"zadd")
    return ONE if change == ADDED else ZERO


_OPTIONS: Final = (b"NX", b"XX", b"CH")


@command(
    b"GEODIST",
    -4,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="geo",
    since="3.2.0",
    summary="Return the distance between two members.",
    complexity="O(log(N))",
    usage="key member1 member2 unit=[M|KM|FT|MI]",
)
def geodist_command(c: Client, argv: list[bytes]) -> bytes | None:
    unit = 1.0
    if len(argv) == 5:
        unit = get_unit(argv[4])
    elif len(argv) > 5:
        raise syntax_error()
    value = read_zset(c.db, argv[1])
    if value is None:
        return NULL[c.resp]
    first, second = value.score(argv[2]), value.score(argv[3])
    if first is None or second is None:
        return NULL[c.resp]
    length = geohash.distance(geohash.place(first), geohash.place(second))
    return bulk(geohash.format_distance(length / unit))


@command(
    b"GEOHASH",
    -2,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="geo",
    since="3.2.0",
    summary="Return the positions of members as geohash strings.",
    complexity="O(log(N)) for each member requested, where N is the number of elements in the sorted set.",
    usage="key member...",
)
def geohash_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = read_zset(c.db, argv[1])
    scores = [None if value is None else value.score(member) for member in argv[2:]]
    return array([NULL[c.resp] if score is None else bulk(geohash.text(score)) for score in scores])


@command(
    b"GEOPOS",
    -2,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="geo",
    since="3.2.0",
    summary="Return the longitudes and latitudes of members.",
    complexity="O(N) where N is the number of members requested.",
    usage="key member...",
)
def geopos_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = read_zset(c.db, argv[1])
    scores = [None if value is None else value.score(member) for member in argv[2:]]
    null = NULL_ARRAY[c.resp]
    return array([null if score is None else position_reply(geohash.place(score)[:2], c.resp) for score in scores])
