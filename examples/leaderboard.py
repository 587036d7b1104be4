"""A leaderboard: scores, ranks, the best three."""

from __future__ import annotations

from common import connect

r = connect()
key = "example:leaderboard"
r.delete(key)
r.zadd(key, {"ada": 310, "grace": 470, "alan": 290, "edsger": 410})
r.zincrby(key, 200, "alan")
top = r.zrevrange(key, 0, 2, withscores=True)
assert [(name, score) for name, score in top] == [("alan", 490), ("grace", 470), ("edsger", 410)]
assert r.zrevrank(key, "ada") == 3
assert r.zscore(key, "ada") == 310
for place, (name, score) in enumerate(top, 1):
    print(place, name, int(score))
r.delete(key)
