"""What a page of figures must say about where they come from."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path


def processor() -> str:
    """The processor's model."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def memory_gb() -> str:
    """The machine's memory."""
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GB"
    except (ValueError, OSError, AttributeError):
        return "memory unknown"


def describe() -> str:
    """Processor, cores, memory, kernel."""
    return f"{processor()}, {os.cpu_count()} cores, {memory_gb()}, {platform.system()} {platform.release()}"


def python() -> str:
    """The interpreter and the packages that matter for speed."""
    packages = []
    for name in ("hiredis", "uvloop", "sortedcontainers"):
        try:
            packages.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            packages.append(f"no {name}")
    return f"{platform.python_implementation()} {platform.python_version()}, {', '.join(packages)}"


def load() -> str:
    """Load average of the last minute; other work on the machine shows in it."""
    try:
        return f"{os.getloadavg()[0]:.2f}"
    except OSError:
        return "unknown"
