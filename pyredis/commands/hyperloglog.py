"""HyperLogLog: estimates of how many different elements there were. The bytes: :mod:`pyredis.lib.hyperloglog`."""

from __future__ import annotations

from typing import Final

from pyredis.core.args import String, read_string, write_string
from pyredis.core.client import Client
from pyredis.core.command import (
    CMD_ADMIN,
    CMD_DENYOOM,
    CMD_FAST,
    CMD_MAY_REPLICATE,
    CMD_READONLY,
    CMD_WRITE,
    KEY_ACCESS,
    KEY_INSERT,
    KEY_RO,
    KEY_RW,
    K,
    command,
)
from pyredis.keyspace.db import Database
from pyredis.keyspace.modified import modified, touched
from pyredis.keyspace.state import NOTIFY_STRING
from pyredis.lib import hyperloglog
from pyredis.lib.hyperloglog import Corrupt
from pyredis.resp.errors import CommandError, c_text
from pyredis.resp.reply import OK, ONE, ZERO, array, bulk, integer, simple

_NOT_ONE: Final = b"WRONGTYPE Key is not a valid HyperLogLog string value."
_CORRUPT: Final = b"INVALIDOBJ Corrupted HLL object detected"
_NO_REGISTERS: Final = bytes(hyperloglog.REGISTERS)


def _checked(value: String) -> String:
    if not hyperloglog.is_hyperloglog(value):
        raise CommandError(_NOT_ONE)
    return value


def _writable(db: Database, key: bytes, value: String | None) -> bytearray:
    """The HyperLogLog at a key in a form that can be written into; None makes a new one."""
    if type(value) is bytearray:
        return value
    if value is None:
        made = hyperloglog.new()
        db.add(key, made)
    else:
        made = bytearray(value)
        db.overwrite(key, made)
    return made


def _merged(db: Database, keys: list[bytes]) -> tuple[bytes, bool]:
    """The highest registers of all, and whether any of them is dense."""
    highest = _NO_REGISTERS
    is_dense = False
    for key in keys:
        value = read_string(db, key)
        if value is None:
            continue
        _checked(value)
        is_dense = is_dense or value[4] == hyperloglog.DENSE
        try:
            found = hyperloglog.registers(value)
        except Corrupt:
            raise CommandError(_CORRUPT) from None
        highest = found if highest is _NO_REGISTERS else hyperloglog.maximum(highest, found)
    return highest, is_dense


@command(
    b"PFADD",
    -2,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_INSERT),),
    group="hyperloglog",
    since="2.8.9",
    summary="Add elements to a HyperLogLog.",
    complexity="O(1) to add every element.",
    usage="key [element...]",
)
def pfadd_command(c: Client, argv: list[bytes]) -> bytes | None:
    db, key = c.db, argv[1]
    found = write_string(db, key)
    if found is not None:
        _checked(found)
    value = _writable(db, key, found)
    before = bytes(value) if len(argv) > 3 and value[4] == hyperloglog.SPARSE else None
    try:
        changes = hyperloglog.add(value, argv[2:], c.server.config.hll_sparse_max_bytes)
    except Corrupt:
        if before is not None:
            value[:] = before
        raise CommandError(_CORRUPT) from None
    if found is None:
        hyperloglog.invalidate(value)
        changes += 1
    if not changes:
        return ZERO
    modified(db, key, changes, NOTIFY_STRING, b"pfadd")
    return ONE


@command(
    b"PFCOUNT",
    -2,
    CMD_READONLY | CMD_MAY_REPLICATE,
    keys=(
        K(
            1,
            KEY_RW | KEY_ACCESS,
            last=-1,
            notes="RW because it may change the internal representation of the key, and propagate to replicas",
        ),
    ),
    group="hyperloglog",
    since="2.8.9",
    summary="Estimate how many different elements one or more HyperLogLogs have seen.",
    complexity=(
        "O(1) with a very small average constant time when called with a single key. O(N) with N being the number of "
        "keys, and much bigger constant times, when called with multiple keys."
    ),
    usage="key...",
)
def pfcount_command(c: Client, argv: list[bytes]) -> bytes | None:
    db = c.db
    if len(argv) > 2:
        return integer(hyperloglog.estimate(_merged(db, argv[1:])[0]))
    found = read_string(db, argv[1])
    if found is None:
        return ZERO
    estimated = hyperloglog.cached(_checked(found))
    if estimated is None:
        try:
            estimated = hyperloglog.estimate(hyperloglog.registers(found))
        except Corrupt:
            raise CommandError(_CORRUPT) from None
        hyperloglog.remember(_writable(db, argv[1], found), estimated)
        db.ks.dirty += 1  # the estimate is part of the string
        touched(db, argv[1])
    return integer(estimated)


@command(
    b"PFMERGE",
    -2,
    CMD_WRITE | CMD_DENYOOM,
    keys=(K(1, KEY_RW | KEY_ACCESS | KEY_INSERT), K(2, KEY_RO | KEY_ACCESS, last=-1)),
    group="hyperloglog",
    since="2.8.9",
    summary="Merge HyperLogLogs into one.",
    complexity="O(N) to merge N HyperLogLogs, but with high constant times.",
    usage="destkey:key sourcekey:key#1...",
)
def pfmerge_command(c: Client, argv: list[bytes]) -> bytes | None:
    db, key = c.db, argv[1]
    merged, is_dense = _merged(db, argv[1:])
    value = _writable(db, key, write_string(db, key))
    if is_dense and value[4] == hyperloglog.SPARSE:
        hyperloglog.to_dense(value, merged)
    hyperloglog.store(value, merged, c.server.config.hll_sparse_max_bytes)
    modified(db, key, 1, NOTIFY_STRING, b"pfadd")
    return OK


def _debug(c: Client, key: bytes, word: bytes, value: bytearray) -> bytes:
    """What a subcommand of PFDEBUG answers; may make the HyperLogLog dense."""
    name = word.upper()
    is_sparse = value[4] == hyperloglog.SPARSE
    if name == b"ENCODING":
        return simple(b"sparse" if is_sparse else b"dense")
    if name == b"DECODE":
        if not is_sparse:
            raise CommandError(b"ERR HLL encoding is not sparse")
        return bulk(hyperloglog.decode(value).encode())
    if name not in (b"GETREG", b"TODENSE"):
        raise CommandError(b"ERR Unknown PFDEBUG subcommand '%b'" % c_text(word))
    if is_sparse:
        try:
            hyperloglog.to_dense(value)
        except Corrupt:
            raise CommandError(_CORRUPT) from None
        c.db.ks.dirty += 1
    if name == b"TODENSE":
        return ONE if is_sparse else ZERO
    return array([integer(register) for register in hyperloglog.registers(value)])


@command(
    b"PFDEBUG",
    3,
    CMD_WRITE | CMD_DENYOOM | CMD_ADMIN,
    keys=(K(2, KEY_RW | KEY_ACCESS),),
    group="hyperloglog",
    since="2.8.9",
    summary="Show the registers (GETREG), runs (DECODE) or ENCODING of a HyperLogLog, or make it dense (TODENSE).",
    complexity="N/A",
    usage="subcommand key",
    doc_flags=("syscmd",),
)
def pfdebug_command(c: Client, argv: list[bytes]) -> bytes | None:
    db, key = c.db, argv[2]
    value = write_string(db, key)
    if value is None:
        raise CommandError(b"ERR The specified key does not exist")
    return _debug(c, key, argv[1], _writable(db, key, _checked(value)))


@command(
    b"PFSELFTEST",
    1,
    CMD_ADMIN,
    group="hyperloglog",
    since="2.8.9",
    summary="Test the registers, encodings and estimates of HyperLogLog on generated elements.",
    complexity="N/A",
    doc_flags=("syscmd",),
)
def pfselftest_command(c: Client, argv: list[bytes]) -> bytes | None:
    failure = hyperloglog.self_test()
    if failure:
        raise CommandError(b"ERR TESTFAILED " + failure.encode())
    return OK
