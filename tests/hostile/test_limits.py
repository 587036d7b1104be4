"""What a client may cost: memory within bounds, its own connection at worst, never the others.

Memory is the server's resident size; the bounds leave room (they are far below what the careless way would take).
"""

from __future__ import annotations

import resource
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from tests.support.raw import RawClient, encode
from tests.support.servers import ServerProcess, start_ours

MB = 1 << 20


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose memory nobody has used yet, with as many files as it may have."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    one = start_ours(tmp_path_factory.mktemp("fresh"), "--maxclients", "10000")
    yield one
    assert one.alive(), one.log()
    assert "Internal error" not in one.log()
    one.stop()


def resident(server: ServerProcess) -> int:
    """Bytes of memory that the server occupies."""
    with open(f"/proc/{server.pid}/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def others_are_served(server: ServerProcess) -> None:
    client = RawClient(server.connect())
    assert client.call("SET", "other", "1") == b"+OK\r\n"
    assert client.call("GET", "other") == b"$1\r\n1\r\n"
    client.close()


def in_background(work: object, *args: object) -> threading.Thread:
    thread = threading.Thread(target=work, args=args, daemon=True)  # type: ignore[arg-type]
    thread.start()
    return thread


def begin_to_send(sock: socket.socket, data: bytes, times: int) -> threading.Thread:
    """:func:`send_all` in a thread, which may take its time. What is read meanwhile may, too."""
    sock.settimeout(None)  # not in the thread: that would disturb who has begun to read
    return in_background(send_all, sock, data, times)


def send_all(sock: socket.socket, data: bytes, times: int) -> None:
    """Send as long as the peer takes it; ends when it closes."""
    try:
        for _ in range(times):
            sock.sendall(data)
    except OSError:
        pass


def wait_until_closed(sock: socket.socket) -> int:
    """Read to the end; returns how many bytes there were."""
    total = 0
    try:
        while data := sock.recv(1 << 20):
            total += len(data)
    except ConnectionError:
        pass
    return total


@pytest.mark.parametrize(
    "promise",
    [
        b"*2\r\n$3\r\nGET\r\n$536870912\r\nabc",
        b"*1048576\r\n$3\r\nDEL\r\n",
        b"*2147483647\r\n",
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$500000000\r\n",
    ],
)
def test_promises_are_not_allocated(fresh: ServerProcess, promise: bytes) -> None:
    before = resident(fresh)
    socks = [fresh.connect() for _ in range(200)]
    for sock in socks:
        sock.sendall(promise)
    others_are_served(fresh)
    assert resident(fresh) - before < 64 * MB
    for sock in socks:
        sock.close()
    others_are_served(fresh)


def test_a_query_buffer_grows_to_its_limit(fresh: ServerProcess) -> None:
    control = RawClient(fresh.connect())
    assert control.call("CONFIG", "SET", "client-query-buffer-limit", "2mb") == b"+OK\r\n"
    sock = fresh.connect()
    sock.sendall(b"*2\r\n$3\r\nGET\r\n$100000000\r\n")
    before = resident(fresh)
    send_all(sock, b"x" * 10_000, 10_000)
    assert wait_until_closed(sock) == 0
    assert resident(fresh) - before < 40 * MB
    wait_for(control, b"connected_clients:1\r\n")
    control.close()


def test_a_million_replies_wait_for_their_reader(fresh: ServerProcess) -> None:
    """320 MB of replies to commands sent without reading: held back, then all there and in order."""
    client, control = RawClient(fresh.connect()), RawClient(fresh.connect())
    number = client.call("CLIENT", "ID")[1:-2]
    values = [b"%d:" % n + b"v" * 300 for n in range(16)]
    for n, value in enumerate(values):
        control.call("SET", b"key:%d" % n, value)
    unit = b"".join([encode([b"GET", b"key:%d" % n]) for n in range(16)])
    expected = b"".join([b"$%d\r\n%b\r\n" % (len(value), value) for value in values])
    before = resident(fresh)
    sender = begin_to_send(client.sock, unit * 100, 625)
    while b"omem=0 " in control.call("CLIENT", "LIST", "ID", number):
        pass
    others_are_served(fresh)
    left = 62_500
    peak = 0
    buffer = b""
    while left:
        buffer += client.sock.recv(1 << 22)
        whole = len(buffer) // len(expected)
        assert buffer[: whole * len(expected)] == expected * whole
        buffer = buffer[whole * len(expected) :]
        left -= whole
        peak = max(peak, resident(fresh) - before)
    sender.join()
    assert not buffer
    assert peak < 600 * MB
    client.close()
    control.close()


def test_few_requests_for_much(fresh: ServerProcess) -> None:
    """A chunk of 20,000 GETs of a megabyte is not answered faster than it is read."""
    client = RawClient(fresh.connect())
    client.call("SET", "big", "x" * MB)
    before = resident(fresh)
    sender = begin_to_send(client.sock, encode([b"GET", b"big"]) * 20_000, 1)
    client.file.read(10 * MB)
    for _ in range(20):
        others_are_served(fresh)
    assert resident(fresh) - before < 500 * MB
    client.sock.shutdown(socket.SHUT_RDWR)
    sender.join()
    client.close()
    others_are_served(fresh)


def test_a_flood_leaves_turns_to_others(fresh: ServerProcess) -> None:
    """While one connection's megabytes of commands are run, another sees them half done."""
    flood, other = RawClient(fresh.connect()), RawClient(fresh.connect())
    total, times = 300_000, 10
    sender = begin_to_send(flood.sock, encode([b"INCR", b"n"]) * total, times)
    assert flood.file.read(4) == b":1\r\n"
    reader = in_background(wait_until_closed, flood.sock)
    amid: set[int] = set()
    seen = 0
    while len(amid) <= 5 and seen < total * times:
        seen = int(other.call("GET", "n").split(b"\r\n")[1])
        if seen % total:
            amid.add(seen)
    assert len(amid) > 5
    flood.sock.shutdown(socket.SHUT_RDWR)
    sender.join()
    reader.join()
    flood.close()
    other.close()


def test_subscribers_that_do_not_read(fresh: ServerProcess) -> None:
    subscribers = [RawClient(fresh.connect()) for _ in range(4)]
    for one in subscribers:
        assert one.call("SUBSCRIBE", "news")
    reader = RawClient(fresh.connect())
    assert reader.call("SUBSCRIBE", "news")
    publisher = RawClient(fresh.connect())
    before = resident(fresh)
    message = b"x" * MB
    receivers = []
    for _ in range(120):
        receivers.append(publisher.call("PUBLISH", "news", message))
        assert reader.read().endswith(message + b"\r\n")
    assert receivers[0] == b":5\r\n"
    assert receivers[-1] == b":1\r\n"
    assert resident(fresh) - before < 300 * MB
    for one in subscribers:
        wait_until_closed(one.sock)
        one.close()
    reader.close()
    publisher.close()


@pytest.mark.parametrize("kind", ["normal", "monitor"])
def test_output_limits(fresh: ServerProcess, kind: str) -> None:
    """Who does not read is disconnected at the limit of its class."""
    control, idle = RawClient(fresh.connect()), RawClient(fresh.connect())
    limits = "normal 4mb 0 0 slave 4mb 0 0 pubsub 4mb 0 0"
    assert control.call("CONFIG", "SET", "client-output-buffer-limit", limits) == b"+OK\r\n"
    control.call("SET", "k", "x" * MB)
    before = resident(fresh)
    if kind == "monitor":
        assert idle.call("MONITOR") == b"+OK\r\n"
        for _ in range(12):
            control.call("SET", "k", "x" * MB)
    else:
        idle.sock.sendall(encode([b"GET", b"k"]) * 100)
    wait_for(control, b"connected_clients:1\r\n")
    assert resident(fresh) - before < 100 * MB
    idle.close()
    control.close()


def wait_for(client: RawClient, text: bytes) -> None:
    while text not in client.call("INFO", "clients"):
        pass


def test_a_client_without_replies(fresh: ServerProcess) -> None:
    client = RawClient(fresh.connect())
    before = resident(fresh)
    client.send("CLIENT", "REPLY", "OFF")
    send_all(client.sock, encode([b"SET", b"k", b"v" * 100]) * 1000, 100)
    assert client.call("CLIENT", "REPLY", "ON") == b"+OK\r\n"
    assert resident(fresh) - before < 64 * MB
    client.close()


def test_halves_of_commands_from_many(fresh: ServerProcess) -> None:
    """A byte at a time from 300 connections in turn: every one gets its reply."""
    clients = [RawClient(fresh.connect()) for _ in range(300)]
    data = encode([b"ECHO", b"hello"])
    for at in range(len(data)):
        for client in clients:
            client.sock.sendall(data[at : at + 1])
    for client in clients:
        assert client.read() == b"$5\r\nhello\r\n"
        client.close()


def test_state_of_a_client_goes_with_it(fresh: ServerProcess) -> None:
    """Subscriptions, watched keys, queued commands and places in queues, many of them; gone without a word."""
    control = RawClient(fresh.connect())
    names = [b"name:%d" % n for n in range(20_000)]
    clients = [RawClient(fresh.connect()) for _ in range(6)]
    clients[0].send(b"SUBSCRIBE", *names)
    clients[1].send(b"PSUBSCRIBE", *[name + b"*" for name in names[:2000]])
    clients[2].call(b"WATCH", *names)
    clients[3].call(b"MULTI")
    clients[3].pipeline([[b"SET", name, b"x" * 100] for name in names])
    clients[4].send(b"BLPOP", *names, b"0")
    clients[5].send(b"SSUBSCRIBE", *names)
    for client in clients[:2] + clients[5:]:
        for _ in range(2000):
            client.read()
    wait_for(control, b"blocked_clients:1\r\n")
    for client in clients:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.file.close()
        client.sock.close()
    wait_for(control, b"connected_clients:1\r\n")
    assert control.call("PUBSUB", "CHANNELS") == b"*0\r\n"
    assert control.call("PUBSUB", "SHARDCHANNELS") == b"*0\r\n"
    assert control.call("PUBSUB", "NUMPAT") == b":0\r\n"
    assert b"blocked_clients:0\r\n" in control.call("INFO", "clients")
    assert control.call("DBSIZE") == b":0\r\n"
    assert control.call("RPUSH", names[7], "v") == b":1\r\n"
    assert control.call("LLEN", names[7]) == b":1\r\n"
    control.close()


def test_many_wait_for_the_same_key(fresh: ServerProcess) -> None:
    clients = [RawClient(fresh.connect()) for _ in range(1000)]
    control = RawClient(fresh.connect())
    for client in clients:
        client.send("BLPOP", "queue", "another", "0")
    wait_for(control, b"blocked_clients:1000\r\n")
    for client in clients[::2]:
        client.close()
    wait_for(control, b"blocked_clients:500\r\n")
    control.call(b"RPUSH", b"queue", *[b"%d" % n for n in range(500)])
    for n, client in enumerate(clients[1::2]):
        assert client.read() == b"*2\r\n$5\r\nqueue\r\n" + encode([b"%d" % n])[4:]
        client.close()
    control.close()


def test_ten_thousand_idle_connections(fresh: ServerProcess) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < 10_500:
        pytest.skip(f"the limit of open files is {hard}")
    before = resident(fresh)
    socks: list[socket.socket] = []
    other = RawClient(fresh.connect())
    for n in range(9_999):
        socks.append(fresh.connect())
        if n % 500 == 0:
            assert other.call("PING") == b"+PONG\r\n"
    for sock in socks:
        sock.sendall(b"PING\r\n")
    for sock in socks:
        assert sock.recv(16) == b"+PONG\r\n"
    assert (resident(fresh) - before) / 10_000 < 64 * 1024
    refused = RawClient(fresh.connect())
    assert refused.read() == b"-ERR max number of clients reached\r\n"
    with pytest.raises(EOFError):
        refused.read()
    for sock in socks[::2]:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    wait_for(other, b"connected_clients:5000\r\n")
    for sock in socks[1::2]:
        sock.sendall(b"PING\r\n")
    for sock in socks[1::2]:
        assert sock.recv(16) == b"+PONG\r\n"
        sock.close()
    assert b"rejected_connections:1\r\n" in other.call("INFO", "stats")
    others_are_served(fresh)
    other.close()
