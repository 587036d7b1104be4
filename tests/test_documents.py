"""The documents say what is so: generated pages are up to date, links lead somewhere, the README's examples run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.raw import RawClient
from tests.support.servers import ServerProcess
from tests.support.tree import tree

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
REDIS_CLI = "/usr/bin/redis-cli"


def test_generated_pages_are_up_to_date() -> None:
    argv = [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, cwd=ROOT)
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


def anchors(text: str) -> list[str]:
    """The anchors of a page's headings."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]


@pytest.mark.parametrize("page", PAGES)
def test_links(page: str) -> None:
    text = (ROOT / page).read_text()
    own = anchors(text)
    assert len(own) == len(set(own)), "two headings with the same anchor"
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if not target.startswith(("http://", "https://")):
            path, _, anchor = target.partition("#")
            there = (ROOT / page).parent / path if path else ROOT / page
            assert there.exists(), target
            assert not anchor or anchor in anchors(there.read_text()), target


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("code", blocks("python"))
def test_readme_python(server: ServerProcess, code: str) -> None:
    """Each snippet runs as it stands, against the server's port."""
    assert "6379" in code
    argv = [sys.executable, "-c", code.replace("6379", str(server.port))]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    printed = [comment.strip() for comment in re.findall(r"^print\(.*\)\s+# (.+)$", code, re.MULTILINE)]
    assert printed and done.stdout.splitlines() == printed


@pytest.mark.parametrize("session", blocks("console"))
def test_readme_redis_cli(server: ServerProcess, session: str) -> None:
    """What follows each ``$ redis-cli …`` is what a terminal shows."""
    steps = re.findall(r"^\$ redis-cli (.+)\n((?:(?!\$ ).*\n)*)", session, re.MULTILINE)
    assert steps
    for line, expected in steps:
        argv = [REDIS_CLI, "-p", str(server.port), "--no-raw", *shlex.split(line)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
        assert done.stdout == expected


def test_readme_targets() -> None:
    """Every ``make`` target that the documents name is there."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"(?:^|`)make ([a-z]+)", (ROOT / page).read_text(), re.MULTILINE))
        assert named <= targets, page


def test_everything_named_is_there() -> None:
    """Paths of the repository between backticks in the README."""
    for path in re.findall(
        r"`((?:docs|examples|benchmarks|tests|conf|pyredis)/[\w./-]*)`", (ROOT / "README.md").read_text()
    ):
        assert (ROOT / path).exists(), path
