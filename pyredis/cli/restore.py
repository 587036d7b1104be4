"""``pyredis restore``: the data of a snapshot become those of a stopped server, whichever files it loads.

A server with ``appendonly yes`` loads its append-only file and no snapshot, and begins empty if there is none. So there
the snapshot becomes the base of a new append-only file. What was there before is kept under other names.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path
from time import gmtime, strftime
from typing import Final

import click

from pyredis.cli import check_rdb
from pyredis.cli.tools import ToolCommand, ToolError, open_file
from pyredis.commands import all as all_commands
from pyredis.core.config import FileError, OpenError
from pyredis.core.options import Config
from pyredis.lib.files import copy_file
from pyredis.persistence.aof_manifest import Manifest
from pyredis.persistence.files import Files
from pyredis.persistence.lock import DirectoryLock

__all__ = ["all_commands", "main"]  # the former: rename-command must know them
_SERVERS: Final = ("redis-server", "valkey-server", "pyredis")


class Target:
    """Where a server finds its files. Raises ToolError."""

    def __init__(self, config_file: str | None, directory: str | None, appendonly: bool | None) -> None:
        here = os.getcwd()
        config = Config()
        try:
            config.load(os.path.abspath(config_file) if config_file else None, "", None)
        except FileError as e:
            raise ToolError(e.report().strip()) from None
        except OpenError as e:
            raise ToolError(str(e)) from None
        self.directory = os.path.join(here, directory) if directory else config.dir
        self.port = config.port if config_file else 0
        self.snapshot = os.path.join(self.directory, config.dbfilename)
        self.filename = config.appendfilename
        self.aof_directory = os.path.join(self.directory, config.appenddirname)
        self.old_aof = os.path.join(self.directory, config.appendfilename)
        if appendonly is None:
            there = os.path.isdir(self.aof_directory) or os.path.exists(self.old_aof)
            appendonly = config.appendonly or there
        self.appendonly = appendonly
        os.chdir(here)  # ``dir`` has moved the process
        if not os.path.isdir(self.directory):
            raise ToolError(f"There is no directory {self.directory}")


def running_server(target: Target) -> str:
    """A server that uses the directory, for a message; empty if there is none to be seen."""
    wanted = os.path.realpath(target.directory)
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if int(entry.name) == os.getpid() or os.path.realpath(os.readlink(entry / "cwd")) != wanted:
                continue
            words = [os.path.basename(word) for word in (entry / "cmdline").read_bytes().decode("latin-1").split("\0")]
        except OSError:
            continue  # it has gone, or is another user's
        title = words[0].split(" ")[0]
        if title in _SERVERS or "pyredis" in words[:4]:
            return f"process {entry.name} ({' '.join(words).strip()})"
    if target.port:
        try:
            with socket.create_connection(("127.0.0.1", target.port), 1) as sock:
                sock.sendall(b"PING\r\n")
                if sock.recv(64)[:1] in (b"+", b"-"):
                    return f"a server on port {target.port}"
        except OSError:
            pass
    return ""


class Restoration:
    """The steps; nothing that is in use is touched before the new files are whole and on the disk."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.files = Files()
        self.suffix = ".before-" + strftime("%Y%m%dT%H%M%SZ", gmtime())
        self._owner = os.stat(target.directory)
        self.notes: list[str] = []
        """What was done. It is told at the end: nobody who stops reading must stop the work half-way."""

    def run(self, file: str) -> None:
        """Raises OSError."""
        target = self.target
        temporary = target.snapshot + ".restoring"
        self._copy(file, temporary)
        if target.appendonly:
            new = target.aof_directory + ".restoring"
            shutil.rmtree(new, ignore_errors=True)
            os.mkdir(new)
            self._own(new)
            manifest = Manifest(target.filename)
            base = manifest.add_base(True)
            self._copy(file, os.path.join(new, base.name))
            self.files.replace_content(os.path.join(new, manifest.path_name), manifest.encode())
            self._own(os.path.join(new, manifest.path_name))
            self._put_aside(target.old_aof)
            self._put_aside(target.aof_directory)
            os.rename(new, target.aof_directory)
            self.notes.append(f"{target.aof_directory}: a new append-only file that begins with the snapshot")
        self._put_aside(target.snapshot)
        os.rename(temporary, target.snapshot)
        self.files.sync_directory(target.directory)
        self.notes.append(f"{target.snapshot}: the snapshot")
        if not target.appendonly:
            self.notes.append(
                "A server with appendonly yes would not load it and begin empty; restore with --appendonly for that."
            )

    def _copy(self, source: str, path: str) -> None:
        with open(source, "rb") as old:
            copy_file(old, path)
        self._own(path)

    def _own(self, path: str) -> None:
        """For the server's user, where root restores."""
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            os.chown(path, self._owner.st_uid, self._owner.st_gid)

    def _put_aside(self, path: str) -> None:
        if os.path.lexists(path):
            os.rename(path, path + self.suffix)
            self.notes.append(f"{path}{self.suffix}: what was there before")


@click.command("restore", cls=ToolCommand)
@click.option("--dir", "directory", metavar="DIR", help="The server's data directory (default: as the configuration).")
@click.option("--config", "config_file", metavar="FILE", help="The server's configuration file: dir, file names.")
@click.option(
    "--appendonly/--no-appendonly",
    default=None,
    help="Whether the server runs with appendonly yes (default: as the configuration, or if such files are there).",
)
@click.argument("file")
def main(file: str, directory: str | None, config_file: str | None, appendonly: bool | None) -> None:
    """Make the snapshot FILE (a copy from backup-dir, or any RDB file) the data of a stopped server.

    The snapshot is checked whole first. What the server had before stays beside it, with ".before-" and the time in
    its name. Exits with 1, nothing changed, if the snapshot is damaged or a server is running there.
    """
    opened, size = open_file(file)
    with opened:
        end = check_rdb.check(opened, file, size)
    if end is None:
        raise ToolError(f"{file} is damaged, nothing was changed.")
    if end != size:
        raise ToolError(f"{file} goes on behind the snapshot (an append-only file?), nothing was changed.")
    source = os.path.abspath(file)
    target = Target(config_file, directory, appendonly)
    lock = DirectoryLock()
    if not lock.take(target.directory, alone=True):
        raise ToolError(f"A server is running in {target.directory}. Stop it first; nothing was changed.")
    try:
        found = running_server(target)
        if found:
            raise ToolError(f"A server is running in {target.directory}: {found}. Stop it first; nothing was changed.")
        restoration = Restoration(target)
        restoration.run(source)
    except OSError as e:
        raise ToolError(f"{e.filename or target.directory}: {e.strerror}") from None
    finally:
        lock.release()
    for note in restoration.notes:
        click.echo(note)
    click.echo("Restored. Start the server.")
    sys.exit(0)
