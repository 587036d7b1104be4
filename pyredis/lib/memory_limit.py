"""How much memory this process may use, by its control groups (versions 1 and 2) and the machine, and could get."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pyredis.lib.heap import system_memory

_UNLIMITED: Final = 1 << 60
"""Version 1 writes no limit as a number about as large as there are."""


def memory_limit(root: Path = Path("/")) -> int:
    """The smallest limit in force, in bytes; 0 where none is known. ``root`` is where the system's files are."""
    found = [limit for path in _limit_files(root) if 0 < (limit := _read(path)) < _UNLIMITED]
    machine = system_memory()
    return min([*found, *([machine] if machine else [])], default=0)


def available_memory() -> int:
    """Bytes that this process could still get before the machine, or its control group, is full; -1 if nobody tells."""
    found = []
    try:
        with open("/proc/meminfo", "rb") as file:
            found += [int(line.split()[1]) << 10 for line in file if line.startswith(b"MemAvailable:")]
    except (OSError, ValueError, IndexError):
        pass  # not on this system
    try:
        with open("/sys/fs/cgroup/memory.max", "rb") as file:
            limit = int(file.read())  # "max" is a ValueError
        with open("/sys/fs/cgroup/memory.current", "rb") as file:
            used = int(file.read())
        with open("/sys/fs/cgroup/memory.stat", "rb") as file:
            used -= sum(int(line.split()[1]) for line in file if line.startswith(b"inactive_file "))
        found.append(max(limit - used, 0))
    except (OSError, ValueError, IndexError):
        pass  # no limit
    return min(found, default=-1)


def _limit_files(root: Path) -> list[Path]:
    """The files that may name a limit: those of the process's own groups and of all above them.

    In a container the path that the process sees may not exist there, as its own group is what it sees as the top.
    """
    files: list[Path] = []
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            files += _upwards(root / "sys/fs/cgroup", path, "memory.max")
        elif "memory" in controllers.split(","):
            files += _upwards(root / "sys/fs/cgroup/memory", path, "memory.limit_in_bytes")
    files += [root / "sys/fs/cgroup/memory.max", root / "sys/fs/cgroup/memory/memory.limit_in_bytes"]
    return files


def _upwards(top: Path, path: str, name: str) -> list[Path]:
    parts = [part for part in path.split("/") if part and part != ".."]
    return [top.joinpath(*parts[:depth], name) for depth in range(len(parts), -1, -1)]


def _read(path: Path) -> int:
    """A limit; 0 if there is none (``max``), or no such file."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0
