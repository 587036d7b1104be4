"""Who may connect, who is let go, and that a fault inside the server ends nobody else's connection."""

from __future__ import annotations

import asyncio
import gc
import socket
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from pyredis.app import App
from pyredis.core.client import Client
from pyredis.core.command import Command, CommandSpec
from pyredis.core.dispatch import build_fast_table
from pyredis.core.logging import Logger
from pyredis.core.options import Config
from tests.support.inprocess import started
from tests.support.raw import RawClient, encode
from tests.support.servers import ServerProcess, start_oracle, start_ours
from tests.support.waiting import PATIENCE

Talk = Callable[[App, Callable[[bytes], Awaitable[bytes]]], Awaitable[None]]


def own_address() -> str | None:
    """An address of this machine that is not the loopback's; None if it has none. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))
            address = str(sock.getsockname()[0])
        except OSError:
            return None
    return None if address.startswith("127.") else address


@pytest.mark.parametrize("protected", ["yes", "no"])
def test_protected_mode(tmp_path: Path, protected: str) -> None:
    address = own_address()
    if address is None:
        pytest.skip("this machine has only its loopback address")
    answers = []
    for start in (start_ours, start_oracle):
        (tmp_path / start.__name__).mkdir()
        server = start(tmp_path / start.__name__, "--bind", "0.0.0.0", "--protected-mode", protected)
        try:
            outside = RawClient(socket.create_connection((address, server.port), timeout=PATIENCE))
            outside.sock.sendall(b"PING\r\n")
            answers.append(outside.read())
            outside.close()
            inside = RawClient(server.connect())
            assert inside.call("PING") == b"+PONG\r\n"
            if protected == "yes":
                assert inside.call("CONFIG", "SET", "requirepass", "secret") == b"+OK\r\n"
                outside = RawClient(socket.create_connection((address, server.port), timeout=PATIENCE))
                assert outside.call("PING") == b"-NOAUTH Authentication required.\r\n"
                outside.close()
            inside.close()
        finally:
            server.stop()
    assert answers[0] == answers[1]
    assert answers[0].startswith(b"-DENIED" if protected == "yes" else b"+PONG")


@pytest.mark.parametrize("permissions", ["", "700", "777"])
def test_unix_socket(tmp_path: Path, permissions: str) -> None:
    modes = []
    for start in (start_ours, start_oracle):
        folder = tmp_path / start.__name__
        folder.mkdir()
        path = folder / "s.sock"
        more = ["--unixsocketperm", permissions] if permissions else []
        server = start(folder, "--unixsocket", str(path), *more)
        try:
            modes.append(stat.S_IMODE(path.stat().st_mode))
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(str(path))
            client = RawClient(sock)
            assert client.call("PING") == b"+PONG\r\n"
            # Redis has room for 77 bytes here.
            assert b" addr=" + f"{path}:0".encode()[:77] + b" " in client.call("CLIENT", "LIST")
            client.close()
        finally:
            server.stop()
        assert not path.exists()
    assert modes[0] == modes[1]


def test_idle_clients_are_let_go(tmp_path: Path) -> None:
    """Not the ones that wait, subscribe, or say something now and then."""
    server = start_ours(tmp_path)
    try:
        idle, subscriber, waiter, half, busy = (RawClient(server.connect()) for _ in range(5))
        subscriber.call("SUBSCRIBE", "news")
        waiter.send("BLPOP", "queue", "0")
        half.sock.sendall(b"*1\r\n$4\r\nPI")
        # Long enough for ``busy`` to be heard in time.
        assert busy.call("CONFIG", "SET", "timeout", "3") == b"+OK\r\n"
        ended: list[RawClient] = []
        while len(ended) < 2:
            assert busy.call("PING") == b"+PONG\r\n"
            for client in (idle, half):
                client.sock.settimeout(0.05)
                try:
                    if client not in ended and client.sock.recv(1) == b"":
                        ended.append(client)
                except TimeoutError:
                    pass
        assert busy.call("RPUSH", "queue", "v") == b":1\r\n"
        assert waiter.read() == b"*2\r\n$5\r\nqueue\r\n$1\r\nv\r\n"
        assert busy.call("PUBLISH", "news", "x") == b":1\r\n"
    finally:
        server.stop()


def test_text_of_maxclients(tmp_path: Path) -> None:
    answers = []
    for start in (start_ours, start_oracle):
        (tmp_path / start.__name__).mkdir()
        server = start(tmp_path / start.__name__, "--maxclients", "3")
        try:
            clients = [RawClient(server.connect()) for _ in range(3)]
            for client in clients:
                assert client.call("PING") == b"+PONG\r\n"
            refused = RawClient(server.connect())
            answers.append(refused.read())
            with pytest.raises((EOFError, ConnectionError)):
                refused.read()
            clients.pop().close()
            while True:
                again = RawClient(server.connect())
                try:
                    if again.call("PING") == b"+PONG\r\n":
                        break
                except OSError:
                    pass
                again.close()
            again.close()
            for client in clients:
                client.close()
        finally:
            server.stop()
    assert answers[0] == answers[1]


def in_process(tmp_path: Path, talk: Talk) -> str:
    """Run ``talk`` beside a server in this process; returns what the server logged."""

    def make(port: int) -> App:
        config = Config()
        config.port = port
        config.bind = ["127.0.0.1"]
        config.logfile = str(tmp_path / "log")
        return App(config, None, Logger(config))

    async def main() -> None:
        app = await started(make)

        async def ask(data: bytes) -> bytes:
            """Everything that comes back for one connection's bytes, until the server has closed it."""
            reader, writer = await asyncio.open_connection("127.0.0.1", app.server.config.port)
            writer.write(data)
            writer.write_eof()
            reply = await reader.read()
            writer.close()
            return reply

        await talk(app, ask)
        await app.close()

    with asyncio.Runner(loop_factory=pytest.importorskip("uvloop").new_event_loop) as runner:
        runner.run(main())
    log = tmp_path / "log"
    return log.read_text() if log.exists() else ""


def faulty(c: Client, argv: list[bytes]) -> bytes | None:
    if len(argv) > 1:
        c.db.set_key(argv[1], b"half done")
    raise RuntimeError("a fault")


@pytest.mark.parametrize("before", [b"", encode([b"MULTI"]), encode([b"HELLO", b"3"])])
def test_a_fault_closes_one_connection(tmp_path: Path, before: bytes) -> None:
    """An exception that nobody expected: an error, the connection closes, the log tells where; all others go on."""

    async def talk(app: App, ask: Callable[[bytes], Awaitable[bytes]]) -> None:
        spec = CommandSpec(b"FAULTY", -1, 0)
        spec.proc = faulty
        app.server.commands[b"FAULTY"] = Command(spec, app.server.compat)
        app.server.fast = build_fast_table(app.server.commands, 0, frozenset())
        reader, writer = await asyncio.open_connection("127.0.0.1", app.server.config.port)
        writer.write(b"SET mine 1\r\n")
        assert await reader.readline() == b"+OK\r\n"
        after = encode([b"EXEC"]) if b"MULTI" in before else b""
        data = before + encode([b"PING"]) + encode([b"faulty", b"k"]) + after + encode([b"SET", b"not", b"run"])
        for _ in range(3):
            answer = await ask(data)
            assert b"-ERR " in answer
            assert not answer.endswith(b"+OK\r\n")
            writer.write(b"GET mine\r\nEXISTS not\r\n")
            assert await reader.readexactly(11) == b"$1\r\n1\r\n:0\r\n"
        assert len(app.server.clients) == 1
        assert app.server.nesting == 0
        writer.close()

    log = in_process(tmp_path, talk)
    assert log.count("RuntimeError: a fault") == 3
    assert "Internal error" in log


def test_a_connection_leaves_no_cycles(tmp_path: Path) -> None:
    """All of it is freed at once, without the collector, which looks at old objects seldom or never."""
    ends = [
        encode([b"PING"]),
        b"PING\r\n" * 20_000,
        encode([b"SUBSCRIBE", b"x"]),
        encode([b"BLPOP", b"x", b"0"]),
        encode([b"MULTI"]) + encode([b"GET", b"x"]),
        encode([b"WATCH", b"x"]),
        encode([b"GET"]) + encode([b"SET", b"a", b"b", b"EX", b"x"]) + encode([b"nosuch"]),
        encode([b"MONITOR"]),
        b"*1\r\n+\r\n",
        b"*1\r\n$4\r\nPI",
        b"'\r\n",
        encode([b"QUIT"]),
    ]

    async def talk(app: App, ask: Callable[[bytes], Awaitable[bytes]]) -> None:
        for data in ends:
            await ask(data)
        for data in ends:
            gc.collect()
            gc.disable()
            gc.set_debug(gc.DEBUG_SAVEALL)
            try:
                for _ in range(5):
                    await ask(data)
                while app.server.clients:
                    await asyncio.sleep(0)
                gc.collect()
                left = [one for one in gc.garbage if type(one).__module__.startswith("pyredis")]
            finally:
                gc.set_debug(0)
                gc.garbage.clear()
                gc.enable()
            assert not left, data[:40]

    in_process(tmp_path, talk)


def test_keepalive_is_set(tmp_path: Path) -> None:
    async def talk(app: App, ask: Callable[[bytes], Awaitable[bytes]]) -> None:
        for seconds in (300, 0):
            app.server.config.tcp_keepalive = seconds
            reader, writer = await asyncio.open_connection("127.0.0.1", app.server.config.port)
            writer.write(b"PING\r\n")
            await reader.readline()
            (client,) = app.server.clients.values()
            with socket.socket(fileno=socket.dup(client.conn.fileno())) as sock:
                assert bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)) == bool(seconds)
                if seconds:
                    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == seconds
                    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == seconds // 3
                    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 3
            writer.close()
            while app.server.clients:
                await asyncio.sleep(0)

    in_process(tmp_path, talk)


def test_accepting_does_not_starve_the_others(server: ServerProcess) -> None:
    """Connections come in as fast as they can; one that is there is answered between them."""
    other = RawClient(server.connect())
    socks = []
    for _ in range(10):
        for _ in range(50):
            sock = socket.socket()
            sock.connect((server.host, server.port))
            socks.append(sock)
        assert other.call("PING") == b"+PONG\r\n"
    for sock in socks:
        sock.close()
    other.close()
