"""The configuration file that comes with pyredis, Debian's, and CONFIG REWRITE beside redis-server's."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pyredis.commands.all  # noqa: F401  # rename-command must know them
from pyredis.core.config import FileError
from pyredis.core.config_rewrite import rewritten
from pyredis.core.options import Config
from tests.support.raw import RawClient
from tests.support.servers import start_oracle, start_ours

CONF = Path(__file__).parents[1] / "conf" / "redis.conf"
DEBIAN = Path("/etc/redis/redis.conf")


def test_the_file_has_every_directive_at_its_default() -> None:
    config, defaults = Config(), Config()
    config.load(str(CONF))
    names = [line.split()[0] for line in CONF.read_text().splitlines() if line and not line.startswith("#")]
    assert set(names) == {name for name, one in Config.directives.items() if not one.hidden}
    assert all(config.show(name) == defaults.show(name) for name in Config.directives)


def test_the_file_boots_and_is_rewritten_to_itself(tmp_path: Path) -> None:
    file = tmp_path / "redis.conf"
    shutil.copy(CONF, file)
    server = start_ours(tmp_path, file=file)
    try:
        c = RawClient(server.connect())
        assert c.call("CONFIG", "SET", "hz", "50", "timeout", "7") == b"+OK\r\n"
        assert c.call("CONFIG", "REWRITE") == b"+OK\r\n"
        c.close()
    finally:
        server.stop()
    before, after = CONF.read_text().splitlines(), file.read_text().splitlines()
    comments = [line for line in before if line.startswith("#")]
    assert [line for line in after if line.startswith("#")] == comments
    assert "hz 50" in after and "timeout 7" in after and f"port {server.port}" in after
    again = Config()
    again.load(str(file))
    assert (again.hz, again.timeout) == (50, 7)


@pytest.mark.skipif(not os.access(DEBIAN, os.R_OK), reason="Debian's redis.conf is not there")
def test_debians_file() -> None:
    config = Config()
    here = os.getcwd()
    try:
        config.load_text(DEBIAN.read_text())
    finally:
        os.chdir(here)
    assert (config.daemonize, config.bind) == (True, ["127.0.0.1", "-::1"])
    with pytest.raises(FileError, match="snapshots"):
        config.load_text("save 3600 1")


LINES = st.sampled_from(
    (
        *("# a comment", "", "   ", "hz 50", "HZ 20", "  timeout   5  ", "slave-priority 50", "replica-priority 60"),
        *("hash-max-ziplist-value 128", "list-max-ziplist-size 5", "client-output-buffer-limit pubsub 1mb 1mb 60"),
        *("client-output-buffer-limit normal 0 0 0", "client-output-buffer-limit slave 1gb 0 0", "save ''"),
        *('requirepass ""', "notify-keyspace-events ''", "notify-keyspace-events KEA", "loglevel verbose"),
        *('proc-title-template "{title} {port}"', "maxclients 200", "tcp-keepalive 60", "latency-tracking no"),
        *("latency-tracking-info-percentiles 50 99", "oom-score-adj-values 1 2 3", "shutdown-on-sigterm nosave now"),
        *('rename-command FLUSHALL ""', "appendfsync always", "repl-backlog-size 2mb", "proto-max-bulk-len 1048577"),
        *("unixsocketperm 700", "bind-source-addr 10.0.0.1", "cluster-announce-ip 'a b'", "maxmemory 0", "dir ."),
    )
)
CHANGES = st.sampled_from(
    (
        *(("hz", "10"), ("hz", "77"), ("timeout", "0"), ("timeout", "3600"), ("slave-priority", "100")),
        *(("hash-max-listpack-value", "64"), ("hash-max-listpack-value", "2048"), ("appendfsync", "no")),
        *(("client-output-buffer-limit", "normal 1gb 2mb 3"), ("client-output-buffer-limit", "slave 256mb 64mb 60")),
        *(("notify-keyspace-events", ""), ("notify-keyspace-events", "Ex"), ("loglevel", "notice")),
        *(("latency-tracking-info-percentiles", ""), ("latency-tracking-info-percentiles", "50 99 99.9")),
        *(("oom-score-adj-values", "0 200 800"), ("shutdown-on-sigterm", "default"), ("shutdown-on-sigint", "now")),
        *(("cluster-announce-ip", ""), ("cluster-announce-ip", 'q"\\'), ("proto-max-bulk-len", "512mb")),
        *(("repl-backlog-size", "1mb"), ("tls-ciphers", "x y"), ("activerehashing", "no"), ("save", "")),
        *(("bind", "127.0.0.1 -::1"), ("bind", "* -::*"), ("requirepass", "")),
    )
)


@pytest.fixture(scope="module")
def oracle_with_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where redis-server's configuration file of each example is put."""
    return str(tmp_path_factory.mktemp("rewrite"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(lines=st.lists(LINES, max_size=12), changes=st.lists(CHANGES, max_size=5))
def test_rewritten_as_redis_does(oracle_with_file: str, lines: list[str], changes: list[tuple[str, str]]) -> None:
    folder = Path(oracle_with_file)
    file = folder / "redis.conf"
    text = "\n".join(["save ''", *lines]) + "\n"
    file.write_text(text)
    oracle = start_oracle(folder, file=file)
    try:
        config = Config()
        config.load_text(text + f"port {oracle.port}\nsave ''\nappendonly no\n")
        c = RawClient(oracle.connect())
        for name, value in changes:
            assert c.call("CONFIG", "SET", name, value) == b"+OK\r\n", (name, value)
            config.set(name, value.split(" ") if Config.names[name].kind.multi else [value])
        assert c.call("CONFIG", "REWRITE") == b"+OK\r\n"
        c.close()
    finally:
        oracle.stop()
    theirs = split(file.read_text(), folder)
    ours = split(rewritten(text, config), folder)
    assert ours == theirs


def split(text: str, folder: Path) -> tuple[list[str], list[str]]:
    """Lines in their places, and the added ones in any order: Redis adds them in the order of a hash table.

    Its users are not there yet; the working directory differs; with ``save`` off the defaults of the two agree.
    """
    there, _, added = text.partition("# Generated by CONFIG REWRITE\n")
    return [line for line in there.split("\n") if not line.startswith("dir ")], sorted(
        line for line in added.split("\n") if line and not line.startswith(("user default ", "dir ", "save "))
    )


def test_rewrite_without_a_file_and_where_it_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "redis.conf"
    file.parent.mkdir()
    file.write_text("hz 20\n")
    servers = start_ours(tmp_path, file=file), start_oracle(tmp_path, file=file)
    try:
        clients = [RawClient(server.connect()) for server in servers]
        shutil.rmtree(file.parent)
        replies = [c.call("CONFIG", "REWRITE") for c in clients]
        assert replies == [b"-ERR Rewriting config file: No such file or directory\r\n"] * 2
        file.parent.mkdir()
        assert clients[0].call("CONFIG", "REWRITE") == b"+OK\r\n"  # a file that has gone is made anew
        assert "hz 20" in file.read_text() and [p.name for p in file.parent.iterdir()] == ["redis.conf"]
        for c in clients:
            c.close()
    finally:
        for server in servers:
            server.stop()
