"""EVAL and its like beside redis-server: conversions, errors with their lines, the ``redis`` library."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.raw import RawClient
from tests.support.servers import ServerProcess

CALLS = Path(__file__).with_name("eval_calls.txt")


class Both:
    """A connection to each server."""

    def __init__(self, ours: ServerProcess, theirs: ServerProcess, resp: int = 2) -> None:
        self.clients = [RawClient(server.connect()) for server in (ours, theirs)]
        if resp == 3:
            for client in self.clients:
                client.call("HELLO", 3)

    def call(self, *argv: bytes | str | int) -> tuple[bytes, bytes]:
        """Our reply, and theirs."""
        ours, theirs = [client.call(*argv) for client in self.clients]
        return ours, theirs

    def same(self, *argv: bytes | str | int) -> bytes:
        """The reply, which must be the same."""
        ours, theirs = self.call(*argv)
        assert ours == theirs, argv
        return ours

    def differences(self, commands: list[list[bytes]]) -> list[tuple[list[bytes], bytes, bytes]]:
        """Of the commands, one after the other, those with different replies (but for addresses), and the replies."""
        different = []
        for argv in commands:
            ours, theirs = [re.sub(rb"0x[0-9a-f]{6,}", b"0x", reply) for reply in self.call(*argv)]
            if ours != theirs:
                different.append((argv, ours, theirs))
        return different

    def close(self) -> None:
        for client in self.clients:
            client.close()


@pytest.fixture
def both(server: ServerProcess, oracle: ServerProcess) -> Iterator[Both]:
    clients = Both(server, oracle)
    yield clients
    clients.close()


def lines(path: Path) -> list[list[bytes]]:
    """The commands of a file such as eval_calls.txt."""
    found = []
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            words = [word.encode().decode("unicode_escape").encode("latin-1") for word in line.split("|")]
            found.append(words if len(words) > 1 else [b"EVAL", words[0], b"0"])
    return found


@pytest.mark.parametrize("resp", [2, 3])
def test_calls(server: ServerProcess, oracle: ServerProcess, resp: int) -> None:
    """Each line of the file, byte by byte."""
    both = Both(server, oracle, resp)
    both.call("SCRIPT", "FLUSH")
    commands = lines(CALLS)
    assert len(commands) > 340
    assert both.differences(commands) == []
    both.close()


def test_what_kills_redis(server: ServerProcess) -> None:
    """redis-server 7.0.15 crashes when a table without an ``err`` is thrown."""
    client = RawClient(server.connect())
    for thrown in ("{}", "{ok='x'}", "redis", "setmetatable({}, {__index = error})"):
        reply = client.call("EVAL", f"error({thrown})", 0)
        assert reply.startswith(b"-ERR ") and reply.endswith(b", on @user_script:1.\r\n")
    client.close()
