"""User sessions: a hash per session that expires when it is not used."""

from __future__ import annotations

import secrets

from common import connect

r = connect()
LIFETIME = 1800


def login(user: str) -> str:
    """A new session's token."""
    token = secrets.token_urlsafe(16)
    key = f"example:session:{token}"
    with r.pipeline() as pipe:
        pipe.hset(key, mapping={"user": user, "views": 0})
        pipe.expire(key, LIFETIME)
        pipe.execute()
    return token


def view(token: str) -> int:
    """Count a page view and let the session live on; raises KeyError without one."""
    key = f"example:session:{token}"
    if not r.exists(key):
        raise KeyError(token)
    views = r.hincrby(key, "views", 1)
    r.expire(key, LIFETIME)
    return int(views)


def logout(token: str) -> None:
    """End a session."""
    r.delete(f"example:session:{token}")


token = login("ada")
assert [view(token) for _ in range(3)] == [1, 2, 3]
assert r.hgetall(f"example:session:{token}") == {"user": "ada", "views": "3"}
assert 0 < r.ttl(f"example:session:{token}") <= LIFETIME
logout(token)
try:
    view(token)
except KeyError:
    print("session of three views, then logged out")
else:
    raise AssertionError("a session survived its logout")
