"""The command table beside redis-server's: what COMMAND and its subcommands say, in both protocols.

Redis keeps commands and subcommands in hash tables, so the order in which it lists them is free; and it knows commands
that we do not have yet, which are left out. Everything else is compared as it is sent.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from functools import cached_property

import pexpect
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.raw import RawClient
from tests.support.servers import ServerProcess
from tests.support.tree import Node, tree
from tests.support.waiting import PATIENCE

CATEGORIES = (
    *["keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap", "hyperloglog", "geo"],
    *["stream", "pubsub", "admin", "fast", "slow", "blocking", "dangerous", "connection", "transaction", "scripting"],
)


class Both:
    """A connection to each server; each call is sent to both."""

    def __init__(self, server: ServerProcess, oracle: ServerProcess, resp: int = 2) -> None:
        self.clients = (RawClient(server.connect()), RawClient(oracle.connect()))
        if resp == 3:
            for client in self.clients:
                client.call("HELLO", 3)

    def call(self, *argv: bytes | str) -> tuple[bytes, bytes]:
        """Our reply, and theirs."""
        ours, theirs = [client.call(*argv) for client in self.clients]
        return ours, theirs

    def pipeline(self, lines: list[list[bytes]]) -> list[tuple[list[bytes], bytes, bytes]]:
        """Each line with both replies."""
        ours, theirs = [client.pipeline(lines) for client in self.clients]
        return list(zip(lines, ours, theirs, strict=True))

    @cached_property
    def names(self) -> list[bytes]:
        """All commands and subcommands that we have, as COMMAND LIST names them."""
        return sorted({node.value for node in tree(self.clients[0].call("COMMAND", "LIST")).value})

    def close(self) -> None:
        for client in self.clients:
            client.close()


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def both(request: pytest.FixtureRequest, server: ServerProcess, oracle: ServerProcess) -> Iterator[Both]:
    clients = Both(server, oracle, request.param)
    yield clients
    clients.close()


@pytest.fixture
def both2(server: ServerProcess, oracle: ServerProcess) -> Iterator[Both]:
    clients = Both(server, oracle)
    yield clients
    clients.close()


def top_level(names: list[bytes]) -> list[bytes]:
    return [name for name in names if b"|" not in name]


def known(subs: tuple[Node, ...], names: list[bytes]) -> tuple[Node, ...]:
    """Entries of COMMAND INFO in the order of their names, those that we do not have left out."""
    return tuple(sorted((sub for sub in subs if sub.value[0].value in names), key=lambda sub: sub.value[0].value))


def info_entry(entry: Node, names: list[bytes]) -> Node:
    """An entry of COMMAND INFO with its subcommands in order."""
    if entry.value is None:
        return entry
    *fields, subs = entry.value
    return Node(entry.kind, (*fields, Node(subs.kind, known(subs.value, names))))


def docs_fields(entry: Node, names: list[bytes]) -> dict[bytes, object]:
    """The fields of a COMMAND DOCS entry in their order. The summary is in our own words, so only that it is there."""
    fields: dict[bytes, object] = dict(entry.pairs())
    summary = fields[b"summary"]
    assert isinstance(summary, Node) and summary.kind == "$" and summary.value
    fields[b"summary"] = "…"
    subs = fields.get(b"subcommands")
    if isinstance(subs, Node):
        found = {name: list(docs_fields(sub, names).items()) for name, sub in subs.pairs() if name in names}
        fields[b"subcommands"] = (subs.kind, found)
    return fields


def test_every_command_is_redis_own(both2: Both) -> None:
    names = both2.names
    theirs = {node.value for node in tree(both2.clients[1].call("COMMAND", "LIST")).value}
    assert len(names) > 200
    assert set(names) - theirs == set()


def test_info(both: Both) -> None:
    names = both.names
    different = {}
    for name in names:
        ours, theirs = [info_entry(tree(reply).value[0], names) for reply in both.call("COMMAND", "INFO", name)]
        if ours != theirs:
            different[name] = (ours, theirs)
    assert different == {}


@pytest.mark.parametrize("form", [("COMMAND",), ("COMMAND", "INFO")])
def test_info_of_all(both: Both, form: tuple[str, ...]) -> None:
    names = both.names
    ours, theirs = [tree(reply) for reply in both.call(*form)]
    assert ours.kind == theirs.kind
    assert len(ours.value) == len(top_level(names))
    entries = [known(tuple(info_entry(entry, names) for entry in reply.value), names) for reply in (ours, theirs)]
    assert entries[0] == entries[1]


@pytest.mark.parametrize(
    "argv",
    [
        "get nonsense set",
        "config|get CONFIG|SET config|nonsense nonsense|get",
        "get|x |get get| | ||",
        "GET gEt",
        "config|get|x",
    ],
)
def test_info_of_some(both: Both, argv: str) -> None:
    ours, theirs = both.call("COMMAND", "INFO", *argv.split(" "))
    assert ours == theirs


def test_docs(both: Both) -> None:
    """Field by field and in the same order: arguments, their flags and tokens, history, subcommands."""
    names = both.names
    different = {}
    for name in names:
        ours, theirs = [tree(reply) for reply in both.call("COMMAND", "DOCS", name)]
        assert (ours.kind, len(ours.value)) == (theirs.kind, len(theirs.value)) and ours.value[0] == theirs.value[0]
        entries = [list(docs_fields(reply.value[1], names).items()) for reply in (ours, theirs)]
        if ours.value[1].kind != theirs.value[1].kind or entries[0] != entries[1]:
            different[name] = entries
    assert different == {}


def test_docs_of_all(both: Both) -> None:
    names = both.names
    ours, theirs = [tree(reply) for reply in both.call("COMMAND", "DOCS")]
    assert ours.kind == theirs.kind
    mine, others = dict(ours.pairs()), dict(theirs.pairs())
    assert sorted(mine) == top_level(names)
    for name, entry in mine.items():
        assert list(docs_fields(entry, names).items()) == list(docs_fields(others[name], names).items())


@pytest.mark.parametrize("argv", ["nonsense", "get|x config|nonsense", "config|get|x |"])
def test_docs_of_none(both: Both, argv: str) -> None:
    ours, theirs = both.call("COMMAND", "DOCS", *argv.split())
    assert ours == theirs


def test_summaries_are_sentences(both2: Both) -> None:
    for name in both2.names:
        [(_, entry)] = tree(both2.clients[0].call("COMMAND", "DOCS", name)).pairs()
        summary = dict(entry.pairs())[b"summary"].value.decode()
        assert summary[0].isupper() and summary.endswith(".") and len(summary) < 110, (name, summary)


def test_count(both2: Both) -> None:
    ours, _ = both2.call("COMMAND", "COUNT")
    assert ours == b":%d\r\n" % len(top_level(both2.names))


def same_list(both: Both, *argv: bytes | str) -> None:
    """COMMAND LIST gives the same names, in any order, as far as we have them; or the same error."""
    names = both.names
    ours, theirs = [tree(reply) for reply in both.call("COMMAND", "LIST", *argv)]
    assert ours.kind == theirs.kind
    if ours.kind == "-":
        assert ours == theirs
    else:
        assert {node.kind for node in ours.value} <= {"$"}
        assert sorted(ours.value) == sorted(node for node in theirs.value if node.value in names)


@pytest.mark.parametrize("category", [*CATEGORIES, "FAST", "@fast", "all", "nonsense", ""])
def test_list_by_category(both: Both, category: str) -> None:
    same_list(both, "FILTERBY", "ACLCAT", category)


@pytest.mark.parametrize(
    "argv",
    [
        *("", "filterby module nonsense", "filterby", "filterby pattern", "filterby pattern a b", "by pattern a"),
        *("filterby nonsense a", "FilterBy Pattern GET", "filterby aclcat", "filterby pattern *|*", "module a"),
    ],
)
def test_list_forms(both2: Both, argv: str) -> None:
    same_list(both2, *argv.split())


IN_A_LOOP = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@IN_A_LOOP
@given(st.text(alphabet="getsGconfi|*?[]^-\\z", max_size=6))
def test_list_by_pattern(both2: Both, pattern: str) -> None:
    same_list(both2, "FILTERBY", "PATTERN", pattern)


WORDS = (
    *(b"1", b"2", b"3", b"0", b"-1", b"10", b"99999999999999999999", b"", b"x", b"a", b"b", b"c", b"key", b"*", b"{}"),
    *(b"store", b"STORE", b"storedist", b"get", b"by", b"limit", b"weights", b"aggregate", b"sum", b"left", b"before"),
    *(b"count", b"withscores", b"ex", b"nx", b"db", b"replace", b"streams", b"keys", b"match", b"type", b"auth"),
)


@IN_A_LOOP
@given(st.data())
def test_getkeys_of_anything(both: Both, data: st.DataObject) -> None:
    """Any words after any command: the keys that it would take, or the same complaint."""
    lines = st.tuples(st.sampled_from(both.names), st.lists(st.sampled_from(WORDS), max_size=9))
    argvs = [[*name.split(b"|"), *words] for name, words in data.draw(st.lists(lines, min_size=30, max_size=30))]
    for sub in (b"GETKEYS", b"GETKEYSANDFLAGS"):
        for argv, ours, theirs in both.pipeline([[b"COMMAND", sub, *argv] for argv in argvs]):
            assert ours == theirs, argv


@pytest.mark.parametrize(
    "line",
    [
        "mset a 1 b 2",
        "zunionstore d 2 a b",
        "zunion 2 a b weights 1 2",
        "zunion 0 a",
        "zunion x a",
        "zunion 99999999999999999999 a",
        "sintercard 9 a",
        "blmpop 0 2 a b left",
        "sort a by w get x store d",
        "sort a store d store e",
        "sort a store store d",
        "sort a limit store 1 get store by store store",
        "migrate h 1 k 0 5 keys a b",
        "nonsense a",
        "config nonsense a",
        "config",
        "OBJECT Encoding k",
        "get",
    ],
)
def test_getkeys(both: Both, line: str) -> None:
    names = both.names
    if line.split()[0].lower().encode() not in names and not line.startswith("nonsense"):
        pytest.skip("not there yet")
    for sub in ("GETKEYS", "GETKEYSANDFLAGS"):
        ours, theirs = both.call("COMMAND", sub, *line.split())
        assert ours == theirs


@pytest.mark.parametrize(
    "line",
    ["", "getkeys", "getkeysandflags get", "info", "nonsense", "count x", "docs", "help", "help x", "getkeys get"],
)
def test_errors(both2: Both, line: str) -> None:
    """Errors are the same; other replies are compared above (HELP is in our own words)."""
    ours, theirs = both2.call("COMMAND", *line.split())
    assert ours[:1] == theirs[:1]
    if theirs.startswith(b"-"):
        assert ours == theirs


def help_of(server: ServerProcess, names: list[bytes]) -> dict[bytes, list[bytes]]:
    """What redis-cli shows for ``help <command>``: syntax, version and group, which it has from COMMAND DOCS."""
    lines = b"".join([b"help " + name.replace(b"|", b" ") + b"\n" for name in names])
    argv = ["/usr/bin/redis-cli", "-p", str(server.port)]
    done = subprocess.run(argv, input=lines, capture_output=True, timeout=60)
    shown: dict[bytes, list[bytes]] = {}
    for block in done.stdout.replace(b"\x1b[0m", b"").split(b"\r\n\r\n"):
        title, *rest = block.strip().splitlines() or [b""]
        name = title.removeprefix(b"\x1b[1m").partition(b" \x1b")[0]
        shown[name] = [title, *(line for line in rest if b"summary:" not in line)]
    return shown


def test_help_of_redis_cli(both2: Both, server: ServerProcess, oracle: ServerProcess) -> None:
    """A container's help shows its subcommands, among them some that we do not have."""
    ours = help_of(server, both2.names)
    theirs = help_of(oracle, both2.names)
    assert len(ours) > 190 and not ours.keys() - theirs.keys()
    assert ours == {name: theirs[name] for name in ours}


def test_hints_of_redis_cli(newest: ServerProcess) -> None:
    """They come from our COMMAND DOCS: redis-cli 7.0 itself does not know CLIENT SETINFO."""
    environment = {**os.environ, "TERM": "xterm"}
    argv = ["-p", str(newest.port)]
    terminal = pexpect.spawn("/usr/bin/redis-cli", argv, env=environment, timeout=PATIENCE, dimensions=(24, 200))
    try:
        terminal.expect_exact("> ")
        terminal.send("client setinfo ")
        terminal.expect_exact("LIB-NAME libname|LIB-VER libver")
    finally:
        terminal.close(force=True)
