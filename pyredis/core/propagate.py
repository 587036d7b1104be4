"""What a change of data looks like to the append-only file and to replicas: exactly once, as effects, in order.

A command propagates itself unless its body says otherwise: :func:`rewrite` (other commands instead), :func:`prevent`
(nothing), :func:`also_propagate` (something in addition). Within MULTI/EXEC (``server.nesting > 0``) the operations are
held and leave as one MULTI … EXEC. Feeders are attached by the application; without any, nothing is encoded. Each
takes ``(db, data)``: whole commands, encoded, that ran in that database.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from pyredis.resp.command import encode_command

if TYPE_CHECKING:
    from pyredis.core.client import Client
    from pyredis.core.server import Server
    from pyredis.keyspace.db import Database


_MULTI: Final = encode_command((b"MULTI",))
_EXEC: Final = encode_command((b"EXEC",))


def rewrite(c: Client, *commands: list[bytes]) -> None:
    """The running command propagates as ``commands`` instead of as itself."""
    if c.server.feeders:
        c.rewritten = list(commands)


def prevent(c: Client) -> None:
    """The running command propagates nothing."""
    if c.server.feeders:
        c.rewritten = []


def also_propagate(server: Server, db: int, argv: list[bytes]) -> None:
    """Queue a command for the feeders; it leaves at the end of the unit at hand."""
    if server.feeders:
        server.also_propagate.append((db, argv))


def propagate_command(c: Client, db: int, argv: list[bytes]) -> None:
    """After a command that changed data: queue it (or what it was rewritten to)."""
    server = c.server
    if server.feeders:
        if c.rewritten is None:
            server.also_propagate.append((db, argv))
        else:
            for instead in c.rewritten:
                server.also_propagate.append((db, instead))
    c.rewritten = None


def propagate_removed(server: Server, db: int, key: bytes, lazy: bool) -> None:
    """A key went without a command's doing: AOF and replicas get a DEL, or an UNLINK if ``lazy``."""
    _propagate_by_itself(server, db, [b"UNLINK" if lazy else b"DEL", key])


def propagate_expired(db: Database, key: bytes) -> None:
    """A key expired: the master decides (hook of the keyspace)."""
    server: Server = db.ks  # type: ignore[assignment]  # the keyspace state is the server
    propagate_removed(server, db.id, key, server.config.lazyfree_lazy_expire)


def propagate_fields_expired(db: Database, key: bytes, fields: list[bytes]) -> None:
    """Fields of a hash expired: AOF and replicas get an HDEL (hook of the keyspace)."""
    server: Server = db.ks  # type: ignore[assignment]  # the keyspace state is the server
    _propagate_by_itself(server, db.id, [b"HDEL", key, *fields])


def _propagate_by_itself(server: Server, db: int, argv: list[bytes]) -> None:
    also_propagate(server, db, argv)
    if not server.nesting and not server.executing:
        flush(server)


AOF_ONLY: Final = 1
REPLICAS_ONLY: Final = 2


class Only(list[bytes]):
    """A command that goes to the append-only file alone, or to replicas alone (``redis.set_repl``)."""

    __slots__ = ("target",)

    def __init__(self, argv: list[bytes], target: int) -> None:
        super().__init__(argv)
        self.target = target


def flush(server: Server) -> None:
    """Hand the queued operations to the feeders: one alone as it is, several as one transaction."""
    ops = server.also_propagate
    if not ops:
        return
    server.also_propagate = []
    if any(type(argv) is Only for _, argv in ops):
        _flush_apart(server, ops)
        return
    for db, data in _units(ops):
        feed(server, db, data)


def _units(ops: list[tuple[int, list[bytes]]]) -> Iterator[tuple[int, bytes]]:
    """Operations as one unit, encoded: a piece for each stretch in one database."""
    db = ops[0][0]
    if len(ops) == 1:
        yield db, encode_command(ops[0][1])
        return
    parts = [_MULTI]
    for number, argv in ops:
        if number != db:
            yield db, b"".join(parts)
            parts = []
            db = number
        parts.append(encode_command(argv))
    parts.append(_EXEC)
    yield db, b"".join(parts)


def _flush_apart(server: Server, ops: list[tuple[int, list[bytes]]]) -> None:
    """Hand over operations of which some are not for every feeder."""
    for feeder in server.feeders:
        is_file = getattr(feeder, "__self__", None) is server.aof
        target = AOF_ONLY if is_file else REPLICAS_ONLY
        mine = [op for op in ops if type(op[1]) is not Only or op[1].target == target]
        for db, data in _units(mine) if mine else ():
            if is_file or len(server.feeders) == 1:
                server.fed += len(data)
            feeder(db, data)


def feed(server: Server, db: int, data: bytes) -> None:
    """Give encoded commands that ran in database ``db`` to every feeder."""
    server.fed += len(data)
    for feeder in server.feeders:
        feeder(db, data)
