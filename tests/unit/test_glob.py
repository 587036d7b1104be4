"""Glob patterns: what redis-server's KEYS finds, and no pattern that takes for ever."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyredis.lib import glob
from tests.support.raw import RawClient
from tests.support.servers import ServerProcess

PATTERN_BYTES = b"ab*?[]^-\\c\xff\nAZ"
TEXT_BYTES = b"abc-\\]\n\xff^AZ"


def test_keys_found_are_those_of_redis(server: ServerProcess, oracle: ServerProcess) -> None:
    rng = Random(9001)
    ours, theirs = RawClient(server.connect()), RawClient(oracle.connect())
    for _ in range(60):
        keys = [bytes(rng.choices(TEXT_BYTES, k=rng.randint(0, 7))) for _ in range(30)]
        patterns = [bytes(rng.choices(PATTERN_BYTES, k=rng.randint(0, 8))) for _ in range(100)]
        fill = [arg for key in keys for arg in (key, b"v")]
        commands = [[b"FLUSHALL"], [b"MSET", *fill], *[[b"KEYS", pattern] for pattern in patterns]]
        for command, got, expected in zip(commands, ours.pipeline(commands), theirs.pipeline(commands), strict=True):
            assert sorted(got.split(b"\r\n")) == sorted(expected.split(b"\r\n")), command
    ours.close()
    theirs.close()


@pytest.mark.parametrize("runs", [999, 1000, 1001])
def test_so_many_runs_and_no_more(server: ServerProcess, oracle: ServerProcess, runs: int) -> None:
    answers = []
    for one in (server, oracle):
        client = RawClient(one.connect())
        client.call("SET", "a" * 1200, "v")
        answers.append([client.call("KEYS", "*a" * runs), client.call("KEYS", "a*" * runs)])
        client.close()
    assert answers[0] == answers[1]


@given(st.binary(max_size=12), st.binary(max_size=12), st.booleans())
@settings(deadline=None, max_examples=500)
def test_regular_expression_and_walk_agree(pattern: bytes, text: bytes, nocase: bool) -> None:
    for table in (b"ab*?[]^-\\\xff", b"ABab*?["):
        fitted = bytes(table[c % len(table)] for c in pattern)
        fitted_text = bytes(b"abAB-^\xff]"[c % 8] for c in text)
        walked = glob._match_elements(glob._parse(fitted, nocase), fitted_text)
        assert glob.match(fitted, fitted_text, nocase) == (walked and (fitted_text != b"" or fitted == b""))


@pytest.mark.parametrize(
    "pattern", [b"*a*a*a*a*a*a*b", b"*" + b"?" * 400 + b"b", b"*[^b]" * 200 + b"b", b"a*" * 240 + b"b"]
)
def test_patterns_made_to_take_long(pattern: bytes) -> None:
    """These would never end with a matcher that tries every place of every run."""
    assert not glob.match(pattern, b"a" * 5000 + b"c")


def test_nothing_fits_the_empty_string_but_the_empty_pattern() -> None:
    assert glob.match(b"", b"")
    assert not glob.match(b"*", b"")
    assert not glob.match(b"**", b"")
    assert glob.compile_filter(b"*")(b"")
    assert not glob.compile_filter(b"**")(b"")
