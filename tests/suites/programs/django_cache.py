"""Django with django-redis as its cache, and sessions in the cache; prints what it got, a line a step."""

from __future__ import annotations

import sys
import threading

import django
from django.conf import settings

settings.configure(
    CACHES={
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": f"{sys.argv[1]}/3",
            "KEY_PREFIX": "site",
            "OPTIONS": {
                "CLIENT_CLASS": "django_redis.client.DefaultClient",
                "COMPRESSOR": "django_redis.compressors.zlib.ZlibCompressor",
            },
        },
        "own": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": f"{sys.argv[1]}/4"},
    },
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    INSTALLED_APPS=["django.contrib.sessions"],
    SECRET_KEY="only for this test",
)
django.setup()

from django.contrib.sessions.backends.cache import SessionStore  # noqa: E402  # after the settings
from django.core.cache import cache, caches  # noqa: E402

cache.clear()
print(cache.set("k", {"a": [1, 2, 3]}, timeout=100), cache.get("k"), cache.ttl("k") in (99, 100))
print(cache.add("k", 1), cache.add("new", 1), cache.get("none", "default"))
cache.set_many({f"item:{i}": "x" * i for i in range(200)})
print(sorted(map(len, cache.get_many(["item:1", "item:150", "item:x"]).values())))
cache.set("n", 1)
print(cache.incr("n", 5), cache.decr("n"), cache.get_or_set("computed", lambda: 42, 10))
print(cache.expire("n", timeout=50), cache.persist("n"), cache.ttl("n"), cache.touch("new", 10))
print(len(list(cache.iter_keys("item:*"))), cache.delete_pattern("item:1*"), len(cache.keys("item:*")))
with cache.lock("lock", timeout=10):
    print(cache.lock("lock", timeout=10).acquire(blocking=False))
entered: list[int] = []


def enter(number: int) -> None:
    with cache.lock("shared", timeout=10, sleep=0.001):
        entered.append(number)


threads = [threading.Thread(target=enter, args=(i,)) for i in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sorted(entered))
own = caches["own"]
own.clear()
own.set_many({"a": 1, "b": "zwei"}, timeout=10)
print(own.get_many(["a", "b", "c"]), own.incr("a"), own.has_key("b"), own.delete("b"), own.get("b"))
session = SessionStore()
session["user"] = 7
session.save()
again = SessionStore(session.session_key)
print(again["user"], again.exists(session.session_key))
again.flush()
print(SessionStore(session.session_key).get("user"))
