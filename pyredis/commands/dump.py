"""Single values as in a snapshot: DUMP, RESTORE."""

from __future__ import annotations

from typing import Final

from pyredis.core.args import get_int, syntax_error
from pyredis.core.client import CLIENT_MASTER, Client
from pyredis.core.command import (
    ACL_DANGEROUS,
    ACL_KEYSPACE,
    CMD_ASKING,
    CMD_DENYOOM,
    CMD_READONLY,
    CMD_WRITE,
    KEY_ACCESS,
    KEY_OW,
    KEY_RO,
    KEY_UPDATE,
    K,
    command,
)
from pyredis.core.propagate import rewrite
from pyredis.keyspace.modified import modified
from pyredis.keyspace.state import NOTIFY_GENERIC
from pyredis.lib.intparse import LLONG_MAX
from pyredis.persistence.payload import load_payload, verify_payload
from pyredis.persistence.rdb_save import encoding_limits, payload_at
from pyredis.resp.errors import BAD_PAYLOAD, CommandError
from pyredis.resp.reply import NULL, OK, bulk

_BUSYKEY: Final = b"BUSYKEY Target key name already exists."
_BAD_DATA: Final = b"ERR Bad data format"
_COMPLEXITY: Final = (
    "O(1) to create the new key and additional O(N*M) to reconstruct the serialized value, where N is the number of "
    "Redis objects composing the value and M their average size. For small string values the time complexity is thus "
    "O(1)+O(1*M) where M is small, so simply O(1). However for sorted set values the complexity is O(N*M*log(N)) "
    "because inserting values into sorted sets is O(log(N))."
)
_USAGE: Final = (
    "key ttl:int serialized-value:string [REPLACE]@3.0.0 [ABSTTL]@5.0.0 [IDLETIME seconds:int]@5.0.0 "
    "[FREQ frequency:int]@5.0.0"
)
_HISTORY: Final = (
    ("3.0.0", "Added the `REPLACE` modifier."),
    ("5.0.0", "Added the `ABSTTL` modifier."),
    ("5.0.0", "Added the `IDLETIME` and `FREQ` options."),
)


@command(
    b"DUMP",
    2,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="generic",
    since="2.6.0",
    summary="Return a value in the form in which a snapshot holds it.",
    complexity=(
        "O(1) to access the key and additional O(N*M) to serialize it, where N is the number of Redis objects "
        "composing the value and M their average size. For small string values the time complexity is thus "
        "O(1)+O(1*M) where M is small, so simply O(1)."
    ),
    usage="key",
    tips=(b"nondeterministic_output",),
)
def dump_command(c: Client, argv: list[bytes]) -> bytes | None:
    payload = payload_at(c.server, c.db, argv[1])
    return NULL[c.resp] if payload is None else bulk(payload)


class _Options:
    """``[REPLACE] [ABSTTL] [IDLETIME seconds | FREQ counter]`` from position 4 on; -1 for what is not given."""

    __slots__ = ("absolute", "freq", "idle", "replace")

    def __init__(self, argv: list[bytes]) -> None:
        self.replace = self.absolute = False
        self.idle = self.freq = -1
        at = 4
        while at < len(argv):
            word = argv[at].upper()
            more = at + 1 < len(argv)
            if word == b"REPLACE":
                self.replace = True
            elif word == b"ABSTTL":
                self.absolute = True
            elif word == b"IDLETIME" and more and self.freq == -1:
                at += 1
                self.idle = get_int(argv[at])
                if self.idle < 0:
                    raise CommandError(b"ERR Invalid IDLETIME value, must be >= 0")
            elif word == b"FREQ" and more and self.idle == -1:
                at += 1
                self.freq = get_int(argv[at])
                if not 0 <= self.freq <= 255:
                    raise CommandError(b"ERR Invalid FREQ value, must be >= 0 and <= 255")
            else:
                raise syntax_error()
            at += 1


def _thorough(c: Client) -> bool:
    """``sanitize-dump-payload``: whether a client's payload is verified beyond what loading it verifies."""
    setting = c.server.config.sanitize_dump_payload
    if setting == "clients":
        trusted = c.flags & CLIENT_MASTER or c.server.loading is not None or c.user.sanitize is False
        return not trusted
    return setting == "yes"


@command(
    b"RESTORE",
    -4,
    CMD_WRITE | CMD_DENYOOM,
    keys=(K(1, KEY_OW | KEY_UPDATE),),
    group="generic",
    since="2.6.0",
    summary="Create a key from what DUMP returned.",
    complexity=_COMPLEXITY,
    usage=_USAGE,
    history=_HISTORY,
    acl=ACL_KEYSPACE | ACL_DANGEROUS,
)
def restore_command(c: Client, argv: list[bytes]) -> bytes | None:
    server, db, key = c.server, c.db, argv[1]
    options = _Options(argv)
    if not options.replace and db.lookup_write(key) is not None:
        raise CommandError(_BUSYKEY)
    when = get_int(argv[2])
    if when < 0:
        raise CommandError(b"ERR Invalid TTL value, must be >= 0")
    if not verify_payload(argv[3], server.snapshots.verify_payloads):
        raise CommandError(BAD_PAYLOAD)
    value = load_payload(argv[3], encoding_limits(server), _thorough(c))
    if value is None:
        raise CommandError(_BAD_DATA)
    deleted = options.replace and db.delete(key)
    if when and not options.absolute:
        when += server.mstime
        if when > LLONG_MAX:
            when = 1  # in C the sum of a time far away and now is negative: long past
    if when and when <= server.mstime:
        if deleted:
            modified(db, key, 1, NOTIFY_GENERIC, b"del")
            rewrite(c, [b"DEL", key])
        return OK
    db.adopt(key, value)
    if when:
        db.set_expire(key, when)
        if not options.absolute:
            rewrite(c, [argv[0], key, b"%d" % when, *argv[3:], b"ABSTTL"])
    if options.idle >= 0 or options.freq >= 0:
        db.restore_use(key, options.idle, options.freq)
    modified(db, key, 1, NOTIFY_GENERIC, b"restore")
    return OK


command(
    b"RESTORE-ASKING",
    -4,
    CMD_WRITE | CMD_DENYOOM | CMD_ASKING,
    keys=(K(1, KEY_OW | KEY_UPDATE),),
    group="server",
    since="3.0.0",
    summary="RESTORE as one node of a cluster says it to another.",
    complexity=_COMPLEXITY,
    usage=_USAGE,
    history=_HISTORY,
    doc_flags=("syscmd",),
    acl=ACL_KEYSPACE | ACL_DANGEROUS,
)(restore_command)
