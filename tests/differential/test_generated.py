"""Generated commands, the same bytes to ours and to redis-server: the replies must be the same bytes, and the keyspace
afterwards the same. What may differ is said, command by command, in :mod:`tests.differential.compare`.

The default run is a fixed sample; ``pytest --hypothesis-profile=long`` looks for news.
"""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.differential import pools
from tests.differential.grammar import DATA, EXCLUDED, LINES, MORE, declared, sequences
from tests.differential.pair import Pair
from tests.support.servers import ServerProcess

GROUPS: dict[str, tuple[tuple[str, ...], bool, bool]] = {
    # name: (groups of commands, other commands of data among them, replies marked)
    "string": (("string",), True, False),
    "list": (("list",), True, False),
    "set": (("set",), True, False),
    "hash": (("hash",), True, False),
    "sorted_set": (("sorted_set",), False, False),
    "bitmap": (("bitmap",), True, False),
    "geo": (("geo",), True, False),
    "hyperloglog": (("hyperloglog",), True, False),
    "stream": (("stream",), False, False),
    "generic": (("generic",), True, False),
    "transactions": (("transactions", "string", "list", "sorted_set"), True, False),
    "pubsub": (("pubsub",), False, True),
    "connection": (("connection", "server"), True, True),
    "scripting": (("scripting",), True, False),
    "cluster": (("cluster",), True, False),
}


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("group", sorted(GROUPS))
def test_same_replies(server: ServerProcess, oracle: ServerProcess, group: str, protocol: int) -> None:
    pair = Pair(server, oracle, protocol)
    groups, others, marked = GROUPS[group]

    @given(sequences(*groups, others=others))
    def run(sequence: list[list[bytes]]) -> None:
        pair.check(sequence, marked)

    run()


def _no_names(argv: list[bytes]) -> bool:
    """Ranges by name are specified for equal scores only; what else they find depends on Redis's encoding."""
    return not any(b"LEX" in word.upper() for word in argv)


@pytest.mark.parametrize("protocol", [2, 3])
def test_same_replies_where_encodings_change(server: ServerProcess, oracle: ServerProcess, protocol: int) -> None:
    pair = Pair(server, oracle, protocol, pools.TIGHT)

    @given(sequences(*DATA, others=False))
    def run(sequence: list[list[bytes]]) -> None:
        pair.check(list(filter(_no_names, sequence)))

    run()


def test_every_command_takes_part() -> None:
    tested = {group for groups, _, _ in GROUPS.values() for group in groups} | set(DATA)
    assert set(LINES) <= tested
    missing = {
        name
        for name, spec in declared().items()
        if spec.group not in tested and not {name, name.split(b"|")[0]} & EXCLUDED.keys()
    }
    assert not missing
    assert set(MORE) <= declared().keys()
    # Words are documented for all that take arguments: without them, a command would run bare or mutated only.
    bare = {name for name, spec in declared().items() if not spec.usage and abs(spec.arity) > 1 + name.count(b"|")}
    assert bare - EXCLUDED.keys() <= {b"COMMAND|GETKEYS", b"COMMAND|GETKEYSANDFLAGS"}
