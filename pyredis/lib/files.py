"""Files that are replaced at once or not at all."""

from __future__ import annotations

import os


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
    _sync_directory(os.path.dirname(path) or ".")


def _sync_directory(path: str) -> None:
    """Make the renaming last through a power cut, where directories can be opened."""
    if os.name != "posix":
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
