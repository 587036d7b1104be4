"""The documents say what is so: generated pages are up to date, links lead somewhere, and every block runs.

The conventions for blocks stand in docs/contributing.md.
"""

from __future__ import annotations

import configparser
import json
import re
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import pyredis
from pyredis.core.options import Config
from tests.support.documents import CHECKED, ROOT, RUN, Block, blocks, outside_blocks, running, shows
from tests.support.raw import RawClient
from tests.support.servers import ServerProcess, start_oracle
from tests.support.tree import tree
from tests.support.waiting import PATIENCE

PAGES = ["README.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))]
COMMAND_PAGES = [page for page in PAGES if page.startswith("docs/commands/")]


def test_generated_pages_are_up_to_date() -> None:
    argv = [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_commands_of_redis(oracle: ServerProcess) -> None:
    """The list of what redis-server 7.0.15 has, from which the missing commands are computed."""
    lines = (ROOT / "docs" / "redis-7.0.15-commands.txt").read_text().splitlines()[1:]
    listed = {name: group for group, _, names in (line.partition(": ") for line in lines) for name in names.split(", ")}
    client = RawClient(oracle.connect())
    theirs = [node.value for node in tree(client.call("COMMAND", "LIST")).value]
    groups = {}
    for name in theirs:
        [(_, entry)] = tree(client.call("COMMAND", "DOCS", name)).pairs()
        groups[name.decode().upper().replace("|", " ")] = dict(entry.pairs())[b"group"].value.decode()
    client.close()
    assert listed == groups


def anchors(page: str | Path) -> list[str]:
    """The anchors of a page's headings."""
    titles = re.findall(r"^#+ (.+)$", outside_blocks(page), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]


@pytest.mark.parametrize("page", PAGES)
def test_links(page: str) -> None:
    own = anchors(page)
    assert len(own) == len(set(own)), "two headings with the same anchor"
    for target in re.findall(r"\]\(([^)]+)\)", outside_blocks(page)):
        if not target.startswith(("http://", "https://")):
            path, _, anchor = target.partition("#")
            there = (ROOT / page).parent / path if path else ROOT / page
            assert there.exists(), target
            assert not anchor or anchor in anchors(there), target


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_of_a_kind(page: str) -> None:
    """No block escapes: each runs, is a file that something reads, is plain text, or says why it is left out."""
    for block in blocks(page):
        assert block.language in (*RUN, *CHECKED, "text", "pycon", "diff", "promql"), block
        if block.language == "text":
            assert not re.search(r"^(?:\$ |> |redis-cli |pyredis |import |from )", block.text, re.MULTILINE), block
    rest = outside_blocks(page)
    assert "```" not in rest, "a fence that is not closed"
    assert not indented_code(rest), "code without a fence"


def indented_code(text: str) -> list[str]:
    """Lines that Markdown takes for code because they are indented, not as part of a list or a note."""
    found = []
    within = blank = True
    for line in text.splitlines():
        if line.strip() and not line.startswith(" "):
            within = re.match(r"[-*] |\d+\. |!!! |=== |\?\?\? ", line) is not None
        elif blank and line.startswith("    ") and not within:
            found.append(line)
        blank = not line.strip()
    return found


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page) and page not in COMMAND_PAGES])
def test_blocks(page: str, tmp_path: Path) -> None:
    """What a page tells to type does what it shows."""
    with running(page, tmp_path) as run:
        for block in blocks(page):
            if not block.reason:
                run.run(block)
                if block.language in CHECKED:
                    read_file(block, run.here(block.text))


NEWER = re.compile(
    r"^> (?:DELEX|DIGEST|MSETEX|H(?:P?EXPIRE|P?TTL|PERSIST|GETEX|GETDEL|SETEX)|XACKDEL|XDELEX|WAITAOF|CLIENT NO-TOUCH"
    r"|CLIENT SETINFO|ZRANK .* WITHSCORE$|LCS|HSCAN .* NOVALUES|CLUSTER MYSHARDID|XINFO CONSUMERS)",
    re.MULTILINE,
)
"""What redis-server 7.0.15 does not know."""


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A redis-server of this file's own, as examples change its configuration."""
    server = start_oracle(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.mark.parametrize("page", COMMAND_PAGES)
def test_examples(page: str, redis_server: ServerProcess) -> None:
    """Each example shows what it says, on an empty server of ours and, if it is old enough, on redis-server."""
    for block in blocks(page):
        if block.language != "redis":
            continue
        with pyredis.Server() as server:
            shows_in_time(block, server.port)
        if not NEWER.search(block.text):
            shows_in_time(block, redis_server.port)


def shows_in_time(block: Block, port: int) -> None:
    """An example on an empty server; once more if it was interrupted for so long that a deadline shows it."""
    for last in (False, False, True):
        client = RawClient(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE))
        for line in ("FLUSHALL", "FUNCTION FLUSH", "SCRIPT FLUSH", "ACL DELUSER ada", "CLIENT UNPAUSE"):
            client.call(*line.split())
        client.close()
        try:
            return shows(block, port)
        except AssertionError:
            if last or not re.search("EX|TTL|PX|PAUSE", block.text):
                raise


def read_file(block: Block, text: str) -> None:
    """A file of this kind can be read."""
    if block.language == "conf" and not block.title.startswith("sentinel"):
        Config().load_text(text)
    elif block.language == "yaml":
        list(yaml.safe_load_all(text))
    elif block.language == "json":
        json.loads(text)
    elif block.language == "toml":
        tomllib.loads(text)
    elif block.language == "ini":
        configparser.ConfigParser().read_string(text)


def test_readme_targets() -> None:
    """Every ``make`` target that the documents name is there."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / page).read_text(), re.MULTILINE))
        assert named <= targets, page


def test_everything_named_is_there() -> None:
    """Paths of the repository between backticks."""
    for page in PAGES:
        text = (ROOT / page).read_text()
        for path in re.findall(r"`((?:docs|examples|benchmarks|tests|conf|pyredis)/[\w./-]*)`", text):
            assert (ROOT / path).exists(), (page, path)
