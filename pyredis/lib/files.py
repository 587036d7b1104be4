"""Files that are replaced at once or not at all, and what makes them last through a power cut."""

from __future__ import annotations

import os
import shutil
from typing import BinaryIO


def replace_file(path: str, data: bytes, temporary: str) -> None:
    """Make ``data`` the content of a file, by way of the file ``temporary`` in the same directory. Raises OSError.

    Whoever looks finds the old content or the new one, after a power cut too.
    """
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        with open(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(fd)
        os.replace(temporary, path)
    except OSError:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    sync_directory(os.path.dirname(path) or ".")


def copy_file(source: BinaryIO, path: str) -> None:
    """Write the rest of a file to another one, and wait until that is on the disk. Raises OSError."""
    with open(path, "wb") as new:
        shutil.copyfileobj(source, new, 1 << 20)
        new.flush()
        os.fsync(new.fileno())


def sync_directory(path: str) -> None:
    """Wait until names created, renamed or removed in a directory are on the disk (where a system can do that)."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
