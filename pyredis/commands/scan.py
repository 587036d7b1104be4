"""Finding keys: KEYS, SCAN, RANDOMKEY, DBSIZE."""

from __future__ import annotations

from pyredis.core.args import get_cursor, parse_scan_options
from pyredis.core.client import Client
from pyredis.core.command import (
    ACL_DANGEROUS,
    ACL_KEYSPACE,
    CMD_FAST,
    CMD_READONLY,
    command,
)
from pyredis.keyspace.encoding import TYPE_NAMES
from pyredis.lib.glob import compile_filter
from pyredis.resp.reply import (
    NULL,
    array_header,
    bulk,
    bulk_array,
    integer,
)


@command(
    b"KEYS",
    2,
    CMD_READONLY,
    group="generic",
    since="1.0.0",
    summary="Return all keys that match a pattern.",
    complexity=(
        "O(N) with N being the number of keys in the database, under the assumption that the key names "
        "in the database and the given pattern have limited length."
    ),
    usage="pattern",
    tips=(
        b"request_policy:all_shards",
        b"nondeterministic_output_order",
    ),
    acl=ACL_KEYSPACE | ACL_DANGEROUS,
)
def keys_command(c: Client, argv: list[bytes]) -> bytes | None:
    db = c.db
    fits = compile_filter(argv[1])
    now = c.server.mstime
    expires = db.expires
    if expires:
        found = [key for key in db.dict if fits(key) and expires.get(key, now + 1) > now]
    else:
        found = list(filter(fits, db.dict))
    return bulk_array(found)


@command(
    b"SCAN",
    -2,
    CMD_READONLY,
    group="generic",
    since="2.8.0",
    summary="Walk through the keys of the database.",
    complexity=(
        "O(1) for every call. O(N) for a complete iteration, including enough command calls for the "
        "cursor to return back to 0. N is the number of elements inside the collection."
    ),
    usage="cursor:int [MATCH pattern] [COUNT count:int] [TYPE type]@6.0.0",
    tips=(
        b"nondeterministic_output",
        b"request_policy:special",
    ),
    history=(("6.0.0", "Added the `TYPE` subcommand."),),
)
def scan_command(c: Client, argv: list[bytes]) -> bytes | None:
    cursor = get_cursor(argv[1])
    options = parse_scan_options(argv, 2, "keys", c.server.compat)
    db = c.db
    cursor, keys = db.key_index().scan(cursor, options.count)
    if options.pattern is not None:
        keys = list(filter(compile_filter(options.pattern), keys))
    if options.type is not None:
        wanted = options.type.lower()
        # Asking for the type counts as a look at each key, as in Redis.
        values = [db.look(key) for key in keys]
        keys = [k for k, v in zip(keys, values, strict=True) if v is not None and TYPE_NAMES[type(v)] == wanted]
    if db.expires:
        keys = [key for key in keys if not db.expire_if_needed(key)]
    return array_header(2) + bulk(b"%d" % cursor) + bulk_array(keys)


@command(
    b"RANDOMKEY",
    1,
    CMD_READONLY,
    group="generic",
    since="1.0.0",
    summary="Return a random key.",
    complexity="O(1)",
    tips=(
        b"request_policy:all_shards",
        b"nondeterministic_output",
    ),
)
def randomkey_command(c: Client, argv: list[bytes]) -> bytes | None:
    key = c.db.random_key()
    return NULL[c.resp] if key is None else bulk(key)


@command(
    b"DBSIZE",
    1,
    CMD_READONLY | CMD_FAST,
    group="server",
    since="1.0.0",
    summary="Return the number of keys in the database.",
    complexity="O(1)",
    tips=(
        b"request_policy:all_shards",
        b"response_policy:agg_sum",
    ),
    acl=ACL_KEYSPACE,
)
def dbsize_command(c: Client, argv: list[bytes]) -> bytes | None:
    return integer(len(c.db))
