"""The append-only file at start: reading the manifest, loading what it names, opening the file to go on with.

:func:`read_manifest` and :func:`load` come first, with nothing fed yet; then :func:`go_on`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from pyredis.core.durability import AOF_ON
from pyredis.persistence.aof_commands import AofDamage
from pyredis.persistence.aof_load import LoadError, Replay, file_size
from pyredis.persistence.aof_manifest import Manifest, ManifestError
from pyredis.persistence.rdb_format import MAGIC, RdbError
from pyredis.persistence.rdb_load import TURN_NS, KeyspaceSink, new_reader
from pyredis.persistence.rdb_scan import scan

if TYPE_CHECKING:
    from pyredis.core.server import Server
    from pyredis.persistence.aof import AppendOnlyFile


def read_manifest(aof: AppendOnlyFile) -> None:
    """Take the list of files from the disk, if there is one. Raises LoadError."""
    manifest = Manifest(aof.server.config.appendfilename)
    path = aof.path(manifest.path_name)
    try:
        with open(path, "rb") as file:
            manifest = Manifest.decode(file.read(), manifest.filename)
    except FileNotFoundError:
        pass
    except OSError as e:
        raise LoadError(f"Fatal error: can't open the AOF manifest {path}: {e.strerror}") from None
    except ManifestError as e:
        raise LoadError(f"Fatal error reading the AOF manifest {path}: {e}") from None
    aof.manifest = manifest


def adopt_old_file(aof: AppendOnlyFile) -> None:
    """Make a file of one piece, as servers before Redis 7 write it, the base. Raises LoadError, OSError.

    The manifest comes first: if the rename is not reached, the next start does it.
    """
    server, manifest = aof.server, aof.manifest
    name = server.config.appendfilename
    old = os.path.join(server.config.dir, name)
    if not os.path.exists(old):
        return
    unfinished = (
        manifest.base is not None
        and not manifest.increments
        and manifest.base.name == name
        and not os.path.exists(aof.path(name))
    )
    if manifest.files() and not unfinished:
        return
    aof.files.make_directory(aof.directory())
    if not unfinished:
        manifest = Manifest(name)
        manifest.adopt(name)
        aof.save_manifest(manifest)
    aof.files.replace(old, aof.path(name))
    aof.files.sync_directory(aof.directory())
    server.log.notice(
        f"Successfully migrated an old-style AOF configuration ({name}) into the AOF directory ({aof.directory()})."
    )


def load(aof: AppendOnlyFile) -> Iterator[None]:
    """Replay all files; yields every few milliseconds. Raises LoadError if the server must not start with them."""
    server = aof.server
    files = aof.manifest.files()
    sizes = [file_size(aof.path(file.name)) for file in files]
    loading = server.start_loading(sum(sizes))
    replay = Replay(server)
    for at, (one, size) in enumerate(zip(files, sizes, strict=True)):
        path = aof.path(one.name)
        try:
            with open(path, "rb", 1 << 18) as file:
                for _ in _load_file(server, replay, file, one.name, size):
                    loading.done = replay.bytes_done
                    yield
        except OSError as e:
            raise LoadError(f"Unrecoverable error reading the append only file {one.name}: {e.strerror}") from None
        except AofDamage as e:
            _mend(aof, one.name, e, last=at == len(files) - 1)
    if replay.failed:
        server.log.warning(f"{replay.failed} commands of the append-only file answered with an error.")
    aof.current_size = sum(file_size(aof.path(file.name)) for file in files)
    aof.base_size = file_size(aof.path(files[0].name)) if aof.manifest.base is not None else 0


def _load_file(server: Server, replay: Replay, file: BinaryIO, name: str, size: int) -> Iterator[None]:
    """One file: commands, or a snapshot with commands behind it."""
    at = 0
    head = file.read(len(MAGIC))
    file.seek(0)
    if head == MAGIC:
        server.log.notice("Reading RDB base file on AOF loading...")
        before = replay.bytes_done
        sink = KeyspaceSink(server)
        sink.keep_expired = True
        reader = new_reader(server, sink)
        try:
            for done in scan(file, reader, size, TURN_NS):
                replay.bytes_done = before + done
                yield
        except RdbError as e:
            raise LoadError(
                f"Error reading the RDB preamble of the AOF file {name}, AOF loading aborted: {e}"
            ) from None
        sink.finish()
        at = reader.loaded()
        replay.bytes_done = before + at
        file.seek(at)
        if at < size:
            server.log.notice("Reading the remaining AOF tail...")
    yield from replay.run(file, at, size)


def _mend(aof: AppendOnlyFile, name: str, damage: AofDamage, last: bool) -> None:
    """Cut off what a crash has left of a command, if that is allowed. Raises LoadError."""
    log = aof.server.log
    if not damage.cut:
        raise LoadError(
            f"Bad file format reading the append only file {name} ({damage}): make a backup of your AOF file, then use "
            "pyredis check-aof --fix <filename.manifest>"
        )
    if not last:
        raise LoadError(f"Fatal error: the truncated file {name} is not the last file ({damage})")
    if not aof.server.config.aof_load_truncated:
        raise LoadError(
            f"Unexpected end of file reading the append only file {name} ({damage}). You can: 1) Make a backup of your "
            "AOF file, then use pyredis check-aof --fix <filename.manifest>. 2) Alternatively you can set the "
            "'aof-load-truncated' configuration option to yes and restart the server."
        )
    log.warning(f"!!! Warning: short read while loading the AOF file {name}!!!")
    log.warning(f"AOF {name} loaded anyway because aof-load-truncated is enabled, cut at offset {damage.offset}")
    try:
        os.truncate(aof.path(name), damage.offset)
    except OSError as e:
        raise LoadError(f"Error truncating the AOF file {name}: {e.strerror}") from None


def go_on(aof: AppendOnlyFile) -> None:
    """Open the file to append to, making base, manifest and directory if there are none. Raises OSError."""
    server = aof.server
    aof.files.make_directory(aof.directory())
    manifest = aof.manifest.copy()
    if manifest.base is None and not manifest.increments:
        rdb = server.config.aof_use_rdb_preamble
        base = manifest.add_base(rdb)
        server.log.notice(f"Creating AOF base file {base.name} on server start")
        aof.write_base(aof.path(base.name), rdb)
        aof.current_size = aof.base_size = file_size(aof.path(base.name))
    if not manifest.increments:
        manifest.add_increment()
        server.log.notice(f"Creating AOF incr file {manifest.increments[-1].name} on server start")
    name = manifest.increments[-1].name
    aof.open(name)
    if manifest.encode() != aof.manifest.encode():
        aof.save_manifest(manifest)
    aof.state = AOF_ON
    server.feeders.append(aof.feed)
    aof.remove_history()
