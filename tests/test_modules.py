"""MODULE: no module can be loaded, and the refusals are Redis's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.raw import RawClient
from tests.support.servers import start_oracle, start_ours

LINES = [
    "MODULE",
    "MODULE LIST",
    "MODULE LIST x",
    "MODULE LOAD",
    "MODULE LOAD /nonexistent.so",
    "MODULE LOAD relative.so a b",
    "MODULE LOAD /etc/hostname",
    "MODULE LOADEX",
    "MODULE LOADEX /x.so",
    "MODULE LOADEX /x.so config a",
    "MODULE LOADEX /x.so CONFIG a b ARGS x y",
    "MODULE LOADEX /x.so FOO",
    "MODULE UNLOAD",
    "MODULE UNLOAD x",
    "MODULE UNLOAD x y",
    "MODULE FOO",
    "CONFIG GET enable-module-command",
    "CONFIG SET enable-module-command no",
    "INFO modules",
    "MULTI",
    "MODULE LOAD /x.so",
    "MODULE LIST",
    "EXEC",
]


@pytest.mark.parametrize("setting", ["no", "yes", "local"])
def test_refusals(tmp_path: Path, setting: str) -> None:
    replies = []
    for name, start in (("ours", start_ours), ("oracle", start_oracle)):
        cwd = tmp_path / name
        cwd.mkdir()
        server = start(cwd, "--enable-module-command", setting)
        try:
            client = RawClient(server.connect())
            replies.append([(line, client.call(*line.split())) for line in LINES])
            client.close()
        finally:
            server.stop()
    assert replies[0] == replies[1]
