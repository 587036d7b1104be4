"""A sliding-window rate limiter: at most LIMIT hits in any WINDOW seconds, however close together."""

from __future__ import annotations

import time
import uuid

from common import connect

r = connect()
LIMIT, WINDOW = 5, 10.0


def allow(user: str, now: float | None = None) -> bool:
    """True if this hit is within the limit. Each hit is a member of its own, so hits of one instant all count."""
    now = time.time() if now is None else now
    key = f"example:rate:{user}"
    hit = f"{now}:{uuid.uuid4()}"
    with r.pipeline() as pipe:
        pipe.zremrangebyscore(key, "-inf", now - WINDOW)
        pipe.zadd(key, {hit: now})
        pipe.zcard(key)
        pipe.expire(key, int(WINDOW) + 1)
        _, _, count, _ = pipe.execute()
    if count > LIMIT:
        r.zrem(key, hit)
        return False
    return True


r.delete("example:rate:ada")
start = time.time()
assert [allow("ada", start) for _ in range(7)] == [True] * 5 + [False] * 2
assert not allow("ada", start + 9.9)
assert allow("ada", start + 10.1)
r.delete("example:rate:ada")
print("five hits allowed, the sixth and seventh refused, allowed again when the window has moved on")
