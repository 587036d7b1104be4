"""A cache whose entries have a lifetime, with SETEX and TTL."""

from __future__ import annotations

import time

from common import connect

r = connect()
r.setex("example:weather", 60, "sunny")
assert 0 < r.ttl("example:weather") <= 60
r.psetex("example:flash", 30, "gone soon")
deadline = time.monotonic() + 5
while r.get("example:flash") is not None:
    assert time.monotonic() < deadline, "the entry did not expire"
assert r.ttl("example:flash") == -2
print("weather:", r.get("example:weather"), "for", r.ttl("example:weather"), "s more")
r.delete("example:weather")
