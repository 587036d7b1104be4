"""redis-cli, redis-benchmark and redis-py over TLS, with and without a certificate of their own."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator

import pytest
import redis
import redis.asyncio

from tests.support.certificates import Certificates, listen_with, make_certificates
from tests.support.servers import ServerProcess, start_ours
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl program")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory, files: Certificates) -> Iterator[tuple[ServerProcess, int]]:
    """Our server, and its port for TLS, where it asks for certificates."""
    server = start_ours(tmp_path_factory.mktemp("ours"))
    yield server, listen_with(server, files.settings())
    server.stop()


def arguments(files: Certificates, port: int, *, authority: str = "authority", client: str = "client") -> list[str]:
    own = ["--cert", files.file(f"{client}.crt"), "--key", files.file(f"{client}.key")] if client else []
    return ["-p", str(port), "--tls", "--cacert", files.file(f"{authority}.crt"), *own]


def run(program: str, *argv: str, stdin: bytes = b"") -> tuple[int, str]:
    done = subprocess.run([f"/usr/bin/{program}", *argv], input=stdin, capture_output=True, timeout=60)
    return done.returncode, (done.stdout + done.stderr).decode()


def test_redis_cli(tls: tuple[ServerProcess, int], files: Certificates) -> None:
    _, port = tls
    own = arguments(files, port)
    assert run("redis-cli", *own, "flushall") == (0, "OK\n")
    assert run("redis-cli", *own, "set", "k", "v") == (0, "OK\n")
    assert run("redis-cli", *own, "-3", "hello")[0] == 0
    data = b"".join(b"*3\r\n$3\r\nSET\r\n$5\r\nk%04d\r\n$1\r\nv\r\n" % i for i in range(2000))
    assert "errors: 0, replies: 2000" in run("redis-cli", *own, "--pipe", stdin=data)[1]
    assert run("redis-cli", *own, "--sni", "localhost", "dbsize") == (0, "2001\n")
    code, text = run("redis-cli", *arguments(files, port, client=""), "ping")
    assert code == 1 and "PONG" not in text
    code, text = run("redis-cli", *arguments(files, port, authority="elsewhere"), "ping")
    assert code == 1 and "certificate verify failed" in text
    code, text = run("redis-cli", *arguments(files, port, client="stranger"), "ping")
    assert code == 1 and "PONG" not in text


def test_redis_benchmark(tls: tuple[ServerProcess, int], files: Certificates) -> None:
    _, port = tls
    for more in ((), ("-P", "16"), ("--threads", "2")):
        code, out = run(
            "redis-benchmark", *arguments(files, port), "-q", "-n", "300", "-c", "10", "-t", "set,get,lrange_300", *more
        )
        assert code == 0
        assert out.count("requests per second") == 4  # LPUSH fills the list for LRANGE
        assert "rror" not in out


def keywords(files: Certificates, port: int, client: str = "client", authority: str = "authority") -> dict[str, object]:
    own = {"ssl_certfile": files.file(f"{client}.crt"), "ssl_keyfile": files.file(f"{client}.key")} if client else {}
    return {
        "port": port,
        "ssl": True,
        "ssl_ca_certs": files.file(f"{authority}.crt"),
        "ssl_check_hostname": True,
        **own,
    }


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py(tls: tuple[ServerProcess, int], files: Certificates, protocol: int) -> None:
    _, port = tls
    with redis.Redis(**keywords(files, port), protocol=protocol) as r:
        r.flushall()
        assert r.set("k", "v" * 100_000)
        assert r.get("k") == b"v" * 100_000
        with r.pipeline() as pipe:
            for i in range(500):
                pipe.rpush("l", i)
            assert pipe.execute()[-1] == 500
        assert r.lrange("l", 0, 1) == [b"0", b"1"]
        listener = r.pubsub()
        listener.subscribe("c")
        assert listener.get_message(timeout=PATIENCE)
        r.publish("c", "m")
        assert listener.get_message(timeout=PATIENCE)["data"] == b"m"
        listener.close()
    for wrong in (
        keywords(files, port, client=""),
        keywords(files, port, client="stranger"),
        keywords(files, port, authority="elsewhere"),
    ):
        with redis.Redis(**wrong) as r, pytest.raises(redis.ConnectionError):
            r.ping()


@pytest.mark.parametrize("protocol", [2, 3])
async def test_redis_py_asyncio(tls: tuple[ServerProcess, int], files: Certificates, protocol: int) -> None:
    _, port = tls
    async with redis.asyncio.Redis(**keywords(files, port), protocol=protocol) as r:
        await r.flushall()
        async with r.pipeline() as pipe:
            for i in range(500):
                pipe.set(f"k{i}", i)
            assert all(await pipe.execute())
        waiting = asyncio.create_task(r.blpop(["l"], 60))
        await r.rpush("l", "x")
        assert await waiting in ((b"l", b"x"), [b"l", b"x"])
        assert await asyncio.gather(*[r.get(f"k{i}") for i in range(100)]) == [b"%d" % i for i in range(100)]
    async with redis.asyncio.Redis(**keywords(files, port, client="stranger")) as r:
        with pytest.raises(redis.ConnectionError):
            await r.ping()
