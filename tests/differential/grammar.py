"""From the command table to generated commands: each declared ``usage`` line is a grammar, each of its words draws from
a pool of :mod:`tests.differential.pools`; then a part of the commands is mutated. Commands that the table gains take
part by themselves; those that cannot are in ``EXCLUDED``, with the reason.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from pyredis.commands import all as _declared
from pyredis.core.command import CMD_ONLY_SENTINEL, COMMANDS, CommandSpec
from pyredis.core.compat import known_arguments, version_number
from pyredis.core.usage import Argument, parse_usage
from tests.differential import pools

assert _declared
ORACLE = 700
"""The oracle's release, as ``server.compat`` has it."""
Argv = list[bytes]
Line = SearchStrategy[Argv]

EXCLUDED: dict[bytes, str] = {
    b"ACL": "has rules of its own: test_acl",
    b"SHUTDOWN": "ends the server",
    b"MONITOR": "its output is a stream of other clients' commands; tests of MONITOR are elsewhere",
    b"QUIT": "ends the connection: test_interleaved",
    b"DEBUG": "may stop or crash the server on purpose",
    b"CLIENT|KILL": "ends connections, the test's own too",
    b"CLIENT|PAUSE": "stops the whole server for a while",
    b"CLIENT|REPLY": "changes how many replies come; test_interleaved",
    b"CLIENT|TRACKING": "needs a second connection",
    b"CLIENT|UNBLOCK": "needs a waiting client: test_interleaved",
    b"COMMAND": "the whole table: test_command_table",
    b"COMMAND|INFO": "test_command_table",
    b"COMMAND|DOCS": "test_command_table",
    b"COMMAND|LIST": "test_command_table",
    b"COMMAND|COUNT": "the number of commands differs as long as some are missing",
    b"CONFIG|REWRITE": "writes a file",
    b"CONFIG|RESETSTAT": "changes what other tests count",
    b"PFSELFTEST": "takes redis-server most of a second: test_hyperloglog",
    b"FAILOVER": "changes the server's role",
    b"REPLICAOF": "changes the server's role",
    b"SLAVEOF": "changes the server's role",
    b"BGSAVE": "writes a file",
    b"SAVE": "writes a file",
    b"SCRIPT|DEBUG": "refused here",
    b"BGREWRITEAOF": "writes a file",
}
"""Command → why it takes no part here."""

MORE: dict[bytes, list[str]] = {
    b"ZRANGE": [
        "key:key#0 lex lex BYLEX [REV] [LIMIT (offset count)]",
        "key:key#0 bound bound BYSCORE [REV] [LIMIT (offset count)] [WITHSCORES]",
        "key:key#0 start stop [REV] [WITHSCORES]",
    ],
    b"ZRANGESTORE": [
        "dst:key#0 y=key lex lex BYLEX [REV] [LIMIT (offset count)]",
        "dst:key#0 key:key#0 bound bound BYSCORE [REV] [LIMIT (offset count)]",
    ],
    b"ZADD": ["key:key#0 [NX|XX] [GT|LT] [CH] INCR score member", "key:key#0 [GT|LT] (score member)..."],
    b"SET": ["key:key#0 value", "key:key#0 number", "key:key#0 value EX number EX number"],
    b"GETEX": ["key:key#0 PX number PX number", "key:key#0 EXAT number EXAT number"],
    b"LPOS": ["key:key#0 field RANK rank COUNT count"],
    b"SPOP": ["key:key#0 number"],
    b"XADD": ["key:key#0 id (field value)...", "key:key#0 MAXLEN count id (field value)..."],
    b"XREADGROUP": ["GROUP (group consumer) [COUNT count] STREAMS key:key#0 new"],
    b"XREAD": ["[COUNT count] STREAMS key:key#0 id"],
    b"LCS": ["key:key#0 key:key#0 IDX [MINMATCHLEN small] [WITHMATCHLEN]"],
    b"BITCOUNT": ["key:key#0 small small [BYTE|BIT]"],
    b"BITPOS": ["key:key#0 bit small [small [BYTE|BIT]]"],
    b"BITFIELD": [
        "key:key#0 ([OVERFLOW (WRAP|SAT|FAIL)] SET field step fieldnumber)... [GET field step]",
        "key:key#0 ([OVERFLOW (WRAP|SAT|FAIL)] INCRBY field step fieldnumber)...",
    ],
}
"""Forms worth more weight than chance gives them; the words are names of pools."""
_MORE_POOLS: dict[str, list[bytes]] = {
    "lex": pools.LEX_BOUNDS,
    "bound": pools.BOUNDS,
    "number": [*pools.INTEGERS, *pools.FLOATS],
    "small": pools.SMALL,
    "field": pools.ENCODINGS[:13],
    "step": [b"0", b"1", b"7", b"8", b"#0", b"#1", b"#3", b"30"],
    "fieldnumber": [*pools.FIELD_NUMBERS, b"9223372036854775807", b"-9223372036854775808"],
    "new": [b">"],
}
_BY_TYPE: dict[str, list[bytes]] = {
    "integer": pools.INTEGERS,
    "double": pools.FLOATS,
    "unix-time": pools.TIMES,
    "pattern": pools.PATTERNS,
    "string": pools.VALUES,
}


def _concat(parts: tuple[Argv, ...] | list[Argv]) -> Argv:
    return [word for part in parts for word in part]


class Grammar:
    """Builds strategies for the arguments of one command."""

    def __init__(self, spec: CommandSpec) -> None:
        self.name = spec.fullname.upper()
        own = pools.KEYS_OF_GROUP.get(spec.group)
        # Mostly keys of the right type.
        self.keys = [*own * 4, *pools.NAMELESS[:1] * 2, *pools.KEYS] if own else pools.KEYS

    def pool(self, argument: Argument) -> list[bytes]:
        if argument.type == "key":
            return self.keys
        found = pools.BY_COMMAND.get((self.name, argument.name)) or pools.BY_NAME.get(argument.name)
        return found or _MORE_POOLS.get(argument.name) or _BY_TYPE[argument.type]

    def body(self, argument: Argument) -> Line:
        if argument.type == "pure-token":
            token = (argument.token or "").encode()
            return st.sampled_from([[token], [token.lower()]])
        if argument.type == "oneof":
            return st.one_of([self.argument(a) for a in argument.arguments])
        if argument.type == "block":
            return self.sequence(argument.arguments)
        return st.sampled_from(self.pool(argument)).map(lambda word: [word])

    def argument(self, argument: Argument) -> Line:
        body = self.body(argument)
        token = argument.token.encode() if argument.token is not None and argument.type != "pure-token" else None
        if argument.multiple:
            one = body if token is None or not argument.multiple_token else body.map(lambda words: [token, *words])
            body = st.lists(one, min_size=1, max_size=3).map(_concat)
        if token is not None and not (argument.multiple and argument.multiple_token):
            body = body.map(lambda words: [token, *words])
        return st.one_of(st.just([]), body) if argument.optional else body

    def sequence(self, arguments: tuple[Argument, ...]) -> Line:
        """One after the other; a number of keys fits the keys behind it, most of the time."""
        parts: list[Line] = []
        at = 0
        while at < len(arguments):
            if arguments[at].name == "numkeys" and at + 1 < len(arguments):
                keys = self.argument(arguments[at + 1])
                wrong = st.sampled_from([None] * 12 + [b"0", b"-1", b"4", b"x", b"9223372036854775807", b""])
                parts.append(
                    st.tuples(keys, wrong).map(
                        lambda pair: [b"%d" % len(pair[0]) if pair[1] is None else pair[1], *pair[0]]
                    )
                )
                at += 2
            else:
                parts.append(self.argument(arguments[at]))
                at += 1
        return st.tuples(*parts).map(_concat)


def _mutate(drawn: tuple[Argv, str, int, bytes]) -> Argv:
    argv, what, position, word = drawn
    argv = list(argv)
    at = 1 + position % len(argv)
    if what == "drop" and at < len(argv):
        del argv[at]
    elif what == "truncate":
        del argv[at:]
    elif what == "repeat" and at < len(argv):
        argv.insert(at, argv[at])
    elif what == "swap" and at + 1 < len(argv):
        argv[at], argv[at + 1] = argv[at + 1], argv[at]
    elif what == "rotate" and at < len(argv):
        argv.append(argv.pop(at))
    elif what == "insert":
        argv.insert(at, word)
    elif what == "replace" and at < len(argv):
        argv[at] = word
    elif what == "case":
        at -= 1
        argv[at] = argv[at].swapcase()
    return argv


_MUTATIONS = [""] * 16 + ["drop", "truncate", "repeat", "swap", "rotate", "insert", "replace", "case"]


def line_of(spec: CommandSpec) -> Line:
    """Generated forms of one command, as the table declares it and mutated."""
    grammar = Grammar(spec)
    name = spec.fullname.split(b"|")
    usages = [spec.usage, *MORE.get(grammar.name, [])]
    arguments = st.one_of([grammar.sequence(known_arguments(parse_usage(usage), ORACLE)) for usage in usages])
    whole = arguments.map(lambda words: [*name, *words])
    drawn = st.tuples(whole, st.sampled_from(_MUTATIONS), st.integers(0, 7), st.sampled_from(pools.HOSTILE))
    return drawn.map(_mutate)


def declared() -> dict[bytes, CommandSpec]:
    """All commands and subcommands of the oracle's release that have a body: full upper-case name → declaration.

    A sentinel's own take no part, whether another test has imported them or not.
    """
    found: dict[bytes, CommandSpec] = {}
    for name, spec in COMMANDS.items():
        if spec.flags & CMD_ONLY_SENTINEL:
            continue
        if spec.proc is not None:
            found[name] = spec
        for sub in spec.subs.values():
            found[sub.fullname.upper()] = sub
    return {name: spec for name, spec in found.items() if version_number(spec.since) <= ORACLE}


def _lines() -> dict[str, list[Line]]:
    groups: dict[str, list[Line]] = {}
    for name, spec in declared().items():
        if name not in EXCLUDED and name.split(b"|")[0] not in EXCLUDED.keys() - {b"COMMAND"}:
            groups.setdefault(spec.group, []).append(line_of(spec))
    return groups


LINES: dict[str, list[Line]] = _lines()
"""Strategies by the group of COMMAND DOCS."""
DATA = ("string", "list", "set", "hash", "sorted_set", "bitmap", "hyperloglog", "generic")
_LENGTH = 24


def sequences(*groups: str, others: bool = True) -> SearchStrategy[list[Argv]]:
    """Sequences of commands, most of the groups named, some of the other groups of data."""
    own = [line for group in groups for line in LINES[group]]
    elements = [st.just([]), *own]
    if others:
        rest = [line for group in DATA if group not in groups for line in LINES.get(group, [])]
        elements += [st.one_of(rest)] * max(1, len(own) // 7)
    # A fixed length in which commands shrink to nothing: quicker to shrink than a list that changes its length.
    return st.lists(st.one_of(elements), min_size=_LENGTH, max_size=_LENGTH).map(lambda seq: [a for a in seq if a])
