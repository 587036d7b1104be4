"""docs/persistence.md: its commands run as they stand, one block after the other, and do what the page says."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

from tests.support.raw import RawClient
from tests.support.servers import free_port

PAGE = Path(__file__).parents[2] / "docs" / "persistence.md"
FUNCTIONS = """
set -e
redis-cli() {
    port=6379
    if [ "$1" = -p ]; then port=$2; shift 2; fi
    for _ in $(seq 400); do
        state=$(/usr/bin/redis-cli -p $port INFO replication 2>&1) || true
        case "$state" in *role:master*|*master_link_status:up*) break;; esac
        sleep 0.05
    done
    /usr/bin/redis-cli -p $port "$@"
}
redis-server() { /usr/bin/redis-server --port 6379 --logfile redis.log "$@"; }
pyredis() {
    if [ "$1" = server ]; then shift; PYTHON -m pyredis.cli server --logfile pyredis.log --port 6379 "$@"
    else PYTHON -m pyredis.cli "$@"; fi
}
"""


def blocks() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def end(port: int) -> None:
    """End a server that is still there."""
    try:
        client = RawClient(socket.create_connection(("127.0.0.1", port), timeout=5))
    except OSError:
        return
    client.send("SHUTDOWN", "NOSAVE", "FORCE")
    client.close()


def test_the_commands_of_the_page(tmp_path: Path) -> None:
    """Data of redis-server, taken over by pyredis, given back, and copied by a replica."""
    for name in ("data", "tmp"):
        (tmp_path / name).mkdir()
    ports = {"6379": free_port(), "6380": free_port()}
    replaced = {"PYTHON": sys.executable, "/var/lib/redis": tmp_path / "data", "/tmp": tmp_path / "tmp", **ports}
    pattern = re.compile("|".join(map(re.escape, replaced)))
    expected = ["OK", "hello", "hello", "hello"]
    found = blocks()
    assert len(found) == len(expected)
    try:
        for block, words in zip(found, expected, strict=True):
            script = pattern.sub(lambda match: str(replaced[match[0]]), FUNCTIONS + block)
            with (tmp_path / "output").open("w+") as output:  # no pipe: a server in the background would keep it open
                done = subprocess.run(
                    ["bash", "-c", script],
                    cwd=tmp_path,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    timeout=90,
                )
                output.seek(0)
                text = output.read()
            assert done.returncode == 0 and words in text.splitlines(), (block, text)
    finally:
        for port in ports.values():
            end(port)
