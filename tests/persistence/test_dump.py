"""DUMP and RESTORE: payloads of ours and of redis-server, each taken by the other; and damaged ones."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.support.keyspaces import fill
from tests.support.local import DrivenServer, LocalServer, run
from tests.support.newer import Feeding
from tests.support.payloads import GOOD, payload_of, sealed
from tests.support.raw import RawClient
from tests.support.servers import ServerProcess, start_oracle, start_ours

DEBUG = ("--enable-debug-command", "yes")
BAD_PAYLOAD = b"-ERR DUMP payload version or checksum are wrong\r\n"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    ours = start_ours(tmp_path_factory.mktemp("ours"), *DEBUG)
    theirs = start_oracle(tmp_path_factory.mktemp("theirs"), *DEBUG)
    yield ours, theirs
    ours.stop()
    theirs.stop()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("from_ours", [True, False])
def test_every_payload_is_taken(pair: tuple[ServerProcess, ServerProcess], seed: int, from_ours: bool) -> None:
    source, target = [RawClient(server.connect()) for server in (pair if from_ours else pair[::-1])]
    for client in (source, target):
        client.call("FLUSHALL")
        client.call("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    fill(source, f"dump {seed}")
    moved = 0
    for number in range(16):
        source.call("SELECT", number)
        target.call("SELECT", number)
        for key in _keys(source):
            dumped = source.call("DUMP", key)
            if dumped == b"$-1\r\n":
                continue  # its time has come
            when = source.call("PEXPIRETIME", key)[1:-2]
            reply = target.call("RESTORE", key, when if int(when) > 0 else b"0", payload_of(dumped), "ABSTTL")
            assert reply == b"+OK\r\n", (key, dumped)
            for question in ([b"DEBUG", b"DIGEST-VALUE", key], [b"TYPE", key], [b"PEXPIRETIME", key]):
                assert source.call(*question) == target.call(*question), (key, dumped)
            moved += 1
    assert moved > 100
    assert source.call("DEBUG", "DIGEST") == target.call("DEBUG", "DIGEST")


def _keys(client: RawClient) -> list[bytes]:
    reply = client.call("KEYS", "*")
    keys, at = [], reply.index(b"\r\n") + 2
    while at < len(reply):
        end = reply.index(b"\r\n", at)
        size = int(reply[at + 1 : end])
        keys.append(reply[end + 2 : end + 2 + size])
        at = end + 4 + size
    return keys


@pytest.mark.parametrize("payload", GOOD, ids=range(len(GOOD)))
def test_damage_is_refused(payload: bytes) -> None:
    """Cut or changed anywhere: the checksum tells. The key that is there is left alone."""
    client = LocalServer().client()
    client.call("SET", "k", "old")
    rng = random.Random(payload)
    for at in range(len(payload)):
        assert client.call("RESTORE", "k", 0, payload[:at], "REPLACE") == BAD_PAYLOAD
        changed = bytearray(payload)
        changed[at] ^= rng.randrange(1, 256)
        assert client.call("RESTORE", "k", 0, bytes(changed), "REPLACE") == BAD_PAYLOAD
    assert client.call("GET", "k") == b"$3\r\nold\r\n"


@pytest.mark.parametrize("payload", GOOD, ids=range(len(GOOD)))
@pytest.mark.parametrize("sanitize", ["yes", "no"])
def test_damage_behind_a_good_checksum(payload: bytes, sanitize: str) -> None:
    """Whoever writes hostile payloads also computes checksums: refused or a value that can be used, nothing else."""
    client = LocalServer().client()
    client.call("CONFIG", "SET", "sanitize-dump-payload", sanitize)
    client.server.config.enable_debug_command = "yes"
    rng = random.Random(payload)
    body = payload[:-10]
    for _ in range(400):
        changed = bytearray(body)
        for _ in range(rng.choice((1, 1, 2, 4))):
            changed[rng.randrange(len(body))] = rng.choice((0, 1, 0x7F, 0x80, 0x81, 0xC3, 0xFF, rng.randrange(256)))
        cut = changed[: rng.choice((len(changed), rng.randrange(len(changed) + 1)))]
        reply = client.call("RESTORE", "k", 0, sealed(bytes(cut)), "REPLACE")
        assert reply in (b"+OK\r\n", b"-ERR Bad data format\r\n")
        if reply == b"+OK\r\n":
            assert client.call("DUMP", "k").startswith(b"$")
            assert client.call("DEBUG", "DIGEST-VALUE", "k").startswith(b"*1\r\n+")


def test_hashes_whose_fields_have_deadlines() -> None:
    client = LocalServer().client()
    run(client, "HSET h a 1 b 2\nHPEXPIREAT h 9999999999999 FIELDS 1 a")
    payload = payload_of(client.call("DUMP", "h"))
    assert client.call("RESTORE", "other", 0, payload) == b"+OK\r\n"
    assert run(client, "HPEXPIRETIME other FIELDS 2 a b\nHGET other b") == [[9999999999999, -1], "2"]
    client.server.clock.advance(3e10)
    assert run(client, "HGETALL other") == [["b", "2"]]


def test_what_is_announced_and_propagated() -> None:
    feeding = Feeding()
    payload = GOOD[0]
    feeding.call("RESTORE", "k", 0, payload)
    assert feeding.events == [b"restore k"]
    assert feeding.fed == [[b"RESTORE", b"k", b"0", payload]]
    feeding.clear()
    feeding.call("RESTORE", "k", 100000, payload, "REPLACE")
    assert feeding.fed[0][3:] == [payload, b"REPLACE", b"ABSTTL"]
    assert int(feeding.fed[0][2]) > 10**12
    feeding.clear()
    feeding.call("RESTORE", "k", 1, payload, "REPLACE", "ABSTTL")
    assert (feeding.events, feeding.fed) == ([b"del k"], [[b"DEL", b"k"]])
    feeding.clear()
    feeding.call("RESTORE", "k", 1, payload, "ABSTTL")
    assert (feeding.events, feeding.fed) == ([], [])


def test_skipping_checksums() -> None:
    client = LocalServer().client()
    client.server.config.enable_debug_command = "yes"
    payload = GOOD[0][:-8] + b"12345678"
    assert client.call("RESTORE", "k", 0, payload) == BAD_PAYLOAD
    client.call("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 1)
    assert client.call("RESTORE", "k", 0, payload) == b"+OK\r\n"


def test_idle_time() -> None:
    client = DrivenServer().client()
    client.call("RESTORE", "k", 0, GOOD[0], "IDLETIME", 1000)
    assert run(client, "OBJECT IDLETIME k") == [1000]
