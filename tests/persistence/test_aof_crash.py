"""A server killed at random moments: what it has acknowledged is there afterwards, in order."""

from __future__ import annotations

import random
import socket
import threading
from pathlib import Path

import pytest

from tests.support.raw import RawClient
from tests.support.servers import ServerProcess, start_ours

ROUNDS = 13
"""For each of the eight parameter sets: more than a hundred in all."""


class Writer(threading.Thread):
    """Appends numbers to a list, some of them in transactions, until the connection breaks."""

    def __init__(self, server: ServerProcess, first: int, seed: str) -> None:
        super().__init__()
        self.client = RawClient(server.connect())
        self.next = first
        self.acknowledged = first
        """All numbers below this have got their reply."""
        self.rng = random.Random(seed)

    def run(self) -> None:
        try:
            while True:
                count = self.rng.choice((1, 1, 2, 8))
                argvs = [[b"RPUSH", b"log", b"%d" % n] for n in range(self.next, self.next + count)]
                if count == 8:
                    argvs = [[b"MULTI"], *argvs, [b"EXEC"]]
                self.next += count
                replies = self.client.pipeline(argvs)
                if len(replies) < len(argvs) or not replies[-1]:
                    return
                self.acknowledged = self.next
        except (OSError, ConnectionError, EOFError, ValueError, IndexError):
            return


@pytest.mark.parametrize("rewriting", [False, True])
@pytest.mark.parametrize("policy", ["always", "everysec", "no"])
def test_killed_at_random(tmp_path: Path, policy: str, rewriting: bool) -> None:
    """Under every policy: a process that is killed loses nothing, as the kernel has what was written."""
    rng = random.Random(f"crash {policy} {rewriting}")
    options = ["--appendonly", "yes", "--appendfsync", policy]
    kept = 0
    for turn in range(ROUNDS + 5):
        server = start_ours(tmp_path, *options)
        client = RawClient(server.connect())
        numbers = client.call("LRANGE", "log", 0, -1).split(b"\r\n")[2::2]
        assert numbers == [b"%d" % n for n in range(len(numbers))]
        assert len(numbers) >= kept, f"turn {turn}: {kept} acknowledged, {len(numbers)} there"
        writer = Writer(server, len(numbers), f"{policy} {turn}")
        writer.start()
        until = writer.acknowledged + rng.randrange(1, 400)
        if rewriting:
            client.call("BGREWRITEAOF")
        while writer.acknowledged < until and writer.is_alive():
            if rewriting and rng.random() < 0.01:
                client.call("BGREWRITEAOF")
        server.process.kill()
        writer.join(20)
        assert not writer.is_alive()
        server.process.wait()
        kept = writer.acknowledged


def test_half_of_a_transaction(tmp_path: Path) -> None:
    """A client that goes away between MULTI and EXEC leaves nothing in the file."""
    server = start_ours(tmp_path, "--appendonly", "yes")
    with socket.create_connection((server.host, server.port)) as sock:
        sock.sendall(b"MULTI\r\nSET a b\r\n")
        assert sock.recv(100)
    RawClient(server.connect()).call("SET", "c", "d")
    server.stop()
    data = (tmp_path / "appendonlydir" / "appendonly.aof.1.incr.aof").read_bytes()
    assert b"MULTI" not in data
    assert b"$1\r\nc" in data
