"""MIGRATE: keys move to another server. The client waits for that as in a blocking command, the others do not."""

from __future__ import annotations

from typing import Final

from pyredis.core.args import get_int, syntax_error
from pyredis.core.blocked import BLOCKED_MIGRATE, block_for_keys, end_wait
from pyredis.core.client import CLIENT_DENY_BLOCKING, BlockedState, Client
from pyredis.core.command import (
    ACL_DANGEROUS,
    ACL_KEYSPACE,
    CMD_MOVABLEKEYS,
    CMD_WRITE,
    KEY_ACCESS,
    KEY_DELETE,
    KEY_INCOMPLETE,
    KEY_RW,
    K,
    KWord,
    command,
)
from pyredis.core.dispatch import account, error_reply
from pyredis.core.keyspec import KeysError
from pyredis.core.propagate import also_propagate, flush, prevent, rewrite
from pyredis.core.server import Server
from pyredis.keyspace.db import Database
from pyredis.keyspace.modified import modified
from pyredis.keyspace.state import NOTIFY_GENERIC
from pyredis.net.migration import Entry, Order, Outcome, PeerLinks, carry_out_at_once
from pyredis.persistence.rdb_save import payload_at
from pyredis.resp.errors import CommandError
from pyredis.resp.reply import OK, simple

_NOKEY: Final = simple(b"NOKEY")
_DEFAULT_TIMEOUT: Final = 1000
_CHANGED: Final = b"IOERR key '%b' was changed while it was being moved; the target has its former value"


def migrate_get_keys(argv: list[bytes]) -> list[tuple[int, int]]:
    """The key, or what follows KEYS if it is empty."""
    flags = KEY_RW | KEY_ACCESS | KEY_DELETE
    at = 6
    while at < len(argv):
        word = argv[at].upper()
        if word == b"KEYS":
            if argv[3]:
                raise KeysError
            return [(n, flags) for n in range(at + 1, len(argv))]
        at += {b"AUTH": 2, b"AUTH2": 3}.get(word, 1)
    return [(3, flags)]


class _Request:
    """The arguments taken apart."""

    __slots__ = ("copy", "keys", "order")

    def __init__(self, argv: list[bytes]) -> None:
        self.copy = replace = False
        self.keys = [argv[3]]
        auth: list[bytes] = []
        at = 6
        while at < len(argv):
            word = argv[at].upper()
            if word == b"COPY":
                self.copy = True
            elif word == b"REPLACE":
                replace = True
            elif word == b"AUTH" and at + 1 < len(argv):
                auth = argv[at + 1 : at + 2]
                at += 1
            elif word == b"AUTH2" and at + 2 < len(argv):
                auth = argv[at + 1 : at + 3]
                at += 2
            elif word == b"KEYS":
                if argv[3]:
                    raise CommandError(
                        b"ERR When using MIGRATE KEYS option, the key argument must be set to the empty string"
                    )
                self.keys = argv[at + 1 :]
                break
            else:
                raise syntax_error()
            at += 1
        timeout = get_int(argv[5])
        number = get_int(argv[4])
        self.order = Order(argv[1], argv[2], number, (timeout if timeout > 0 else _DEFAULT_TIMEOUT) / 1000)
        self.order.auth = auth
        self.order.replace = replace


@command(
    b"MIGRATE",
    -6,
    CMD_WRITE | CMD_MOVABLEKEYS,
    keys=(
        K(3, KEY_RW | KEY_ACCESS | KEY_DELETE),
        KWord(b"KEYS", -2, KEY_RW | KEY_ACCESS | KEY_DELETE | KEY_INCOMPLETE, last=-1),
    ),
    get_keys=migrate_get_keys,
    group="generic",
    since="2.6.0",
    summary="Move keys to another server.",
    complexity=(
        "This command actually executes a DUMP+DEL in the source instance, and a RESTORE in the target instance. See "
        "the pages of these commands for time complexity. Also an O(N) data transfer between the two instances is "
        "performed."
    ),
    history=(
        ("3.0.0", "Added the `COPY` and `REPLACE` options."),
        ("3.0.6", "Added the `KEYS` option."),
        ("4.0.7", "Added the `AUTH` option."),
        ("6.0.0", "Added the `AUTH2` option."),
    ),
    usage=(
        "host port:int key_or_empty_string=(key|empty_string='') destination-db:int timeout:int [COPY]@3.0.0 "
        "[REPLACE]@3.0.0 "
        "authentication=[[AUTH password]@4.0.7|[AUTH2 username_password=(username password)]@6.0.0] "
        "[KEYS key:key#1...]@3.0.6"
    ),
    tips=(b"nondeterministic_output",),
    acl=ACL_KEYSPACE | ACL_DANGEROUS,
)
def migrate_command(c: Client, argv: list[bytes]) -> bytes | None:
    request = _Request(argv)
    server, db, order = c.server, c.db, request.order
    for key in request.keys:
        payload = payload_at(server, db, key)
        if payload is not None:
            order.entries.append(Entry(key, payload, db.get_expire(key)))
    if not order.entries:
        return _NOKEY
    keys = list(dict.fromkeys(entry.key for entry in order.entries))
    if any((db.id, key) in server.moving.keys for key in keys):
        raise CommandError(b"TRYAGAIN A key is being moved already")
    links = server.moving.links
    if c.flags & CLIENT_DENY_BLOCKING or not isinstance(links, PeerLinks):
        return _at_once(c, request)
    block_for_keys(c, BLOCKED_MIGRATE, [], 0, argv, b"")
    state = c.blocked
    assert state is not None
    if not request.copy:
        server.moving.begin(db, keys)

    def done(outcome: Outcome) -> None:
        _finish(server, db, request, outcome)
        _answer(c, state, outcome)

    links.start(order, done)
    return None


def _at_once(c: Client, request: _Request) -> bytes:
    """In a transaction or a script nothing can wait: everybody does."""
    server = c.server
    outcome = carry_out_at_once(request.order, server.config, lambda: int(server.clock.time() * 1000))
    deleted = [] if request.copy else [key for key in outcome.moved if _delete(c.db, key)]
    if deleted:
        rewrite(c, [b"DEL", *deleted])
    else:
        prevent(c)
    message = _message(outcome)
    if message:
        raise CommandError(message)
    return OK


def _finish(server: Server, db: Database, request: _Request, outcome: Outcome) -> None:
    """The other server has answered, or will not: what it has is deleted here."""
    server.update_time()
    if request.copy:
        return
    deleted = []
    for key in outcome.moved:
        if server.moving.changed(db, key) or server.replication.read_only():
            outcome.refusal = outcome.refusal or _CHANGED % key
        elif _delete(db, key):
            deleted.append(key)
    server.moving.end(db, list(dict.fromkeys(entry.key for entry in request.order.entries)))
    if deleted:
        also_propagate(server, db.id, [b"DEL", *deleted])
        flush(server)


def _delete(db: Database, key: bytes) -> bool:
    if not db.delete(key):
        return False
    modified(db, key, 1, NOTIFY_GENERIC, b"del")
    return True


def _answer(c: Client, state: BlockedState, outcome: Outcome) -> None:
    """Tell the client, if it still waits for that."""
    server = c.server
    if c.blocked is state:
        message = _message(outcome)
        cmd = state.command
        if cmd is not None:
            account(c, cmd, 1, 0)
            cmd.failed_calls += bool(message)
        c.fed = server.fed
        end_wait(c, error_reply(server, message) if message else OK)
    server.after_event()


def _message(outcome: Outcome) -> bytes:
    """The error for the client; empty if all went well."""
    if outcome.refusal.startswith(b"IOERR "):
        return outcome.refusal
    if outcome.refusal:
        return b"ERR Target instance replied with error: " + outcome.refusal
    if outcome.problem:
        return b"IOERR error or timeout " + outcome.problem.encode()
    return b""
