"""A Kubernetes operator's day, replayed: its files, its commands in its order, its probes and hooks in a shell.

Three pods with a server and a sentinel each have an address of their own on the loopback interface; every server begins
as a replica of itself, every sentinel watches an address where nobody is. Linux only.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.support.sentinels import NAME, Instance, SentinelProcess, run, wait_for
from tests.support.servers import free_port

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs all of 127.0.0.0/8")
PASSWORD = "x" * 32


class Pod:
    """A server and a sentinel at an address of their own. All servers have the same port, and all sentinels."""

    def __init__(self, number: int, directory: Path, port: int) -> None:
        self.ip = f"127.0.3.{number}"
        self.port = port
        lines = [
            f"slaveof {self.ip} {port}",  # a pod's own 127.0.0.1
            "tcp-keepalive 60",
            "save 900 1",
            "save 300 10",
            "user pinger -@all +ping on >pingpass",
            f"masterauth {PASSWORD}",
            f"requirepass {PASSWORD}",
            f"bind-source-addr {self.ip}",
            "protected-mode no",
        ]
        self.server = Instance(directory / f"server{number}", True, lines=lines, host=self.ip, port=port)
        lines = [
            f"bind-source-addr {self.ip}",
            f"sentinel monitor {NAME} 127.0.3.99 {port} 2",
            f"sentinel down-after-milliseconds {NAME} 10000",
            f"sentinel failover-timeout {NAME} 3000",
            f"sentinel parallel-syncs {NAME} 2",
        ]
        self.sentinel = SentinelProcess(directory / f"sentinel{number}", True, lines, host=self.ip)

    def data(self, *argv: str) -> object:
        """A command to the server, over RESP2 without HELLO."""
        with redis.Redis(self.ip, self.port, password=PASSWORD, protocol=2, decode_responses=True) as client:
            client.response_callbacks.clear()
            return client.execute_command(*argv)

    def replication(self) -> str:
        return str(self.data("INFO", "replication"))

    def is_ready(self) -> bool:
        """The readiness probe: a master, or a replica of somebody else that is not copying."""
        code, text = run(f"REDISCLI_AUTH={PASSWORD} redis-cli -h {self.ip} -p {self.port} info replication")
        assert code == 0 and len(re.findall("role", text)) == 1
        if "role:master" in text:
            return True
        return "role:slave" in text and "master_sync_in_progress:1" not in text and f"master_host:{self.ip}" not in text


@pytest.fixture
def pods(tmp_path: Path) -> Iterator[list[Pod]]:
    port = free_port()
    pods = [Pod(number, tmp_path, port) for number in (1, 2, 3)]
    try:
        for pod in pods:
            pod.server.wait()
            pod.sentinel.wait()
        yield pods
    finally:
        for pod in pods:
            pod.sentinel.stop()
            pod.server.stop()
            print(pod.ip, pod.sentinel.log()[-3000:], pod.server.log()[-2000:])


def make_set(pods: list[Pod], master: Pod) -> None:
    """What the operator does when there is no master: one is chosen, the others follow, the sentinels are told."""
    assert master.data("SLAVEOF", "NO", "ONE") == "OK"
    for pod in pods:
        if pod is not master:
            assert str(pod.data("SLAVEOF", master.ip, str(master.port))).startswith("OK")
    for pod in pods:
        for line in (
            ("SENTINEL", "REMOVE", NAME),
            ("SENTINEL", "MONITOR", NAME, master.ip, master.port, 2),
            ("SENTINEL", "SET", NAME, "auth-pass", PASSWORD),
            ("SENTINEL", "set", NAME, "down-after-milliseconds", 10000),
            ("SENTINEL", "set", NAME, "failover-timeout", 10000),
        ):
            assert pod.sentinel.call(*line) == "OK"


def sentinels_are_right(pods: list[Pod], master: Pod) -> bool:
    """The operator's check: status ok, all replicas, all sentinels, the master's address."""
    for pod in pods:
        text = str(pod.sentinel.call("INFO", "sentinel"))
        status = re.search("status=([a-z]+)", text)
        assert status is not None
        address = pod.sentinel.call("SENTINEL", "master", NAME)
        assert isinstance(address, list)
        if status[1] != "ok" or "slaves=2" not in text or "sentinels=3" not in text or address[3] != master.ip:
            return False
    return True


def test_from_nothing_to_a_failover(pods: list[Pod]) -> None:
    for pod in pods:
        text = pod.replication()
        assert "role:slave" in text and f"master_host:{pod.ip}" in text and "master_link_status:down" in text
        assert not pod.is_ready()
        ping = f"redis-cli -h {pod.ip} -p {pod.port} --user pinger --pass pingpass --no-auth-warning ping"
        code, out = run(f'sh -c "{ping} | grep PONG"')
        assert (code, out) == (0, "PONG\n")
        assert run(f"redis-cli -h {pod.ip} -p {pod.sentinel.port} ping")[0] == 0
        with pytest.raises(redis.exceptions.ResponseError, match="NOQUORUM"):
            pod.sentinel.call("SENTINEL", "CKQUORUM", NAME)
    first = pods[0]
    make_set(pods, first)
    wait_for(lambda: all("master_link_status:up" in pod.replication() for pod in pods[1:]), "replicas")
    wait_for(lambda: all(pod.is_ready() for pod in pods), "readiness")
    wait_for(lambda: sentinels_are_right(pods, first), "the sentinels know all")
    quorum = "OK 3 usable Sentinels. Quorum and failover authorization can be reached"
    wait_for(lambda: pods[1].sentinel.call("SENTINEL", "CKQUORUM", NAME) == quorum, "the quorum")
    for line in (("tcp-keepalive", "0"), ("loglevel", "notice"), ("replica-priority", "100"), ("save", "")):
        assert first.data("CONFIG", "SET", *line) == "OK"

    # A reset: replicas and sentinels are known again before the next look, half a minute later.
    for pod in pods:
        assert pod.sentinel.call("SENTINEL", "reset", "*") == 1
    wait_for(lambda: sentinels_are_right(pods, first), "the sentinels know all again", 25)

    # The hook before a pod ends: it is the master, so it asks for a failover.
    sentinel = f"redis-cli -h {first.ip} -p {first.sentinel.port}"
    code, out = run(f"{sentinel} --csv SENTINEL get-master-addr-by-name {NAME}")
    assert (code, out) == (0, f'"{first.ip}","{first.port}"\n')
    with redis.Redis(first.ip, first.port, password=PASSWORD) as client:
        client.set("greeting", "hello")
        assert client.wait(2, 60_000) == 2
    for pod in pods:
        pod.sentinel.call("SENTINEL", "DEBUG", "INFO-PERIOD", 1000)  # what follows need not take so long
    assert run(f"{sentinel} SENTINEL failover {NAME}") == (0, "OK\n")
    wait_for(lambda: "role:slave" in first.replication(), "the old master is a replica")
    assert run(f"REDISCLI_AUTH={PASSWORD} redis-cli -h {first.ip} -p {first.port} save") == (0, "OK\n")
    masters = [pod for pod in pods if "role:master" in pod.replication()]
    assert len(masters) == 1 and masters[0] is not first
    assert masters[0].data("GET", "greeting") == "hello"
    wait_for(lambda: sentinels_are_right(pods, masters[0]), "the sentinels know all")
    wait_for(lambda: all(pod.is_ready() for pod in pods), "readiness")

    # The pod starts anew, with the file it began with or the one rewritten: never as a second master.
    first.server.signal(9)
    first.sentinel.kill()
    first.server.start()
    first.sentinel.start()
    first.sentinel.call("SENTINEL", "DEBUG", "INFO-PERIOD", 1000)
    assert "role:slave" in first.replication()
    if f"master_host:{first.ip}" in first.replication():
        first.data("SLAVEOF", masters[0].ip, str(masters[0].port))
    wait_for(lambda: "master_link_status:up" in first.replication(), "it follows")
    wait_for(lambda: sentinels_are_right(pods, masters[0]), "the sentinels know all")
