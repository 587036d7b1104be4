"""MIGRATE over TLS and from an address of choice: alone, in a transaction and in a script."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.certificates import Certificates, listen_with, make_certificates
from tests.support.raw import RawClient
from tests.support.servers import ServerProcess, start_oracle, start_ours

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl program")

WAYS = ["alone", "transaction", "script"]


def migrate(client: RawClient, way: str, port: int, timeout: int = 60000) -> bytes:
    """The last reply; ``timeout`` in milliseconds."""
    words = ["MIGRATE", "127.0.0.1", port, "k", 0, timeout]
    if way == "script":
        script = "return redis.call('MIGRATE', '127.0.0.1', ARGV[1], KEYS[1], 0, ARGV[2])"
        return client.call("EVAL", script, 1, "k", port, timeout)
    if way == "alone":
        return client.call(*words)
    assert client.call("MULTI") == b"+OK\r\n"
    assert client.call(*words) == b"+QUEUED\r\n"
    return client.call("EXEC").removeprefix(b"*1\r\n")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module", params=[start_ours, start_oracle], ids=["ours", "redis"])
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, files: Certificates
) -> Iterator[tuple[ServerProcess, int]]:
    """A server and its port for TLS."""
    start: Callable[..., ServerProcess] = request.param
    server = start(tmp_path_factory.mktemp("target"), "--protected-mode", "no")
    yield server, listen_with(server, files.settings())
    server.stop()


@pytest.mark.parametrize("way", WAYS)
def test_tls_cluster(tmp_path: Path, files: Certificates, target: tuple[ServerProcess, int], way: str) -> None:
    """With ``tls-cluster`` the key arrives by the port for TLS, and not by the plain one; a stranger is refused."""
    other, port = target
    settings = {name: value for name, value in files.settings().items() if name != "tls-auth-clients"}
    options = [word for name, value in settings.items() for word in (f"--{name}", value)]
    source = start_ours(tmp_path, "--tls-cluster", "yes", *options)
    try:
        client, there = RawClient(source.connect()), RawClient(other.connect())
        there.call("FLUSHALL")
        client.call("SET", "k", "v")
        # The plain port waits for more of what it takes for a request.
        for name, to, timeout in (("server", other.port, 1000), ("stranger", port, 60000)):
            changes = ["tls-cert-file", files.file(f"{name}.crt"), "tls-key-file", files.file(f"{name}.key")]
            assert client.call("CONFIG", "SET", *changes) == b"+OK\r\n"
            assert b"IOERR error or timeout" in migrate(client, way, to, timeout)
            assert client.call("GET", "k") == b"$1\r\nv\r\n"
        changes = ["tls-cert-file", files.file("server.crt"), "tls-key-file", files.file("server.key")]
        assert client.call("CONFIG", "SET", *changes) == b"+OK\r\n"
        assert migrate(client, way, port) == b"+OK\r\n"
        assert client.call("GET", "k") == b"$-1\r\n"
        assert there.call("GET", "k") == b"$1\r\nv\r\n"
        client.close()
        there.close()
    finally:
        source.stop()


@pytest.mark.parametrize("way", WAYS)
def test_bind_source_addr(tmp_path: Path, target: tuple[ServerProcess, int], way: str) -> None:
    """The other server sees the address that ``bind-source-addr`` names."""
    other, _ = target
    source = start_ours(tmp_path, "--bind-source-addr", "127.0.0.9")
    try:
        client, there = RawClient(source.connect()), RawClient(other.connect())
        there.call("FLUSHALL")
        there.call("ACL", "LOG", "RESET")
        there.call("ACL", "SETUSER", "default", "-restore")  # the refusal is logged with the address
        client.call("SET", "k", "v")
        assert b"NOPERM" in migrate(client, way, other.port)
        assert b"addr=127.0.0.9:" in there.call("ACL", "LOG", "1")
        there.call("ACL", "SETUSER", "default", "+restore")
        assert migrate(client, way, other.port) == b"+OK\r\n"
        client.close()
        there.close()
    finally:
        source.stop()
