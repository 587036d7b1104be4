"""Who uses a data directory: servers share it, ``pyredis restore`` wants it for itself.

The lock is on the directory itself, so it leaves no file behind, and it ends with the process that holds it. Where a
system or a file system has no such locks, nobody is held up.
"""

from __future__ import annotations

import errno
import os
import sys

if sys.platform != "win32":
    import fcntl

_TAKEN = (errno.EWOULDBLOCK, errno.EACCES)


class DirectoryLock:
    """A lock on one directory at a time."""

    def __init__(self) -> None:
        self.path = ""
        self._fd = -1

    def take(self, path: str, alone: bool) -> bool:
        """Lock a directory instead of the one before; False if others use it in a way that excludes this one."""
        self.release()
        self.path = path
        if sys.platform == "win32":
            return True
        try:
            fd = os.open(path, os.O_RDONLY)
        except OSError:
            return True  # what is wrong with it shows when it is used
        try:
            fcntl.flock(fd, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except OSError as e:
            os.close(fd)
            return e.errno not in _TAKEN
        self._fd = fd
        return True

    def release(self) -> None:
        """Let others have the directory."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self.path = ""
