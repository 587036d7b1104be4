"""``compat-version``: the same server as an older or newer Redis.

What each release has is in the ``since`` of https://redis.io/docs/latest/commands/ and in its release notes.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from pyredis.core.compat import NEWEST, RELEASES, known_arguments, version_number
from pyredis.core.usage import parse_usage, syntax
from tests.support.local import LocalServer
from tests.support.raw import RawClient
from tests.support.servers import start_ours
from tests.support.tree import tree

NAMES = {
    # a command of each release: subcommands, an option of a command
    "7.2": ("client|no-touch", "client|setinfo", "cluster|myshardid"),
    "8.2": ("xackdel", "xdelex"),
    "8.4": ("delex", "digest", "msetex"),
}


def test_versions_as_numbers() -> None:
    versions = {"7.0.15": 700, "7.4.0": 704, "8.0": 800, "2.6.12": 206, "10.1.1": 1001, "": 0}
    assert {version: version_number(version) for version in versions} == versions
    assert all(full.startswith(release + ".") for release, full in RELEASES.items())
    assert list(RELEASES)[-1] == NEWEST


@pytest.mark.parametrize("release", RELEASES)
def test_the_version_told(release: str) -> None:
    client = LocalServer(release).client()
    full = RELEASES[release].encode()
    assert b"\r\nredis_version:%b\r\n" % full in client.call("INFO", "server")
    assert client.call("LOLWUT").endswith(b"Redis ver. %b\n\r\n" % full)
    hello = client.call("HELLO", "3")
    assert dict(tree(hello).pairs())[b"version"].value == full


@pytest.mark.parametrize("release", RELEASES)
def test_newer_commands_are_unknown(release: str) -> None:
    client = LocalServer(release).client()
    names = {node.value.decode() for node in tree(client.call("COMMAND", "LIST")).value}
    for since, some in NAMES.items():
        there = version_number(since) <= version_number(release)
        for name in some:
            assert (name in names) is there
            assert (client.call("COMMAND", "INFO", name) == b"*1\r\n$-1\r\n") is not there
            assert (client.call("COMMAND", "DOCS", name) == b"*0\r\n") is not there
            error = client.call(*name.split("|"))
            assert error.startswith((b"-ERR unknown command", b"-ERR unknown subcommand")) is not there, error
            container = name.split("|")[0]
            if container != name:
                assert (name.encode() in client.call("COMMAND", "INFO", container)) is there


@pytest.mark.parametrize("release", RELEASES)
def test_nothing_newer_is_documented(release: str) -> None:
    client = LocalServer(release).client()
    limit = version_number(release)

    def check(entry: object) -> None:
        value = getattr(entry, "value", None)
        if isinstance(value, tuple):
            for name, child in pairwise(value):
                if name.value in (b"since", b"deprecated_since") and isinstance(child.value, bytes):
                    assert version_number(child.value.decode()) <= limit
            for child in value:
                check(child)

    check(tree(client.call("COMMAND", "DOCS")))


def test_arguments_of_a_release() -> None:
    usage = parse_usage("key value [NX|XX|IFEQ x@8.4.0] [WITH@7.2.0] (a:int [B@7.4.0]) [(C|D@8.0.0)]")
    shown = {compat: syntax(known_arguments(usage, compat)) for compat in (700, 702, 704, 800, 804)}
    assert shown == {
        700: "key value [NX | XX] a [C]",
        702: "key value [NX | XX] [WITH] a [C]",
        704: "key value [NX | XX] [WITH] a [B] [C]",
        800: "key value [NX | XX] [WITH] a [B] [C | D]",
        804: "key value [NX | XX | IFEQ x] [WITH] a [B] [C | D]",
    }


def test_options_of_8_2_are_no_syntax_before() -> None:
    """https://redis.io/docs/latest/commands/bitop/"""
    for release in RELEASES:
        reply = LocalServer(release).client().call("BITOP", "ONE", "d", "a")
        assert reply == (b":0\r\n" if release >= "8.2" else b"-ERR syntax error\r\n")


def test_fields_of_client_list() -> None:
    """https://redis.io/docs/latest/commands/client-list/"""
    lines = {release: LocalServer(release).client().call("CLIENT", "INFO") for release in RELEASES}
    assert all((b" lib-name= lib-ver=" in line) is (release >= "7.2") for release, line in lines.items())
    assert all((b" lib-ver= io-thread=0" in line) is (release >= "8.0") for release, line in lines.items())
    assert all((b" io-thread=0 tot-net-in=" in line) is (release >= "8.2") for release, line in lines.items())
    assert all((b" multi=-1 watch=0 qbuf=" in line) is (release >= "7.4") for release, line in lines.items())


def test_sections_of_info() -> None:
    """https://redis.io/docs/latest/commands/info/"""
    for release in RELEASES:
        text = LocalServer(release).client().call("INFO")
        assert (b"\r\neventloop_cycles:" in text) is (release >= "7.2")
        assert (b"\r\n# Threads\r\nio_thread_0:clients=1,reads=" in text) is (release >= "8.0")
        assert (b"# Keysizes\r\n" in LocalServer(release).client().call("INFO", "keysizes")) is (release >= "8.0")


def test_the_directive(tmp_path: Path) -> None:
    server = start_ours(tmp_path, compat="7.4")
    try:
        client = RawClient(server.connect())
        assert client.call("CONFIG", "GET", "compat-version") == b"*2\r\n$14\r\ncompat-version\r\n$3\r\n7.4\r\n"
        error = client.call("CONFIG", "SET", "compat-version", "7.0")
        assert error.endswith(b"'compat-version') - can't set immutable config\r\n")
        client.close()
        assert b"redis_version:" + RELEASES["7.4"].encode() in RawClient(server.connect()).call("INFO")
    finally:
        server.stop()
