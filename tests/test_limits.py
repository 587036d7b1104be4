"""What a connection may do before it has given the password, and the limits at which connections end.

Ours and redis-server are started with the same directives and given the same bytes.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.raw import RawClient
from tests.support.servers import ServerProcess, start_oracle, start_ours
from tests.support.stage import Stage, commands
from tests.support.waiting import PATIENCE


@contextmanager
def pair(tmp_path: Path, *args: str) -> Iterator[list[ServerProcess]]:
    servers = []
    try:
        for name, start in (("ours", start_ours), ("oracle", start_oracle)):
            (tmp_path / name).mkdir()
            servers.append(start(tmp_path / name, *args))
        yield servers
    finally:
        for server in servers:
            server.stop()


def until_closed(sock: socket.socket) -> bytes:
    """All that comes before the server hangs up; fails with a timeout if it does not."""
    got = b""
    try:
        while part := sock.recv(1 << 16):
            got += part
    except ConnectionError:
        pass
    return got


BULK_16K = b"*2\r\n$4\r\nECHO\r\n$16384\r\n" + b"x" * 16384 + b"\r\n"
BEFORE_THE_PASSWORD: dict[str, bytes] = {
    "commands": commands("get a", "nope", "get", "client id", "multi", "exec", "subscribe c", "ping", "reset", "quit"),
    "hello": commands("hello", "hello 3", "hello 3 setname x", "hello 9", "hello 3 auth default no", "client getname"),
    "hello with it": commands("hello 2 auth default secret setname me", "client getname", "get a"),
    "auth": commands("auth no", "auth default no", "auth other secret", "auth a b c", "auth secret", "get a"),
    "reset forgets it": commands("auth secret", "echo 1", "reset", "echo 2", "auth default secret", "echo 3"),
    "eleven arguments": b"*11\r\n",
    "ten arguments": commands("mget 1 2 3 4 5 6 7 8 9"),
    "a large argument": b"*2\r\n$3\r\nget\r\n$16385\r\n",
    "the largest argument": BULK_16K,
    "a pipeline with the password": commands("auth secret") + b"*11\r\n$3\r\ndel\r\n" + b"$1\r\nx\r\n" * 10 + BULK_16K,
    "a pipeline with a wrong one": commands("auth no") + b"*11\r\n$3\r\ndel\r\n" + b"$1\r\nx\r\n" * 10,
}


def test_before_the_password(tmp_path: Path) -> None:
    with pair(tmp_path, "--requirepass", "secret") as servers:
        for name, data in BEFORE_THE_PASSWORD.items():
            answers = []
            for server in servers:
                stage = Stage(server)
                answer = stage.step(1, data).get(1, b"")
                head, mark, tail = answer.partition(b"\r\nid\r\n")
                answers.append(head + mark + tail.partition(b"\r\n")[2])
                stage.close()
            assert answers[0] == answers[1], name


def test_a_password_set_and_taken_away(server: ServerProcess, oracle: ServerProcess) -> None:
    steps = [
        (1, "client getname"),
        (2, "config set requirepass secret"),
        (1, "get a"),
        (3, "get a ; auth no"),
        (1, "reset ; get a ; auth secret ; get a"),
        (2, "config set requirepass other"),
        (1, "get a"),
        (4, "auth secret ; auth other ; get a"),
        (5, "get a"),
        (2, "config set requirepass "),
        (3, "get a ; hello 2 ; auth x ; config get requirepass"),
        (5, "get a ; client getname"),
    ]
    seen = []
    for one in (server, oracle):
        stage = Stage(one)
        seen.append([stage.step(number, commands(*line.split(" ; "))) for number, line in steps])
        stage.close()
    assert seen[0] == seen[1]


def test_maxclients(tmp_path: Path) -> None:
    answers = []
    with pair(tmp_path, "--maxclients", "3") as servers:
        for server in servers:
            kept = [RawClient(server.connect()) for _ in range(3)]
            for client in kept:
                client.call("PING")
            with server.connect() as refused:
                answers.append(until_closed(refused))
            info = kept[0].call("INFO", "stats")
            assert b"rejected_connections:1\r\n" in info
            kept.pop().close()
            for _ in range(1000):
                with server.connect() as next_one:
                    next_one.sendall(b"PING\r\n")
                    if next_one.recv(100) == b"+PONG\r\n":
                        break
            else:
                pytest.fail("the place that was left stays taken")
            assert kept[0].call("CONFIG", "SET", "maxclients", 1) == b"+OK\r\n"
            with server.connect() as refused:
                answers[-1] += until_closed(refused)
            assert kept[0].call("PING") == b"+PONG\r\n"
            for client in kept:
                client.close()
    assert answers[0] == answers[1] == 2 * b"-ERR max number of clients reached\r\n"


@pytest.fixture
def limited(server: ServerProcess, oracle: ServerProcess) -> Iterator[list[ServerProcess]]:
    """Both servers; the limits are as they were afterwards."""
    yield [server, oracle]
    for one in (server, oracle):
        client = RawClient(one.connect())
        default = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"
        client.call("CONFIG", "SET", "client-output-buffer-limit", default, "timeout", 0)
        client.close()


def test_a_reply_over_the_hard_limit(limited: list[ServerProcess]) -> None:
    answers = []
    for server in limited:
        control = RawClient(server.connect())
        control.call("CONFIG", "SET", "client-output-buffer-limit", "normal 100kb 0 0")
        control.call("SET", "small", "x" * 90_000)
        control.call("SET", "large", "x" * 200_000)
        with server.connect() as sock:
            sock.sendall(commands("get small", "echo 1"))
            with sock.makefile("rb") as file:
                assert file.read(90_010 + 7)[-3:] == b"1\r\n"
            sock.sendall(commands("get large", "echo 2"))
            answers.append(until_closed(sock))
        assert control.call("PING") == b"+PONG\r\n"
        control.close()
    assert answers == [b"", b""]


def test_a_subscriber_that_does_not_read(limited: list[ServerProcess]) -> None:
    for server in limited:
        control = RawClient(server.connect())
        control.call("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0")
        reader, lazy = RawClient(server.connect()), RawClient(server.connect())
        for one in (reader, lazy):
            one.call("SUBSCRIBE", "c")
        for _ in range(1000):
            receivers = control.call("PUBLISH", "c", "x" * 50_000)
            assert len(reader.read()) > 50_000
            if receivers == b":1\r\n":
                break
        else:
            pytest.fail("the lazy subscriber is still there")
        assert control.call("PUBSUB", "NUMSUB", "c").endswith(b":1\r\n")
        for client in (control, reader, lazy):
            client.close()


def test_a_monitor_counts_as_a_normal_client(limited: list[ServerProcess]) -> None:
    for server in limited:
        control = RawClient(server.connect())
        monitor = RawClient(server.connect())
        monitor.call("MONITOR")
        control.call("CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0")
        for _ in range(1000):
            control.call("SET", "k", "x" * 50_000)
            if b"cmd=monitor" not in control.call("CLIENT", "LIST"):
                break
        else:
            pytest.fail("the monitor is still there")
        monitor.close()
        control.close()


def test_the_soft_limit(limited: list[ServerProcess]) -> None:
    for server in limited:
        control = RawClient(server.connect())
        control.call("CONFIG", "SET", "client-output-buffer-limit", "pubsub 0 100kb 1")
        lazy = RawClient(server.connect())
        lazy.call("SUBSCRIBE", "c")
        for _ in range(200):
            control.call("PUBLISH", "c", "x" * 50_000)
        while control.call("PUBLISH", "c", "x") != b":0\r\n":
            pass
        lazy.close()
        control.close()


def test_idle_connections(limited: list[ServerProcess]) -> None:
    for server in limited:
        control = RawClient(server.connect())
        kept = [RawClient(server.connect()) for _ in range(3)]
        kept[0].call("SUBSCRIBE", "c")
        kept[1].call("MONITOR")
        kept[2].send("BLPOP", "nokey", 0)
        idle = RawClient(server.connect())
        idle.call("PING")
        control.call("CONFIG", "SET", "timeout", 1)
        assert until_closed(idle.sock) == b""
        assert until_closed(control.sock) == b""
        control = RawClient(server.connect())
        control.call("CONFIG", "SET", "timeout", 0)  # before this one has been idle for as long
        assert control.call("CLIENT", "LIST").count(b"\n") >= 4
        assert control.call("PUBLISH", "c", "x") == b":1\r\n"
        assert control.call("RPUSH", "nokey", "x") == b":1\r\n"
        assert kept[2].read() == b"*2\r\n$5\r\nnokey\r\n$1\r\nx\r\n"
        for client in (control, idle, *kept):
            client.close()


def test_the_query_buffer(tmp_path: Path) -> None:
    with pair(tmp_path, "--client-query-buffer-limit", "1mb") as servers:
        for server in servers:
            with server.connect() as sock:
                try:
                    sock.sendall(b"*2\r\n$4\r\nECHO\r\n$8000000\r\n" + b"x" * 4_000_000)
                except ConnectionError:
                    pass
                assert until_closed(sock) == b""
            waiting = server.connect()
            waiting.sendall(commands("blpop nokey 0"))
            try:
                waiting.sendall(commands("set a " + "x" * 3_000_000))
                waiting.sendall(commands("set a " + "x" * 3_000_000))
            except ConnectionError:
                pass
            assert until_closed(waiting) == b""
            waiting.close()
            client = RawClient(server.connect())
            assert client.call("EXISTS", "a") == b":0\r\n"
            assert b"blocked_clients:0\r\n" in client.call("INFO", "clients")
            client.close()


def own_address() -> str | None:
    """An address of this machine that is not the loopback's; None if there is none."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect(("192.0.2.1", 9))  # sends nothing: only the route is looked up
            address = str(sock.getsockname()[0])
    except OSError:
        return None
    return None if address.startswith("127.") else address


def test_protected_mode(tmp_path: Path) -> None:
    address = own_address()
    if address is None:
        pytest.skip("this machine has the loopback address only")
    answers: list[list[bytes]] = []
    with pair(tmp_path, "--bind", "* -::*", "--protected-mode", "yes") as servers:
        for server in servers:
            seen = []
            control = RawClient(server.connect())
            with socket.create_connection((address, server.port), timeout=PATIENCE) as sock:
                seen.append(until_closed(sock))
            for setting in (("protected-mode", "no"), ("requirepass", "secret")):
                control.call("CONFIG", "SET", *setting)
                with socket.create_connection((address, server.port), timeout=PATIENCE) as sock:
                    sock.sendall(b"PING\r\n")
                    seen.append(sock.recv(100))
            control.call("CONFIG", "SET", "protected-mode", "yes")
            with socket.create_connection((address, server.port), timeout=PATIENCE) as sock:
                sock.sendall(b"PING\r\n")
                seen.append(sock.recv(100))
            answers.append(seen)
            control.close()
    assert answers[0] == answers[1]
