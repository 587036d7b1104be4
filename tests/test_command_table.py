"""The command table beside redis-server's: COMMAND INFO entry by entry, COMMAND DOCS field by field."""

from __future__ import annotations

from typing import Any

import hiredis
import pytest

from tests.support.raw import RawClient
from tests.support.servers import ServerProcess


def call(server: ServerProcess, *argv: str) -> Any:
    client = RawClient(server.connect())
    reader = hiredis.Reader(encoding="utf-8")
    reader.feed(client.call(*argv))
    client.close()
    return reader.gets()


def flatten(entry: list[Any]) -> dict[str, list[Any]]:
    """Entries by name, subcommands beside their containers; flags and categories without order."""
    name, arity, flags, first, last, step, categories, tips, keys, subs = entry
    found = {name: [arity, sorted(flags), first, last, step, sorted(categories), sorted(tips), keys]}
    for sub in subs:
        found |= flatten(sub)
    return found


def test_info_is_the_same(server: ServerProcess, oracle: ServerProcess) -> None:
    names = call(server, "COMMAND", "LIST")
    ours: dict[str, list[Any]] = {}
    theirs: dict[str, list[Any]] = {}
    for name in names:
        if "|" not in name:
            ours |= flatten(call(server, "COMMAND", "INFO", name)[0])
            theirs |= flatten(call(oracle, "COMMAND", "INFO", name)[0])
    assert len(ours) > 150
    different = {name: (ours[name], theirs[name]) for name in ours if ours[name] != theirs[name]}
    assert not different


def docs(server: ServerProcess, name: str) -> dict[str, Any]:
    flat = call(server, "COMMAND", "DOCS", name)[1]
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    return {k: v for k, v in fields.items() if k not in ("summary", "arguments", "subcommands")}


def test_docs_are_the_same(server: ServerProcess, oracle: ServerProcess) -> None:
    """All but the summary, which is in our own words, and the arguments."""
    names = call(server, "COMMAND", "LIST")
    different = {name: (docs(server, name), docs(oracle, name)) for name in names}
    assert {name: pair for name, pair in different.items() if pair[0] != pair[1]} == {}


@pytest.mark.parametrize(
    "argv",
    [
        "mset a 1 b 2",
        "get k",
        "zunionstore d 2 a b",
        "zunion 2 a b",
        "blpop a b 0",
        "lmpop 2 a b left",
        "blmpop 0 2 a b left",
        "copy a b",
        "ping",
        "nonsense a",
        "get",
        "zunion x a",
        "object encoding k",
        "sintercard 9 a",
    ],
)
def test_getkeys(server: ServerProcess, oracle: ServerProcess, argv: str) -> None:
    for sub in ("GETKEYS", "GETKEYSANDFLAGS"):
        answers = []
        for one in (server, oracle):
            client = RawClient(one.connect())
            answers.append(client.call("COMMAND", sub, *argv.split()))
            client.close()
        assert answers[0] == answers[1]
