"""Flask-Caching with its RedisCache: views, memoized functions, time-outs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import pyredis

flask = pytest.importorskip("flask")
flask_caching = pytest.importorskip("flask_caching")


@pytest.fixture
def server() -> Iterator[pyredis.Server]:
    with pyredis.Server() as server:
        yield server


def test_views_and_functions(server: pyredis.Server) -> None:
    app = flask.Flask(__name__)
    app.config.update(
        CACHE_TYPE="RedisCache", CACHE_REDIS_URL=server.url, CACHE_DEFAULT_TIMEOUT=50, CACHE_KEY_PREFIX="site:"
    )
    cache = flask_caching.Cache(app)
    calls: list[object] = []

    @app.route("/")
    @cache.cached(timeout=10)
    def index() -> str:
        calls.append("index")
        return f"page {len(calls)}"

    @cache.memoize()
    def square(n: int) -> int:
        calls.append(n)
        return n * n

    client = app.test_client()
    assert [client.get("/").text for _ in range(3)] == ["page 1"] * 3
    server.clock.advance(11)
    assert client.get("/").text == "page 2"
    with app.app_context():
        assert [square(3), square(3), square(4)] == [9, 9, 16]
        assert calls == ["index", "index", 3, 4]
        cache.delete_memoized(square, 3)
        assert [square(3), square(4)] == [9, 16] and calls[-1] == 3
        server.clock.advance(51)
        assert square(4) == 16 and calls[-1] == 4
        assert cache.set_many({"a": 1, "b": [2]}) and cache.get_many("a", "b", "c") == [1, [2], None]
        assert cache.get_dict("a", "b") == {"a": 1, "b": [2]}
        assert cache.add("a", 5) is False and cache.has("a")
        assert cache.cache.inc("n", 2) in (2, True) and cache.delete("a") and cache.get("a") is None
        assert cache.clear()
        assert server.client.keys("site:*") == []
