"""Flask with Flask-Caching: cached views, memoized functions, deleting; prints what it got, a line a step."""

from __future__ import annotations

import sys
from itertools import count

from flask import Flask, request
from flask_caching import Cache

app = Flask(__name__)
cache = Cache(
    app,
    config={
        "CACHE_TYPE": "RedisCache",
        "CACHE_REDIS_URL": f"{sys.argv[1]}/5",
        "CACHE_DEFAULT_TIMEOUT": 100,
        "CACHE_KEY_PREFIX": "flask:",
    },
)
visits, calls = count(1), count(1)


@app.get("/")
@cache.cached()
def index() -> str:
    return f"visit {next(visits)}"


@app.get("/search")
@cache.cached(query_string=True)
def search() -> str:
    return f"{request.args.get('q')} {next(visits)}"


@cache.memoize(50)
def slow(a: int, b: int = 0) -> int:
    return a + b + 100 * next(calls)


with app.app_context():
    cache.clear()
    client = app.test_client()
    print([client.get("/").text for _ in range(3)])
    print([client.get(f"/search?q={q}").text for q in ("a", "b", "a")])
    print(slow(1), slow(1), slow(2, b=3), slow(2, b=3))
    cache.delete_memoized(slow, 1)
    print(slow(1), slow(2, b=3))
    cache.delete_memoized(slow)
    print(slow(2, b=3))
    print(
        cache.set("k", {"a": 1}), cache.get("k"), cache.add("k", 2), cache.has("k"), cache.delete("k"), cache.get("k")
    )
    print(cache.set_many({"x": 1, "y": "zwei"}), cache.get_many("x", "y", "z"), cache.delete_many("x", "y"))
    print(cache.cache.inc("n"), cache.cache.inc("n", 4), cache.cache.dec("n"))
    cache.clear()
    print(client.get("/").text)
