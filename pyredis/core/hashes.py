"""Hashes whose fields have deadlines, as commands see them: a field whose time has come is not there.

Fields go when they are met (here) or when the active expiry finds them. While they must be kept (CLIENT PAUSE), and
where more are due than one command should have to remove, readers get a copy of what is left.

Purpose of the two forms: HGET and its like ask for some fields, and must not pay for others; HGETALL and its like go
through the whole hash anyway.
"""

from __future__ import annotations

from typing import Any, Final

from pyredis.engines.hash import HashObj
from pyredis.engines.volatile_hash import VolatileHashObj
from pyredis.keyspace.db import Database
from pyredis.resp.errors import WRONGTYPE, CommandError

_AT_ONCE: Final = 1024
"""So many fields a command removes that meets them: a millisecond. The active expiry takes the rest."""


def purged(db: Database, key: bytes, value: Any) -> HashObj | None:
    """A hash without (most of) the fields whose time has come; None if no other was left. WRONGTYPE if it is none.

    The number of fields may count some that are due still, as it does in Redis until they are removed.
    """
    if type(value) is HashObj:
        return value
    if type(value) is not VolatileHashObj:
        raise CommandError(WRONGTYPE)
    if value.next_due <= db.ks.mstime and not db.ks.keep_expired:
        due = value.due(db.ks.mstime, _AT_ONCE)
        if due and db.expire_fields(key, value, due):
            return None
    return value


def live_hash(db: Database, key: bytes, value: Any) -> HashObj | None:
    """A hash of which no field is due, for reading: the value itself, or a copy of what is left. None if nothing is."""
    found = purged(db, key, value)
    if type(found) is not VolatileHashObj or found.next_due > db.ks.mstime:
        return found
    fields = list(found.fields)
    live = found.live(fields, db.ks.mstime)
    return found if len(live) == len(fields) else _part(found, live)


def with_live_fields(db: Database, argv: list[bytes], value: Any, write: bool) -> HashObj | None:
    """A hash of which none of the fields that ``argv`` names is due; None if no other was left.

    All of ``argv`` is taken for names of fields: other words in it do no harm, as a field that is due is due.
    """
    if type(value) is not VolatileHashObj:
        raise CommandError(WRONGTYPE)
    now = db.ks.mstime
    if value.next_due > now:
        return value
    due = [field for field in dict.fromkeys(argv) if value.is_due(field, now)]
    if not due:
        return value
    if not db.ks.keep_expired:
        return None if db.expire_fields(argv[1], value, due) else value
    return value if write else _part(value, [field for field in value.live(argv, now) if field in value.fields])


def _part(value: HashObj, fields: list[bytes]) -> HashObj | None:
    if not fields:
        return None
    part = HashObj()
    part.fields = {field: value.fields[field] for field in fields}
    part.packed = value.packed
    return part
