"""The fast path gives the replies that the path with all checks gives: each sequence runs once on a plain server and
once on one where somebody has MONITOR open, which sends every command of every client the long way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given

from tests.differential.grammar import DATA, sequences
from tests.differential.pair import Pair, connect
from tests.support.servers import ServerProcess, start_ours


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Another server of ours."""
    server = start_ours(tmp_path_factory.mktemp("watched"))
    yield server
    server.stop()


@pytest.mark.parametrize("protocol", [2, 3])
def test_same_replies_both_ways(server: ServerProcess, watched: ServerProcess, protocol: int) -> None:
    monitor = connect(watched)
    assert monitor.call("MONITOR") == b"+OK\r\n"
    pair = Pair(server, watched, protocol)

    @given(sequences(*DATA, "transactions", others=False))
    def run(sequence: list[list[bytes]]) -> None:
        pair.check(sequence)

    try:
        run()
    finally:
        monitor.close()
