"""Pages of the documentation, and what happens when somebody types what they say.

The conventions stand in docs/contributing.md. A page's blocks run in order, in a directory of the page's own, against a
server at 6379 that is the page's own, too (unless it says ``<!-- no server -->``: then it starts what it needs). Ports
are replaced by free ones, ``/var/lib/redis`` and ``/etc/redis`` by directories of the page.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyredis
from tests.support.servers import claim_ports
from tests.support.waiting import PATIENCE

ROOT: Final = Path(__file__).parents[2]
RUN: Final = ("redis", "console", "sh", "python")
"""Languages whose blocks run."""
CHECKED: Final = ("conf", "lua", "yaml", "json", "toml", "ini", "jinja")
"""Languages of files: written under their title if they have one, and read by what reads such files."""
_FENCE: Final = re.compile(
    r"^(?:(?P<indent>[ ]*)<!-- not run: (?P<reason>[a-z]+) -->\n)?"
    r"(?P<margin>[ ]*)```(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=margin)```[ ]*$",
    re.MULTILINE | re.DOTALL,
)
_LONGEST: Final = 4 * PATIENCE
"""Seconds that a block may take: some start several programs."""
_PORTS: Final = re.compile(r"(?<![\d.])(?:637[89]|638\d|700\d|912\d|2637\d|2638\d)(?![\d])")


class Block:
    """A fenced block: where it is, its language, its title (a file's name) and why it is not run, if so."""

    def __init__(self, page: str, line: int, info: str, text: str, reason: str) -> None:
        self.page = page
        self.line = line
        self.language = info.split(" ")[0]
        title = re.search(r'title="([^"]+)"', info)
        self.title = title[1] if title else ""
        self.text = text
        self.reason = reason

    def __repr__(self) -> str:
        return f"{self.page}:{self.line} ({self.language})"


def blocks(page: str) -> list[Block]:
    """All blocks of a page of the repository."""
    text = (ROOT / page).read_text()
    return [
        Block(
            page,
            text.count("\n", 0, match.start("info")) + 1,
            match["info"].strip(),
            textwrap.dedent(match["body"]),
            match["reason"] or "",
        )
        for match in _FENCE.finditer(text)
    ]


def outside_blocks(page: str | Path) -> str:
    """The page's text without its blocks."""
    return _FENCE.sub("", (ROOT / page).read_text())


_USED: Final = (*range(10), *range(20, 30), *range(78, 90))
"""The last digits of ports that pages name."""
_HUNDREDS: Final = range(10_000, 20_000, 100)


def free_ports(taken: set[int]) -> int:
    """A round number of which nobody listens on the ports behind it that pages use; none of ``taken``."""
    while (first := claim_ports(_HUNDREDS, _USED)) in taken:
        pass
    return first


def matches(expected: str, output: str) -> bool:
    """Whether a terminal shows this. ``…`` stands for any text, on a line of its own for any lines."""
    parts = []
    for line in expected.splitlines():
        if line.strip() == "…":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(r".*?".join(map(re.escape, line.rstrip().split("…"))) + r" *\n")
    text = output if not output or output.endswith("\n") else output + "\n"
    return re.fullmatch("".join(parts), text) is not None


DRIVER: Final = """
import io, json, sys, traceback
namespace = {"__name__": "__main__"}
replies, sys.stdout = sys.stdout, io.StringIO()
for line in sys.stdin:
    name, code = json.loads(line)
    error, sys.stdout = "", io.StringIO()
    try:
        exec(compile(code, name, "exec"), namespace)
    except BaseException:
        error = traceback.format_exc()
    print(json.dumps([sys.stdout.getvalue(), error]), file=replies, flush=True)
"""

# What a reader types is found here. A server in the background is there when the command returns, as for a reader, who
# does not type as fast as that.
SCRIPTS: Final = {
    "redis-cli": 'exec /usr/bin/redis-cli -p "$PAGE_PORT" --no-raw "$@"',
    "python": 'exec "$PAGE_PYTHON" "$@"',
    "pytest": 'exec "$PAGE_PYTHON" -m pytest -p no:cacheprovider -p pyredis.pytest_plugin "$@"',
    "pyredis-cli": 'exec "$PAGE_PYTHON" -m pyredis.cli cli "$@"',
    "redis-server": """
case " $* " in *" --port "*) ;; *) grep -qs '^port ' "$1" || set -- "$@" --port "$PAGE_PORT" ;; esac
/usr/bin/redis-server "$@" || exit
exec "$PAGE_PYTHON" "$PAGE_WAIT" "$@"
""",
    "pyredis": """
if [ "$1" = ha ]; then shift; set -- ha --port "$PAGE_PORT" --sentinel-port "$PAGE_SENTINEL_PORT" "$@"; fi
case "$1" in server|sentinel) ;; *) exec "$PAGE_PYTHON" -m pyredis.cli "$@" ;; esac
case " $* " in *" --port "*) ;; *) grep -qs '^port ' "$2" || set -- "$@" --port "$PAGE_PORT" ;; esac
"$PAGE_PYTHON" -m pyredis.cli "$@" || exit
exec "$PAGE_PYTHON" "$PAGE_WAIT" "$@"
""",
}
WAIT: Final = """
import socket, sys, time
words = sys.argv[1:]
if "--daemonize" in words and words[words.index("--daemonize") + 1] == "yes":
    ports = [words[i + 1] for i, word in enumerate(words) if word in ("--port", "--tls-port")]
    for file in [word for word in words if word.endswith(".conf")]:
        ports += [line.split()[1] for line in open(file) if line.startswith(("port ", "tls-port "))]
    port = max(ports, key=int)
    for _ in range(3000):
        try:
            with socket.create_connection(("127.0.0.1", int(port)), timeout=5) as s:
                if "--tls-port" in words:
                    break
                s.sendall(b"PING\\r\\n")
                if not s.recv(64).startswith(b"-LOADING"):
                    break
        except OSError:
            pass
        time.sleep(0.02)
    else:
        sys.exit("the server does not answer")
"""


def shows(block: Block, port: int, text: str = "") -> None:
    """What redis-cli shows for the lines of a block, without its prompts; ``text``: with its ports replaced."""
    steps = re.findall(r"^> (.+)\n((?:(?!> ).*\n)*)", text or block.text, re.MULTILINE)
    assert steps and block.text.startswith("> "), f"{block}: it has no command"
    done = subprocess.run(
        ["/usr/bin/redis-cli", "-p", str(port), "--no-raw", *(["-3"] if block.title == "RESP3" else [])],
        input="".join([command + "\n" for command, _ in steps]),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    output = re.sub(r"^\(\d+\.\d\ds\)\n", "", done.stdout + done.stderr, flags=re.MULTILINE)
    expected = "".join([reply for _, reply in steps])
    assert matches(expected, output), f"{block} at {port}\nshould show:\n{expected}\nshows:\n{output}"


class PageRun:
    """A page that is being run, in ``directory``. Raises AssertionError where the page is not right."""

    def __init__(self, page: str, directory: Path) -> None:
        self.page = page
        self.directory = directory
        self.work = directory / "work"
        self._first_ports: dict[int, int] = {}
        self._python: subprocess.Popen[str] | None = None
        scripts = directory / "bin"
        for path in (self.work, scripts, directory / "lib", directory / "etc", directory / "tmp"):
            path.mkdir()
        for name, text in SCRIPTS.items():
            (scripts / name).write_text(f"#!/bin/bash\n{text.strip()}\n")
            (scripts / name).chmod(0o755)
        (directory / "wait.py").write_text(WAIT)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
            "PATH": f"{scripts}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(directory / "tmp"),  # pyredis ha runs there
            "PAGE_PYTHON": sys.executable,
            "PAGE_WAIT": str(directory / "wait.py"),
            "PAGE_PORT": self.here("6379"),
            "PAGE_SENTINEL_PORT": self.here("26379"),
        }

    def here(self, text: str) -> str:
        """The text with this run's ports and directories."""
        text = text.replace("/var/lib/redis", str(self.directory / "lib"))
        text = text.replace("/etc/redis", str(self.directory / "etc"))
        return _PORTS.sub(lambda match: self._port(match[0]), text)

    def _port(self, written: str) -> str:
        """Ports of one hundred stay neighbours."""
        family = int(written) // 100
        if family not in self._first_ports:
            self._first_ports[family] = free_ports(set(self._first_ports.values()))
        return str(self._first_ports[family] + int(written) % 100)

    # --- the kinds of blocks ----------------------------------------------------------------------------------

    def run(self, block: Block) -> None:
        """Run or check a block, or write the file that it is."""
        text = self.here(block.text)
        if block.title and block.language not in ("console", "redis", "sh"):
            path = self.work / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif block.language == "redis":
            shows(block, int(self.here("6379")), text)
        elif block.language == "console":
            self._console(block, text)
        elif block.language == "sh":
            code, output = self._shell(block, "set -e\n" + text)
            assert code == 0, f"{block}: exit code {code}\n{output}"
        elif block.language == "python":
            self._run_python(block, text)

    def _shell(self, block: Block, script: str) -> tuple[int, str]:
        """Exit code and output; no pipe, which a server in the background would keep open."""
        with (self.directory / "output").open("w+") as output:
            done = subprocess.run(
                ["bash", "-c", script],
                cwd=self.work,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=_LONGEST,
            )
            output.seek(0)
            return done.returncode, output.read()

    def _console(self, block: Block, text: str) -> None:
        steps = re.findall(r"^\$ (.+(?:\n> .*)*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE)
        assert steps and text.startswith("$ "), f"{block}: it has no command"
        lines = [f"echo $'\\x01'\n{re.sub('^> ', '', command, flags=re.MULTILINE)}" for command, _ in steps]
        _, output = self._shell(block, "\n".join(lines) + "\necho $'\\x01'\n")
        shown = output.split("\x01\n")[1:]
        assert len(shown) == len(steps) + 1, f"{block}: it ends early\n{output}"
        for (command, expected), one in zip(steps, shown, strict=False):
            assert matches(expected, one), f"{block}: $ {command}\nshould show:\n{expected}\nshows:\n{one}"

    def _run_python(self, block: Block, code: str) -> None:
        if re.search("^(?:async )?def test_", code, re.MULTILINE):
            name = f"test_{block.line}.py"
            (self.work / name).write_text(code)
            exit_code, output = self._shell(block, f"PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 pytest -q {name}")
            assert exit_code == 0 and f"{code.count('def test_')} passed" in output, f"{block}\n{output}"
            return
        output, error = self._ask_python(f"{block.page}:{block.line}", code)
        assert not error, f"{block}\n{error}"
        expected = [
            one or other for one, other in re.findall(r"^(?: *print\(.*\)  +# (.+)| *# > (.+))$", code, re.MULTILINE)
        ]
        wanted = "".join([line + "\n" for line in expected])
        assert matches(wanted, output), f"{block}\nshould print:\n{wanted}\nprints:\n{output}"

    def _ask_python(self, name: str, code: str) -> Any:
        if self._python is None:
            self._python = subprocess.Popen(
                [sys.executable, "-c", DRIVER],
                cwd=self.work,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._python.stdin and self._python.stdout
        late = threading.Timer(_LONGEST, self._python.kill)
        late.start()
        try:
            print(json.dumps([name, code]), file=self._python.stdin, flush=True)
            line = self._python.stdout.readline()
        finally:
            late.cancel()
        return json.loads(line) if line else ("", "the process has ended")

    # --- the end ----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End what the page has started."""
        if self._python is not None:
            assert self._python.stdin and self._python.stdout
            self._python.stdin.close()
            self._python.stdout.close()
            try:
                self._python.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._python.kill()
                self._python.wait()
        deadline = time.monotonic() + 10
        number = signal.SIGTERM
        while (left := list(self._processes())) and time.monotonic() < deadline + 5:
            for pid in left:
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
            time.sleep(0.05)
            number = signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL

    def _processes(self) -> Iterator[int]:
        """The processes whose working directory is below the page's: what it left in the background."""
        for path in Path("/proc").glob("[0-9]*/cwd"):
            try:
                there = Path(os.readlink(path))
            except OSError:
                continue
            if there.is_relative_to(self.directory) and int(path.parent.name) != os.getpid():
                yield int(path.parent.name)


@contextmanager
def running(page: str, directory: Path) -> Iterator[PageRun]:
    """A run of the page, with its server."""
    run = PageRun(page, directory)
    try:
        if "<!-- no server -->" in (ROOT / page).read_text():
            yield run
        else:
            with pyredis.Server(port=int(run.here("6379"))):
                yield run
    finally:
        run.close()
