"""Django's own Redis cache, sessions in it, and the cache without a socket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import pyredis

django = pytest.importorskip("django")


@pytest.fixture(scope="session")
def server() -> Iterator[pyredis.Server]:
    """For the whole session: Django can be configured only once."""
    from django.conf import settings

    with pyredis.Server() as server:
        backend = "django.core.cache.backends.redis.RedisCache"
        settings.configure(
            CACHES={
                "default": {"BACKEND": backend, "LOCATION": server.url, "KEY_PREFIX": "site", "TIMEOUT": 300},
                "inside": {
                    "BACKEND": backend,
                    "LOCATION": "redis://anywhere:1/0",
                    "OPTIONS": {"connection_class": "pyredis.fake.FakeConnection"},
                },
                "replicated": {"BACKEND": backend, "LOCATION": [server.url, server.url]},
            },
            SESSION_ENGINE="django.contrib.sessions.backends.cache",
            SECRET_KEY="x",
            USE_TZ=True,
        )
        django.setup()
        yield server


@pytest.fixture(params=["default", "inside", "replicated"])
def cache(request: pytest.FixtureRequest, server: pyredis.Server) -> Any:
    from django.conf import settings
    from django.core.cache import caches

    from pyredis.fake import FakeConnection

    settings.CACHES["inside"]["OPTIONS"]["connection_class"] = FakeConnection
    cache = caches[request.param]
    cache.clear()
    return cache


def test_the_api(cache: Any) -> None:
    cache.set("a", {"some": ["object", 1.5, None]})
    assert cache.get("a") == {"some": ["object", 1.5, None]}
    assert cache.add("a", 1) is False and cache.add("b", 1) is True
    assert cache.incr("b", 41) == 42 and cache.decr("b") == 41
    assert cache.set_many({"x": 1, "y": "z"}) == []
    assert cache.get_many(["x", "y", "nothing"]) == {"x": 1, "y": "z"}
    assert cache.get_or_set("c", lambda: "made") == "made" == cache.get("c")
    assert cache.has_key("c") and "c" in cache and cache.touch("c", 10)
    cache.set("v", "two", version=2)
    assert cache.get("v") is None and cache.incr_version("v", version=2) == 3
    assert cache.delete("c") and not cache.delete("c")
    cache.delete_many(["x", "y"])
    assert cache.get_many(["x", "y"]) == {}
    with pytest.raises(ValueError, match="not found"):
        cache.incr("nothing")
    cache.clear()
    assert cache.get("a") is None


async def test_the_async_api(cache: Any) -> None:
    await cache.aset("a", 1)
    assert await cache.aget("a") == 1 and await cache.aincr("a") == 2
    await cache.adelete("a")


def test_entries_expire(server: pyredis.Server, cache: Any) -> None:
    from django.core.cache import caches

    ordinary = caches["default"]
    ordinary.set("short", 1, timeout=10)
    ordinary.set("usual", 1)
    ordinary.set("ever", 1, timeout=None)
    server.clock.advance(11)
    assert ordinary.get_many(["short", "usual", "ever"]) == {"usual": 1, "ever": 1}
    server.clock.advance(300)
    assert ordinary.get_many(["usual", "ever"]) == {"ever": 1}
    server.clock.reset()


def test_sessions(server: pyredis.Server) -> None:
    from django.contrib.sessions.backends.cache import SessionStore

    session = SessionStore()
    session["user"] = 7
    session.set_expiry(60)
    session.save()
    again = SessionStore(session_key=session.session_key)
    assert again["user"] == 7
    again.cycle_key()
    assert SessionStore(session_key=again.session_key)["user"] == 7
    server.clock.advance(61)
    assert "user" not in SessionStore(session_key=again.session_key)
    server.clock.reset()
