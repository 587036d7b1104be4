"""The examples of docs/scripting.md, on both servers."""

from __future__ import annotations

from tests.scripting.test_eval import Both
from tests.support.documents import blocks
from tests.support.servers import ServerProcess

LIMITER, RELEASE, LOCKS = [block.text for block in blocks("docs/scripting.md") if block.language == "lua"]


def test_rate_limiter(server: ServerProcess, oracle: ServerProcess) -> None:
    both = Both(server, oracle)
    for number in range(3):
        assert both.same("EVAL", LIMITER, 1, "calls", 3, 60_000, f"call{number}") == b"*2\r\n:1\r\n:%d\r\n" % (
            2 - number
        )
    for reply in both.call("EVAL", LIMITER, 1, "calls", 3, 60_000, "one too many"):
        refused, wait = reply.split(b"\r\n")[1:3]
        assert refused == b":0" and 0 < int(wait[1:]) <= 60_000
    both.close()


def test_locks(server: ServerProcess, oracle: ServerProcess) -> None:
    both = Both(server, oracle)
    both.same("FUNCTION", "FLUSH")
    assert both.same("FUNCTION", "LOAD", "REPLACE", LOCKS) == b"$5\r\nlocks\r\n"
    both.same("SET", "job:7", "token", "NX", "PX", 30000)
    assert both.same("FCALL_RO", "holder", 1, "job:7") == b"$5\r\ntoken\r\n"
    assert both.same("FCALL", "extend", 1, "job:7", "other", 1) == b":0\r\n"
    assert both.same("EVAL", RELEASE, 1, "job:7", "other") == b":0\r\n"
    assert both.same("FCALL", "extend", 1, "job:7", "token", 60000) == b":1\r\n"
    assert both.same("FCALL", "release", 1, "job:7", "token") == b":1\r\n"
    both.same("FUNCTION", "FLUSH")
    both.close()
