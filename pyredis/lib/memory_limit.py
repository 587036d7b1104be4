"""How much memory this process may use, by its control groups (versions 1 and 2) and the machine, and could get."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pyredis.lib.heap import system_memory

_UNLIMITED: Final = 1 << 60
"""Version 1 writes no limit as a number about as large as there are."""

_USAGE: Final = {
    "memory.max": ("memory.current", b"inactive_file"),
    "memory.limit_in_bytes": ("memory.usage_in_bytes", b"total_inactive_file"),
}
"""File of a limit → the one of what is used, and the field of memory.stat that tells what of it can be given up."""


def memory_limit(root: Path = Path("/")) -> int:
    """The smallest limit in force, in bytes; 0 where none is known. ``root`` is where the system's files are."""
    found = [limit for _, limit in _limits(root)]
    machine = system_memory()
    return min([*found, *([machine] if machine else [])], default=0)


def available_memory(root: Path = Path("/")) -> int:
    """Bytes that this process could still get before the machine, or one of its control groups, is full.

    What is cached of files counts as free. -1 if nobody tells.
    """
    found = []
    try:
        lines = (root / "proc/meminfo").read_bytes().splitlines()
        found += [int(line.split()[1]) << 10 for line in lines if line.startswith(b"MemAvailable:")]
    except (OSError, ValueError, IndexError):
        pass  # not on this system
    for path, limit in _limits(root):
        usage, cached = _USAGE[path.name]
        used = _read(path.with_name(usage))
        if used:
            found.append(max(limit - used + _field(path.with_name("memory.stat"), cached), 0))
    return min(found, default=-1)


def _limits(root: Path) -> list[tuple[Path, int]]:
    """The files that name a limit, and the limits in bytes."""
    return [(path, limit) for path in _limit_files(root) if 0 < (limit := _read(path)) < _UNLIMITED]


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


def _field(path: Path, name: bytes) -> int:
    """A number of a file of names and numbers; 0 if it is not there."""
    try:
        rows = [line.split() for line in path.read_bytes().splitlines()]
        return next((int(row[1]) for row in rows if row[0] == name), 0)
    except (OSError, ValueError, IndexError):
        return 0
