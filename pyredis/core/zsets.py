"""What the commands on sorted sets share: bounds by score, replies with scores, stored results, removals."""

from __future__ import annotations

from pyredis.core.client import Client
from pyredis.engines.zset import Pairs, ZSetObj
from pyredis.keyspace.modified import modified, notify
from pyredis.keyspace.state import NOTIFY_GENERIC, NOTIFY_ZSET
from pyredis.lib.fpconv import format_double, strtod_lenient
from pyredis.resp.errors import MIN_OR_MAX_NOT_A_FLOAT, CommandError
from pyredis.resp.reply import array_header, bulk, bulk_array, double, integer


def parse_score_bound(text: bytes) -> tuple[float, bool]:
    """``(5`` → (5.0, exclusive)."""
    exclusive = text[:1] == b"("
    value = strtod_lenient(text[1:] if exclusive else text)
    if value is None:
        raise CommandError(MIN_OR_MAX_NOT_A_FLOAT)
    return value, exclusive


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


def store_zset(c: Client, key: bytes, scores: dict[bytes, float], event: bytes) -> bytes:
    """Put a result under a key (none removes the key); replies its size."""
    db = c.db
    config = c.server.config
    if scores:
        entries, size = config.zset_max_listpack_entries, config.zset_max_listpack_value
        db.set_key(key, ZSetObj.from_scores(scores, entries, size))
        modified(db, key, 1, NOTIFY_ZSET, event)
    elif db.delete(key):
        modified(db, key, 1, NOTIFY_GENERIC, b"del")
    return integer(len(scores))
