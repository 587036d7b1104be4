"""The scripts of the EVALSHA rows: one call costs what stands between ``return 1`` and a hundred commands."""

from __future__ import annotations

import hashlib
import json
from typing import Final

_ONE: Final = "return 1"
_GET: Final = "return redis.call('GET', KEYS[1])"
_HUNDRED_SETS: Final = "for i = 1, 100 do redis.call('SET', KEYS[1], i) end return 1"
_LIMITER: Final = """
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, ms - tonumber(ARGV[1]))
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then
  return 0
end
redis.call('ZADD', KEYS[1], ms, now[1] .. '.' .. now[2])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
"""
_CJSON: Final = "return #cjson.encode(cjson.decode(redis.call('GET', KEYS[1])))"

DOCUMENT: Final = json.dumps(
    [{"id": i, "name": f"user {i}", "tags": ["a", "b", "c"], "score": i / 7, "active": i % 2 == 0} for i in range(110)]
).encode()
"""Some 10 KB."""
DOCUMENT_KEY: Final = "document"

ALL: Final = {"1": _ONE, "GET": _GET, "100_SETS": _HUNDRED_SETS, "LIMITER": _LIMITER, "CJSON": _CJSON}


def call(name: str, *rest: str) -> tuple[str, ...]:
    """The EVALSHA of a script; ``rest`` are its keys and what else it is given."""
    return ("EVALSHA", hashlib.sha1(ALL[name].encode()).hexdigest(), *rest)
