"""Programs with other clients (ioredis, node-redis, valkey-py), caches (Django, Flask) and queues (Celery, BullMQ).

Each runs against ours and against redis-server, and must print the same. What they need is installed from the package
indexes into ``.venv/suites`` when they are first run. ``python -m tests.suites.third_party [name …]``.
"""

from __future__ import annotations

import difflib
import os
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import Final

from tests.suites.servers import CACHE, servers

PROGRAMS: Final = Path(__file__).parent / "programs"
SECONDS: Final = 180


def install_python() -> str:
    """The interpreter of an environment of their own."""
    place = CACHE / "python"
    wanted = (PROGRAMS / "requirements.txt").read_text()
    stamp = place / "installed"
    interpreter = place / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != wanted:
        venv.create(place, with_pip=True, clear=True)
        pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", str(PROGRAMS / "requirements.txt")], check=True)
        stamp.write_text(wanted)
    return str(interpreter)


def install_node() -> str:
    """The interpreter; the packages are in ``NODE_PATH``. Empty where there is no Node.js."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return ""
    place = CACHE / "node"
    wanted = (PROGRAMS / "package.json").read_text()
    if not (place / "node_modules").is_dir() or (place / "package.json").read_text() != wanted:
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROGRAMS / "package.json", place)
        subprocess.run([npm, "install", "--no-audit", "--no-fund", "--silent"], cwd=place, check=True)
    return node


def output(command: list[str]) -> str:
    """What a program prints, with its exit status if that is not 0."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["NODE_PATH"] = str(CACHE / "node" / "node_modules")
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as e:
        return f"{(e.stdout or b'').decode()}\nnot over after {SECONDS} s\n"
    return (
        done.stdout if not done.returncode else f"{done.stdout}\nexit status {done.returncode}\n{done.stderr[-2000:]}\n"
    )


def run(program: Path, interpreter: str) -> bool:
    """One program on both servers; True if it does the same."""
    if not interpreter:
        print(f"{program.name:20} skipped: there is no Node.js")
        return True
    begun = time.monotonic()
    with servers("ours", "oracle", "newest") as started:
        mine, theirs, newest = [output([interpreter, str(program), server.url]) for server in started]
        alive = all(server.alive() for server in started)
    same = mine == theirs == newest and "exit status" not in mine and "not over" not in mine and alive
    print(f"{program.name:20} {'as with redis-server' if same else 'NOT AS WITH REDIS-SERVER'}", end="")
    print(f", {len(mine.splitlines())} lines ({time.monotonic() - begun:.0f} s)")
    if not same:
        for title, other in (("pyredis 7.0", mine), ("pyredis, newest", newest)):
            names = ("redis-server", title)
            print(*difflib.unified_diff(theirs.splitlines(), other.splitlines(), *names, lineterm=""), sep="\n")
        print(theirs if theirs == mine else "")
    return same


def main() -> int:
    """All programs, or those named."""
    wanted = sys.argv[1:]
    good = True
    for program in sorted([*PROGRAMS.glob("*.py"), *PROGRAMS.glob("*.js")]):
        if program.stem.startswith("__") or (wanted and program.stem not in wanted):
            continue
        interpreter = install_python() if program.suffix == ".py" else install_node()
        good = run(program, interpreter) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
