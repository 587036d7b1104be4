"""A cache of JSON documents with GET and SET."""

from __future__ import annotations

import json

from common import connect

r = connect()
key = "example:cache:user:42"
r.delete(key)


def load_user(number: int) -> dict[str, object]:
    """The slow source that the cache saves from being asked twice."""
    global asked
    asked += 1
    return {"id": number, "name": "Ada", "langs": ["en", "fr"]}


def get_user(number: int) -> dict[str, object]:
    """From the cache, else from the source."""
    cached = r.get(f"example:cache:user:{number}")
    if cached is None:
        user = load_user(number)
        r.set(f"example:cache:user:{number}", json.dumps(user))
        return user
    return dict(json.loads(cached))


asked = 0
first, second = get_user(42), get_user(42)
assert first == second and asked == 1
r.delete(key)
print("cached:", second)
