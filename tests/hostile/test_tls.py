"""What runs over TLS, on either event loop, and peers that mean no good: the others notice nothing."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.support.certificates import Certificates, listen_with, make_certificates, outcome
from tests.support.raw import RawClient
from tests.support.servers import ServerProcess, start_ours
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl program")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module", params=["uvloop", "asyncio"])
def tls_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, files: Certificates
) -> Iterator[tuple[ServerProcess, int]]:
    """Ours alone, on either event loop, and its port for TLS."""
    os.environ["PYREDIS_LOOP"] = request.param
    try:
        server = start_ours(tmp_path_factory.mktemp("tls"))
    finally:
        del os.environ["PYREDIS_LOOP"]
    yield server, listen_with(server, files.settings())
    server.stop()


@pytest.fixture
def over_tls(tls_server: tuple[ServerProcess, int], files: Certificates) -> Iterator[Callable[[], RawClient]]:
    """Makes clients over TLS; the server must be whole at the end."""
    server, port = tls_server
    made: list[RawClient] = []

    def connect() -> RawClient:
        made.append(files.client(port))
        return made[-1]

    plain = RawClient(server.connect())
    assert plain.call("FLUSHALL") == b"+OK\r\n"
    yield connect
    for client in made:
        client.close()
    assert plain.call("PING") == b"+PONG\r\n"
    wait_until(lambda: plain.call("CLIENT", "LIST").count(b" name=") == 1)
    plain.close()


@pytest.mark.parametrize("size", [0, 1, 16383, 16384, 16385, 65536, 300_000, 20 << 20])
def test_values_of_every_size(over_tls: Callable[[], RawClient], size: int) -> None:
    client = over_tls()
    value = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    assert client.call("SET", "k", value) == b"+OK\r\n"
    assert client.call("GET", "k") == b"$%d\r\n%b\r\n" % (size, value)


def test_pipelines(over_tls: Callable[[], RawClient]) -> None:
    """Requests of many records, cut anywhere, and replies of many records."""
    client = over_tls()
    commands = [[b"SET", b"k%d" % i, b"v" * (i % 700)] for i in range(3000)] + [[b"GET", b"k2999"], [b"DBSIZE"]]
    assert client.pipeline(commands)[-2:] == [b"$199\r\n" + b"v" * 199 + b"\r\n", b":3000\r\n"]
    request = b"*2\r\n$3\r\nGET\r\n$4\r\nk100\r\n"
    for at in range(len(request)):
        client.sock.sendall(request[:at])
        client.sock.sendall(request[at:])
        assert client.read() == b"$100\r\n" + b"v" * 100 + b"\r\n"


def test_blocking_publishing_and_killing(over_tls: Callable[[], RawClient]) -> None:
    one, two, three = over_tls(), over_tls(), over_tls()
    one.send("BLPOP", "l", 0)
    two.call("SUBSCRIBE", "c")
    wait_until(lambda: b"blocked_clients:1\r\n" in three.call("INFO", "clients"))
    assert three.call("RPUSH", "l", "x") == b":1\r\n"
    assert one.read() == b"*2\r\n$1\r\nl\r\n$1\r\nx\r\n"
    assert three.call("PUBLISH", "c", "m") == b":1\r\n"
    assert two.read() == b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n"
    number = one.call("CLIENT", "ID")[1:-2].decode()
    assert three.call("CLIENT", "KILL", "ID", number) == b":1\r\n"
    with pytest.raises((EOFError, OSError)):
        one.call("PING")
    assert three.call("QUIT") == b"+OK\r\n"
    assert three.sock.recv(1) == b""  # with TLS's own goodbye: a cut connection would raise an error


def test_a_client_that_does_not_read(over_tls: Callable[[], RawClient]) -> None:
    """It is disconnected at its limit; nobody waits for it."""
    watcher = over_tls()
    assert watcher.call("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0") == b"+OK\r\n"
    idle = over_tls()
    idle.call("SUBSCRIBE", "c")
    message = b"m" * 100_000
    for _ in range(200):
        if watcher.call("PUBLISH", "c", message) == b":0\r\n":
            break
    else:
        pytest.fail("it was never disconnected")
    assert watcher.call("CONFIG", "SET", "client-output-buffer-limit", "pubsub 32mb 8mb 60") == b"+OK\r\n"


def test_a_slow_reader_gets_everything(over_tls: Callable[[], RawClient]) -> None:
    slow, other = over_tls(), over_tls()
    value = os.urandom(1 << 20)
    assert other.call("SET", "k", value) == b"+OK\r\n"
    slow.sock.sendall(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n" * 40)
    assert other.call("PING") == b"+PONG\r\n"
    wait_until(lambda: re.search(rb"omem=[1-9]\d{6}", other.call("CLIENT", "LIST")))
    for _ in range(40):
        assert slow.read() == b"$1048576\r\n" + value + b"\r\n"
    wait_until(lambda: not re.search(rb"omem=[1-9]", other.call("CLIENT", "LIST")))


def test_the_password_and_protected_mode_count_here_too(over_tls: Callable[[], RawClient]) -> None:
    one = over_tls()
    assert one.call("CONFIG", "SET", "requirepass", "p") == b"+OK\r\n"
    two = over_tls()
    assert two.call("GET", "k").startswith(b"-NOAUTH")
    assert two.call("AUTH", "p") == b"+OK\r\n"
    assert two.call("CONFIG", "SET", "requirepass", "") == b"+OK\r\n"


# --- hostile peers ----------------------------------------------------------------------------------------------------


def hello(files: Certificates) -> bytes:
    """The first bytes that a TLS client sends."""
    outgoing = ssl.MemoryBIO()
    tls = files.context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def test_what_is_no_handshake(
    tls_server: tuple[ServerProcess, int], over_tls: Callable[[], RawClient], files: Certificates
) -> None:
    """Plain text, noise and half a handshake: the connection ends, and others do not notice."""
    _, port = tls_server
    client = over_tls()
    greeting = hello(files)
    for data in (
        b"PING\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        os.urandom(3000),
        b"\x16\x03\x01\xff\xff" + b"x" * 9999,
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
            sock.sendall(data)
            answer = b""
            with contextlib.suppress(ConnectionError):
                while piece := sock.recv(4096):
                    answer += piece
            assert b"PONG" not in answer and b"ERR" not in answer
        assert client.call("PING") == b"+PONG\r\n"
    for size in (0, 1, 5, len(greeting) // 2, len(greeting)):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
            sock.sendall(greeting[:size])
        assert client.call("PING") == b"+PONG\r\n"


def test_noise_in_a_session(
    tls_server: tuple[ServerProcess, int], over_tls: Callable[[], RawClient], files: Certificates
) -> None:
    _, port = tls_server
    client = over_tls()
    sock = files.connect(port)
    assert RawClient(sock).call("SET", "k", "v") == b"+OK\r\n"
    raw = sock.detach()
    with socket.socket(fileno=raw) as below:
        below.settimeout(60)
        below.sendall(b"\x17\x03\x03\x00\x20" + b"n" * 32)
        assert closes(below)
    assert client.call("GET", "k") == b"$1\r\nv\r\n"


def closes(sock: socket.socket) -> bool:
    """Whether the other end closes the connection, whatever it says before."""
    try:
        while sock.recv(4096):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    return True


def test_handshakes_that_do_not_end(tls_server: tuple[ServerProcess, int], files: Certificates) -> None:
    """They count for maxclients, cost the others nothing, and end with ``timeout``."""
    server, port = tls_server
    greeting = hello(files)

    def configure(*settings: str | int) -> None:
        plain = RawClient(server.connect())
        assert plain.call("CONFIG", "SET", *settings) == b"+OK\r\n"
        plain.close()

    def begin(count: int) -> list[socket.socket]:
        made = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(count)]
        for sock in made[::2]:
            sock.sendall(greeting)
        return made

    def is_full() -> bool:
        with server.connect() as late, contextlib.suppress(ConnectionError):
            late.sendall(b"PING\r\n")
            return late.recv(100) == b"-ERR max number of clients reached\r\n"
        return True

    def works() -> bool:
        return outcome(files, port, files.context()).startswith("+PONG")

    configure("maxclients", 300)
    waiting = begin(299)
    assert works()
    waiting += begin(1)
    wait_until(is_full)
    assert not works()
    for sock in waiting:
        sock.close()
    wait_until(works)
    configure("maxclients", 10000, "timeout", 3)
    assert all(map(closes, begin(50)))
    wait_until(works)
    configure("timeout", 0)


def test_renegotiation_is_refused(
    tls_server: tuple[ServerProcess, int], over_tls: Callable[[], RawClient], files: Certificates
) -> None:
    """A peer of TLS 1.2 may not ask for handshake after handshake; it is answered nothing else after it has tried."""
    _, port = tls_server
    client = over_tls()
    argv = [
        "openssl",
        "s_client",
        "-tls1_2",
        "-connect",
        f"127.0.0.1:{port}",
        "-cert",
        files.file("client.crt"),
        "-key",
        files.file("client.key"),
    ]
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert child.stdin is not None and child.stdout is not None
    watchdog = threading.Timer(60, child.kill)
    watchdog.start()
    try:
        child.stdin.write(b"PING\n")
        child.stdin.flush()
        seen = b""
        while b"+PONG" not in seen:
            piece = child.stdout.read1(4096)
            assert piece, seen
            seen += piece
        child.stdin.write(b"R\n")
        child.stdin.flush()
        rest = child.stdout.read()  # it gives up
        assert b"RENEGOTIATING" in rest
        assert b"no renegotiation" in rest
    finally:
        watchdog.cancel()
        child.stdin.close()
        child.wait(30)
        child.stdout.close()
    assert client.call("PING") == b"+PONG\r\n"
