"""What the commands on sorted sets share: adding, bounds by score, replies with scores, stored results, removals."""

from __future__ import annotations

from math import isnan

from pyredis.core.args import get_float, syntax_error, write_zset
from pyredis.core.client import Client
from pyredis.engines.zset import Pairs, ZSetObj
from pyredis.keyspace.modified import modified, notify
from pyredis.keyspace.state import NOTIFY_GENERIC, NOTIFY_ZSET
from pyredis.lib.fpconv import format_double, strtod_lenient
from pyredis.resp.errors import MIN_OR_MAX_NOT_A_FLOAT, RESULTING_SCORE_NAN, CommandError
from pyredis.resp.reply import NULL, ZERO, array_header, bulk, bulk_array, double, integer


def parse_score_bound(text: bytes) -> tuple[float, bool]:
    """``(5`` → (5.0, exclusive)."""
    if len(text) < 16 and text.isdigit():
        return float(text), False  # the usual case
    exclusive = text[:1] == b"("
    value = strtod_lenient(text[1:] if exclusive else text)
    if value is None:
        raise CommandError(MIN_OR_MAX_NOT_A_FLOAT)
    return value, exclusive


def add_scores(c: Client, argv: list[bytes], at: int, options: tuple[bool, bool, bool, bool, bool, bool]) -> bytes:
    """ZADD: ``score member …`` of ``argv`` from ``at`` on; ``options`` are NX, XX, GT, LT, CH and INCR."""
    nx, xx, gt, lt, ch, incr = options
    pairs = argv[at:]
    if not pairs or len(pairs) % 2:
        raise syntax_error()
    if nx and xx:
        raise CommandError(b"ERR XX and NX options at the same time are not compatible")
    if (gt and nx) or (lt and nx) or (gt and lt):
        raise CommandError(b"ERR GT, LT, and/or NX options at the same time are not compatible")
    if incr and len(pairs) > 2:
        raise CommandError(b"ERR INCR option supports a single increment-element pair")
    scores = [get_float(text) for text in pairs[::2]]
    db, key = c.db, argv[1]
    value = write_zset(db, key)
    is_new = value is None
    if value is None:
        if xx:
            return NULL[c.resp] if incr else ZERO
        value = ZSetObj()
    config = c.server.config
    entries, size = config.zset_max_listpack_entries, config.zset_max_listpack_value
    added = updated = processed = 0
    score = 0.0
    for score, member in zip(scores, pairs[1::2]):
        old = value.score(member)
        if old is None:
            if xx:
                continue
            value.add(member, score, entries, size)
            added += 1
            processed += 1
            continue
        if nx:
            continue
        if incr:
            score += old
            if isnan(score):
                raise CommandError(RESULTING_SCORE_NAN)
        if (gt and score <= old) or (lt and score >= old):
            continue
        processed += 1
        if score != old:
            value.add(member, score, entries, size)
            updated += 1
    if is_new and len(value):
        db.add(key, value)
    if added or updated:
        modified(db, key, added + updated, NOTIFY_ZSET, b"zincr" if incr else b"zadd")
    if incr:
        return double(score, c.resp) if processed else NULL[c.resp]
    return integer(added + updated if ch else added)


def after_removal(c: Client, key: bytes, value: ZSetObj, removed: int, event: bytes) -> None:
    """After members were taken out: announce it; an empty sorted set goes."""
    if removed:
        modified(c.db, key, removed, NOTIFY_ZSET, event)
        if not len(value):
            c.db.delete(key)
            notify(c.db, key, NOTIFY_GENERIC, b"del")


def pairs_reply(c: Client, pairs: Pairs, with_scores: bool) -> bytes:
    """Members, or members with scores: nested pairs in RESP3, flat in RESP2."""
    if not with_scores:
        return bulk_array([member for member, _ in pairs])
    if c.resp == 3:
        items = [array_header(2) + bulk(member) + double(score, 3) for member, score in pairs]
        return array_header(len(items)) + b"".join(items)
    return bulk_array([part for member, score in pairs for part in (member, format_double(score))])


def store_zset(c: Client, key: bytes, scores: dict[bytes, float], event: bytes, changes: int = 1) -> bytes:
    """Put a result under a key (none removes the key), as so many ``changes``; replies its size."""
    db = c.db
    config = c.server.config
    if scores:
        entries, size = config.zset_max_listpack_entries, config.zset_max_listpack_value
        db.set_key(key, ZSetObj.from_scores(scores, entries, size))
        modified(db, key, changes, NOTIFY_ZSET, event)
    elif db.delete(key):
        modified(db, key, 1, NOTIFY_GENERIC, b"del")
    return integer(len(scores))
