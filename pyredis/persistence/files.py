"""Calls that put bytes on the disk, in one place so that a test can let each of them fail.

All raise OSError. Nothing here knows what is written.
"""

from __future__ import annotations

import os
from typing import Final

from pyredis.lib.files import sync_directory

_sync = getattr(os, "fdatasync", os.fsync)
APPEND: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT
CREATE: Final = os.O_WRONLY | os.O_TRUNC | os.O_CREAT
_SYNC_BYTES: Final = 32 << 20
_BINARY: Final = getattr(os, "O_BINARY", 0)  # Windows


class Files:
    """The file system."""

    def open(self, path: str, flags: int) -> int:
        """A file descriptor; new files may be read by everybody, as the umask allows."""
        return os.open(path, flags | _BINARY, 0o644)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        """Write some of ``data``; how much of it."""
        return os.write(fd, data)

    def sync(self, fd: int) -> None:
        """Wait until the file's content is on the disk."""
        _sync(fd)

    def truncate(self, fd: int, size: int) -> None:
        """Cut the file."""
        os.ftruncate(fd, size)

    def replace(self, old: str, new: str) -> None:
        """Rename; a file that is there is replaced at once."""
        os.replace(old, new)

    def unlink(self, path: str) -> None:
        """Remove a file."""
        os.unlink(path)

    def make_directory(self, path: str) -> None:
        """Make a directory that is not there yet; one that a power cut took away would take its files along."""
        if not os.path.isdir(path):
            os.makedirs(path, exist_ok=True)
            self.sync_directory(os.path.dirname(os.path.abspath(path)))

    def sync_directory(self, path: str) -> None:
        """Wait until changes of names in a directory are on the disk."""
        sync_directory(path)

    def write_all(self, fd: int, data: bytes) -> None:
        """Write the whole of ``data``."""
        view = memoryview(data)
        while view:
            view = view[self.write(fd, view) :]

    def replace_content(self, path: str, data: bytes) -> None:
        """Give a file new content: after a crash it holds the old one or the new one, whole."""
        directory, name = os.path.split(os.path.abspath(path))
        temporary = os.path.join(directory, f"temp_{name}")
        fd = self.open(temporary, CREATE)
        try:
            self.write_all(fd, data)
            self.sync(fd)
        finally:
            os.close(fd)
        self.replace(temporary, path)
        self.sync_directory(directory)


class FileSink:
    """Takes the bytes of a file from its beginning to its end. What it raises is OSError.

    ``incremental``: the disk gets its work as the file grows; else all of it is left to the fsync at the end.
    """

    def __init__(self, files: Files, fd: int, incremental: bool) -> None:
        self._files = files
        self._fd = fd
        self._left = _SYNC_BYTES if incremental else 0

    def __call__(self, data: bytes) -> None:
        self._files.write_all(self._fd, data)
        if self._left:
            self._left -= len(data)
            if self._left <= 0:
                self._files.sync(self._fd)
                self._left = _SYNC_BYTES
