"""ACL rules of commands as Redis 7.2 and later show them: as they were given."""

from __future__ import annotations

import pytest

from tests.support.local import LocalServer, call


@pytest.mark.parametrize(
    ("rules", "shown"),
    [
        ("", "-@all"),
        ("+@all", "+@all"),
        ("+get", "-@all +get"),
        ("+GET +@Read -MGET", "-@all +get +@read -mget"),
        ("+get -@read +get", "-@all -@read +get"),
        ("+@set +@hash -@geo", "-@all +@set +@hash -@geo"),
        ("+@all -@dangerous +flushall", "+@all -@dangerous +flushall"),
        ("-@dangerous +@all", "+@all"),
        ("+@read +@all -@write -@all +ping", "-@all +ping"),
        ("+config|get +config|set -config|get", "-@all +config|set -config|get"),
        ("+config|get +config", "-@all +config"),
        ("+config -config|set", "-@all +config -config|set"),
        ("+@read -@read", "-@all -@read"),
        ("allcommands -select", "+@all -select"),
        ("+select|0 +select|1", "-@all +select|0 +select|1"),
        ("+select|0 +select", "-@all +select"),
    ],
)
def test_rules_of_commands(rules: str, shown: str) -> None:
    """https://redis.io/docs/latest/commands/acl-getuser/ and /acl-list/"""
    c = LocalServer().client()
    assert call(c, f"acl setuser u on nopass ~* {rules}") == "OK"
    assert call(c, "acl getuser u")[5] == shown
    assert call(c, "acl list")[1] == f"user u on nopass ~* resetchannels {shown}"
    assert call(c, f"acl setuser v on nopass ~* {shown}") == "OK"
    assert call(c, "acl getuser v")[5] == shown
    old = LocalServer("7.0").client()
    assert call(old, f"acl setuser u on nopass ~* {rules}") == "OK"
    assert call(old, f"acl setuser v on nopass ~* {shown}") == "OK"
    assert call(old, "acl getuser u")[5] == call(old, "acl getuser v")[5], "they mean the same"


def test_rules_of_selectors() -> None:
    """https://redis.io/docs/latest/commands/acl-setuser/ ("selectors")"""
    c = LocalServer().client()
    call(c, "acl setuser u on +@read -get (+set -@string ~a) (+@all -@admin allkeys)")
    assert [one[1] for one in call(c, "acl getuser u")[11]] == ["-@all +set -@string", "+@all -@admin"]
    call(c, "acl setuser u +mget")
    assert call(c, "acl getuser u")[5] == "-@all +@read -get +mget"
    call(c, "acl setuser u reset +ping")
    assert call(c, "acl getuser u")[5] == "-@all +ping"
