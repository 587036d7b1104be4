"""The command table: every command is declared once, with :func:`command`, and everything else is derived from that.

Purpose: arity, flags, key specifications, ACL categories, documentation. Answers to Redis's ``src/commands/*.json`` and
``struct redisCommand``.

Invariants: ``COMMANDS`` (declarations) is filled at import and never changes afterwards; what a running server counts
or renames lives in :class:`Command`, of which each server has its own set (two servers in one process share nothing).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from pyredis.core.compat import version_number
from pyredis.lib.histogram import Discard, Histogram

if TYPE_CHECKING:
    from pyredis.core.client import Client

Proc = Callable[["Client", list[bytes]], "bytes | None"]
"""A command's body: ``(client, argv) -> encoded reply``; None means that no reply is due now (blocked, or queued)."""

Columns = Callable[["Client", list[tuple[bytes, ...]]], "bytes | None"]
"""Runs a pipeline of one command at once: ``(client, columns) -> replies``, a column being the arguments at one
position of all the command lines (the names are column 0). Asked only while nobody watches, waits or listens, and no
key named has a deadline. None: the lines must run one by one; nothing is changed then."""

Rows = Callable[["Client", tuple[bytes, ...], int], "bytes | None"]
"""The same, given the arguments of all lines in a row and the number of lines; it looks for deadlines itself."""

GetKeys = Callable[[list[bytes]], "list[tuple[int, int]]"]
"""Finds keys where key specs cannot: ``argv -> [(position, KEY_* flags)]``."""

# Command flags. The order is that of COMMAND INFO's flags.
CMD_WRITE: Final = 1 << 0
CMD_READONLY: Final = 1 << 1
CMD_DENYOOM: Final = 1 << 2
CMD_MODULE: Final = 1 << 3
CMD_ADMIN: Final = 1 << 4
CMD_PUBSUB: Final = 1 << 5
CMD_NOSCRIPT: Final = 1 << 6
CMD_BLOCKING: Final = 1 << 8
CMD_LOADING: Final = 1 << 9
CMD_STALE: Final = 1 << 10
CMD_SKIP_MONITOR: Final = 1 << 11
CMD_SKIP_SLOWLOG: Final = 1 << 12
CMD_ASKING: Final = 1 << 13
CMD_FAST: Final = 1 << 14
CMD_NO_AUTH: Final = 1 << 15
CMD_MAY_REPLICATE: Final = 1 << 16  # not shown to clients
CMD_SENTINEL: Final = 1 << 17
CMD_ONLY_SENTINEL: Final = 1 << 18
CMD_NO_MANDATORY_KEYS: Final = 1 << 19
CMD_PROTECTED: Final = 1 << 20
CMD_MOVABLEKEYS: Final = 1 << 21
CMD_NO_ASYNC_LOADING: Final = 1 << 23
CMD_NO_MULTI: Final = 1 << 24
CMD_ALLOW_BUSY: Final = 1 << 26
# Ours, not shown to clients:
CMD_RUNS_SCRIPTS: Final = 1 << 41
"""It may take long, and be left in the middle then: see ``pyredis.scripting.turns``."""
CMD_CHEAP: Final = 1 << 40
"""As quick as a fast command although Redis does not flag it so (SET): measured by the run, not one by one."""
CMDS_OF_SCRIPTS: Final = (
    CMD_NOSCRIPT | CMD_STALE | CMD_SKIP_MONITOR | CMD_NO_MANDATORY_KEYS | CMD_MOVABLEKEYS | CMD_RUNS_SCRIPTS
)
"""What all commands that run a script or function have."""
NOTE_RW: Final = "We cannot tell how the keys will be used so we assume the worst, RW and UPDATE"
NOTE_RO: Final = "We cannot tell how the keys will be used so we assume the worst, RO and ACCESS"

FLAG_NAMES: Final[tuple[tuple[int, bytes], ...]] = (
    (CMD_WRITE, b"write"),
    (CMD_READONLY, b"readonly"),
    (CMD_DENYOOM, b"denyoom"),
    (CMD_MODULE, b"module"),
    (CMD_ADMIN, b"admin"),
    (CMD_PUBSUB, b"pubsub"),
    (CMD_NOSCRIPT, b"noscript"),
    (CMD_BLOCKING, b"blocking"),
    (CMD_LOADING, b"loading"),
    (CMD_STALE, b"stale"),
    (CMD_SKIP_MONITOR, b"skip_monitor"),
    (CMD_SKIP_SLOWLOG, b"skip_slowlog"),
    (CMD_ASKING, b"asking"),
    (CMD_FAST, b"fast"),
    (CMD_NO_AUTH, b"no_auth"),
    (CMD_NO_MANDATORY_KEYS, b"no_mandatory_keys"),
    (CMD_NO_ASYNC_LOADING, b"no_async_loading"),
    (CMD_NO_MULTI, b"no_multi"),
    (CMD_MOVABLEKEYS, b"movablekeys"),
    (CMD_ALLOW_BUSY, b"allow_busy"),
)

# Key-spec flags, in the order of COMMAND INFO.
KEY_RO: Final = 1 << 0
KEY_RW: Final = 1 << 1
KEY_OW: Final = 1 << 2
KEY_RM: Final = 1 << 3
KEY_ACCESS: Final = 1 << 4
KEY_UPDATE: Final = 1 << 5
KEY_INSERT: Final = 1 << 6
KEY_DELETE: Final = 1 << 7
KEY_NOT_KEY: Final = 1 << 8
KEY_INCOMPLETE: Final = 1 << 9
KEY_VARIABLE_FLAGS: Final = 1 << 10

KEY_FLAG_NAMES: Final[tuple[tuple[int, bytes], ...]] = (
    (KEY_RO, b"RO"),
    (KEY_RW, b"RW"),
    (KEY_OW, b"OW"),
    (KEY_RM, b"RM"),
    (KEY_ACCESS, b"access"),
    (KEY_UPDATE, b"update"),
    (KEY_INSERT, b"insert"),
    (KEY_DELETE, b"delete"),
    (KEY_NOT_KEY, b"not_key"),
    (KEY_INCOMPLETE, b"incomplete"),
    (KEY_VARIABLE_FLAGS, b"variable_flags"),
)

# Which arguments are channels that ACL rules ask about.
CHANNEL: Final = 1
"""The first one."""
CHANNELS: Final = 2
"""All."""
CHANNEL_PATTERNS: Final = 3
"""All, as patterns."""

# ACL categories, in the order of ACL CAT and of COMMAND INFO.
ACL_KEYSPACE: Final = 1 << 0
ACL_READ: Final = 1 << 1
ACL_WRITE: Final = 1 << 2
ACL_SET: Final = 1 << 3
ACL_SORTEDSET: Final = 1 << 4
ACL_LIST: Final = 1 << 5
ACL_HASH: Final = 1 << 6
ACL_STRING: Final = 1 << 7
ACL_BITMAP: Final = 1 << 8
ACL_HYPERLOGLOG: Final = 1 << 9
ACL_GEO: Final = 1 << 10
ACL_STREAM: Final = 1 << 11
ACL_PUBSUB: Final = 1 << 12
ACL_ADMIN: Final = 1 << 13
ACL_FAST: Final = 1 << 14
ACL_SLOW: Final = 1 << 15
ACL_BLOCKING: Final = 1 << 16
ACL_DANGEROUS: Final = 1 << 17
ACL_CONNECTION: Final = 1 << 18
ACL_TRANSACTION: Final = 1 << 19
ACL_SCRIPTING: Final = 1 << 20

ACL_CATEGORY_NAMES: Final[tuple[tuple[int, bytes], ...]] = (
    (ACL_KEYSPACE, b"keyspace"),
    (ACL_READ, b"read"),
    (ACL_WRITE, b"write"),
    (ACL_SET, b"set"),
    (ACL_SORTEDSET, b"sortedset"),
    (ACL_LIST, b"list"),
    (ACL_HASH, b"hash"),
    (ACL_STRING, b"string"),
    (ACL_BITMAP, b"bitmap"),
    (ACL_HYPERLOGLOG, b"hyperloglog"),
    (ACL_GEO, b"geo"),
    (ACL_STREAM, b"stream"),
    (ACL_PUBSUB, b"pubsub"),
    (ACL_ADMIN, b"admin"),
    (ACL_FAST, b"fast"),
    (ACL_SLOW, b"slow"),
    (ACL_BLOCKING, b"blocking"),
    (ACL_DANGEROUS, b"dangerous"),
    (ACL_CONNECTION, b"connection"),
    (ACL_TRANSACTION, b"transaction"),
    (ACL_SCRIPTING, b"scripting"),
)

_GROUP_CATEGORY: Final[dict[str, int]] = {
    "generic": ACL_KEYSPACE,
    "string": ACL_STRING,
    "list": ACL_LIST,
    "set": ACL_SET,
    "sorted_set": ACL_SORTEDSET,
    "hash": ACL_HASH,
    "bitmap": ACL_BITMAP,
    "hyperloglog": ACL_HYPERLOGLOG,
    "geo": ACL_GEO,
    "stream": ACL_STREAM,
    "pubsub": ACL_PUBSUB,
    "connection": ACL_CONNECTION,
    "transactions": ACL_TRANSACTION,
    "scripting": ACL_SCRIPTING,
    "server": 0,
    "cluster": 0,
    "sentinel": 0,
}


class KeySpec:
    """Where a command's keys are: how the search begins, how keys are found from there, and what happens to them.

    ``begin``: ``"index"``, ``"keyword"`` or ``"unknown"``; ``find``: ``"range"``, ``"keynum"`` or ``"unknown"``.
    For *range*: ``last`` (relative to the first key; negative counts from the end), ``step``, ``limit``.
    For *keynum*: ``keynumidx``, ``first`` (both relative to the begin), ``step``.
    """

    __slots__ = (
        "begin",
        "find",
        "first",
        "flags",
        "index",
        "keynumidx",
        "keyword",
        "last",
        "limit",
        "notes",
        "startfrom",
        "step",
    )

    def __init__(self, flags: int, notes: str = "") -> None:
        self.flags = flags
        self.notes = notes
        self.begin = "unknown"
        self.index = 0
        self.keyword = b""
        self.startfrom = 0
        self.find = "unknown"
        self.last = 0
        self.step = 1
        self.limit = 0
        self.keynumidx = 0
        self.first = 0


def K(pos: int, flags: int, *, last: int = 0, step: int = 1, limit: int = 0, notes: str = "") -> KeySpec:
    """Keys from position ``pos`` to ``last`` (relative to pos; -1 = the last argument), every ``step``."""
    spec = KeySpec(flags, notes)
    spec.begin, spec.index = "index", pos
    spec.find, spec.last, spec.step, spec.limit = "range", last, step, limit
    return spec


def KNum(pos: int, flags: int, *, keynumidx: int = 0, first: int = 1, step: int = 1, notes: str = "") -> KeySpec:
    """A number of keys at ``pos + keynumidx``, the keys from ``pos + first``."""
    spec = KeySpec(flags, notes)
    spec.begin, spec.index = "index", pos
    spec.find, spec.keynumidx, spec.first, spec.step = "keynum", keynumidx, first, step
    return spec


def KWord(
    keyword: bytes,
    startfrom: int,
    flags: int,
    *,
    last: int = 0,
    step: int = 1,
    limit: int = 0,
    notes: str = "",
) -> KeySpec:
    """Keys behind a keyword that is searched from ``startfrom`` (negative: backwards from the end)."""
    spec = KeySpec(flags, notes)
    spec.begin, spec.keyword, spec.startfrom = "keyword", keyword, startfrom
    spec.find, spec.last, spec.step, spec.limit = "range", last, step, limit
    return spec


def KUnknown(flags: int, notes: str = "") -> KeySpec:
    """Keys that no specification describes; the command has a ``get_keys`` function."""
    return KeySpec(flags, notes)


class CommandSpec:
    """One declared command or subcommand: data only, shared by all servers of the process."""

    __slots__ = (
        "acl",
        "arity",
        "arity_before",
        "channels",
        "complexity",
        "deprecated_since",
        "doc_flags",
        "flags",
        "fullname",
        "get_keys",
        "group",
        "history",
        "keys",
        "name",
        "parent",
        "proc",
        "replaced_by",
        "since",
        "subs",
        "summary",
        "tips",
        "usage",
    )

    def __init__(self, fullname: bytes, arity: int, flags: int) -> None:
        parent, _, sub = fullname.partition(b"|")
        self.fullname = fullname.lower()
        """As shown to clients: ``b"config|get"``."""
        self.name = (sub or parent).upper()
        """The last word, upper case: ``b"GET"``."""
        self.parent: bytes = parent.upper() if sub else b""
        self.arity = arity
        self.arity_before: tuple[str, int] | None = None
        """A version, and the arity of the releases before it."""
        self.flags = flags
        self.proc: Proc | None = None
        self.keys: tuple[KeySpec, ...] = ()
        self.get_keys: GetKeys | None = None
        self.channels = 0
        self.group = "generic"
        self.since = ""
        self.summary = ""
        self.complexity = ""
        self.usage = ""
        self.acl = 0
        self.tips: tuple[bytes, ...] = ()
        self.history: tuple[tuple[str, str], ...] = ()
        self.deprecated_since = ""
        self.replaced_by = ""
        self.doc_flags: tuple[str, ...] = ()
        self.subs: dict[bytes, CommandSpec] = {}

    def arity_of(self, compat: int) -> int:
        """The arity in a release (704 = 7.4)."""
        if self.arity_before is not None and compat < version_number(self.arity_before[0]):
            return self.arity_before[1]
        return self.arity


COMMANDS: dict[bytes, CommandSpec] = {}
"""All declarations: upper-case name → spec; subcommands are in their container's ``subs``."""


COLUMNS: dict[bytes, Columns] = {}
"""Upper-case name → how a pipeline of the command runs at once."""
ALIKE: set[bytes] = set()
"""Those of them that may run so while there are feeders."""
ROWS: dict[bytes, Rows] = {}
"""Likewise, for arguments in a row."""


def _categories(spec: CommandSpec, acl: int | None) -> int:
    """The ACL categories: the group's (or the explicit ones) and those that follow from the flags."""
    categories = _GROUP_CATEGORY[spec.group] if acl is None else acl
    flags = spec.flags
    if flags & CMD_WRITE:
        categories |= ACL_WRITE
    if flags & CMD_READONLY and not categories & ACL_SCRIPTING:
        categories |= ACL_READ
    if flags & CMD_ADMIN:
        categories |= ACL_ADMIN | ACL_DANGEROUS
    if flags & CMD_PUBSUB:
        categories |= ACL_PUBSUB
    if flags & CMD_BLOCKING:
        categories |= ACL_BLOCKING
    return categories | (ACL_FAST if flags & CMD_FAST else ACL_SLOW)


def _declare(spec: CommandSpec, acl: int | None) -> None:
    spec.acl = _categories(spec, acl)
    if spec.parent:
        parent = COMMANDS[spec.parent]
        if spec.name in parent.subs:
            raise ValueError(f"{spec.fullname!r} is declared twice")
        parent.subs[spec.name] = spec
    else:
        if spec.name in COMMANDS:
            raise ValueError(f"{spec.fullname!r} is declared twice")
        COMMANDS[spec.name] = spec


def command(
    fullname: bytes,
    arity: int,
    flags: int = 0,
    *,
    group: str,
    since: str,
    summary: str,
    complexity: str = "",
    usage: str = "",
    keys: tuple[KeySpec, ...] = (),
    get_keys: GetKeys | None = None,
    channels: int = 0,
    acl: int | None = None,
    tips: tuple[bytes, ...] = (),
    history: tuple[tuple[str, str], ...] = (),
    deprecated_since: str = "",
    replaced_by: str = "",
    doc_flags: tuple[str, ...] = (),
    arity_before: tuple[str, int] | None = None,
) -> Callable[[Proc], Proc]:
    """Declare a command; returns the function unwrapped.

    ``arity`` counts the command's name (and the subcommand's); negative means "at least"; ``arity_before`` is a version
    and the arity of the releases before it. ``acl`` names the categories where they are not the group's own; those
    implied by the flags are always added.
    """

    def register(proc: Proc) -> Proc:
        spec = CommandSpec(fullname, arity, flags)
        spec.proc, spec.arity_before = proc, arity_before
        spec.group, spec.since, spec.summary, spec.complexity = group, since, summary, complexity
        spec.usage, spec.keys, spec.get_keys, spec.channels = usage, keys, get_keys, channels
        spec.tips, spec.history = tips, history
        spec.deprecated_since, spec.replaced_by, spec.doc_flags = deprecated_since, replaced_by, doc_flags
        _declare(spec, acl)
        return proc

    return register


def columns(name: bytes, alike: bool = False) -> Callable[[Columns], Columns]:
    """Declare how a pipeline of the command ``name`` runs at once.

    ``alike``: either all lines change something or none does, and each propagates as it is. Only then may it run so
    while there are feeders.
    """

    def register(run: Columns) -> Columns:
        COLUMNS[name] = run
        if alike:
            ALIKE.add(name)
        return run

    return register


def rows(name: bytes) -> Callable[[Rows], Rows]:
    """Declare how a pipeline of the command ``name`` runs at once where columns would only be put together again."""

    def register(run: Rows) -> Rows:
        ROWS[name] = run
        return run

    return register


def container(
    fullname: bytes,
    arity: int,
    flags: int = 0,
    *,
    group: str,
    since: str,
    summary: str,
    complexity: str = "",
    acl: int | None = None,
    tips: tuple[bytes, ...] = (),
    history: tuple[tuple[str, str], ...] = (),
    doc_flags: tuple[str, ...] = (),
) -> None:
    """Declare a command that only holds subcommands. Declare it before them."""
    spec = CommandSpec(fullname, arity, flags)
    spec.group, spec.since, spec.summary, spec.complexity = group, since, summary, complexity
    spec.tips, spec.history, spec.doc_flags = tips, history, doc_flags
    _declare(spec, acl)


_NOWHERE: Final = Discard()


class Command:
    """A declared command as one server has it: the spec's hot fields, and what this server counts.

    ``nsec``: how long all its calls took, in nanoseconds. Subcommands newer than ``compat`` are left out.
    """

    __slots__ = (
        "alike",
        "argc_max",
        "argc_min",
        "by_run",
        "calls",
        "columns",
        "failed_calls",
        "flags",
        "fullname",
        "histogram",
        "nsec",
        "proc",
        "recorded",
        "rejected_calls",
        "rows",
        "spec",
        "subs",
    )

    def __init__(self, spec: CommandSpec, compat: int) -> None:
        self.spec = spec
        self.fullname = spec.fullname
        self.proc: Proc | None = spec.proc
        self.columns = None if spec.parent else COLUMNS.get(spec.name)
        self.rows = None if spec.parent else ROWS.get(spec.name)
        self.alike = spec.name in ALIKE
        self.flags = spec.flags
        self.by_run = bool(spec.flags & (CMD_FAST | CMD_CHEAP))
        """Whether a run of calls is measured as one."""
        arity = spec.arity_of(compat)
        self.argc_min = abs(arity)
        self.argc_max = arity if arity > 0 else 1 << 31
        self.calls = 0
        self.nsec = 0
        self.rejected_calls = 0
        self.failed_calls = 0
        self.recorded: Histogram = {}
        """How long calls took, for LATENCY HISTOGRAM and INFO."""
        self.histogram: Histogram = self.recorded
        """Where a call is entered: ``recorded``, or nowhere while latency tracking is off."""
        self.subs: dict[bytes, Command] = {
            name: Command(sub, compat) for name, sub in spec.subs.items() if version_number(sub.since) <= compat
        }

    def track_latency(self, on: bool) -> None:
        """Begin or cease to record durations, the subcommands' too; what was recorded stays."""
        self.histogram = self.recorded if on else _NOWHERE
        for sub in self.subs.values():
            sub.track_latency(on)

    def reset_stats(self) -> None:
        """Forget all counts (CONFIG RESETSTAT), the subcommands' too."""
        self.calls = self.rejected_calls = self.failed_calls = 0
        self.nsec = 0
        self.recorded.clear()
        for sub in self.subs.values():
            sub.reset_stats()


def declared(sentinel: bool) -> Iterator[CommandSpec]:
    """All declarations imported so far that a sentinel has, or those that a database has."""
    for spec in COMMANDS.values():
        if spec.flags & (CMD_SENTINEL | CMD_ONLY_SENTINEL) if sentinel else not spec.flags & CMD_ONLY_SENTINEL:
            yield spec


def build_table(compat: int, names: dict[bytes, bytes], sentinel: bool) -> dict[bytes, Command]:
    """A fresh table of runtime commands for one server, from all declarations imported so far.

    ``compat`` is the release that the server looks like (704 = 7.4): what is newer is left out. ``names``: what
    ``rename-command`` says. ``sentinel``: the table of a sentinel.
    """
    known = [spec for spec in declared(sentinel) if version_number(spec.since) <= compat]
    return _renamed({spec.name: Command(spec, compat) for spec in known}, names)


def all_commands(table: dict[bytes, Command]) -> list[Command]:
    """Commands and subcommands, each subcommand behind its container."""
    return [one for cmd in table.values() for one in (cmd, *cmd.subs.values())]


def find_command(table: dict[bytes, Command], name: bytes) -> Command | None:
    """The command of a name in any case, ``b"config|get"`` for a subcommand; None if there is none."""
    parent, bar, sub = name.upper().partition(b"|")
    cmd = table.get(parent)
    return cmd.subs.get(sub) if bar and cmd is not None else cmd


def _renamed(table: dict[bytes, Command], names: dict[bytes, bytes]) -> dict[bytes, Command]:
    """``table`` with ``rename-command`` carried out: old name → new name, empty for a command taken away."""
    moved = {new: table[old] for old, new in names.items() if new and old in table}
    return {name: cmd for name, cmd in table.items() if name not in names} | moved
