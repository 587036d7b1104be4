"""Long pipelines of one command with an append-only file, which ours may run at once: it gets the same commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.differential import pools
from tests.differential.test_pipelines import ALIKE, Argv, Scene, pipelines_of
from tests.differential.test_propagation import AppendOnlyFile, Fed
from tests.support.servers import ServerProcess, start_oracle, start_ours

_OPTIONS = ("--appendonly", "yes", "--appendfsync", "no", "--enable-debug-command", "yes")


@pytest.fixture(scope="module")
def appending(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[ServerProcess, AppendOnlyFile]]]:
    """Ours and a redis-server, each with its append-only file."""
    found = []
    for name, start in (("ours", start_ours), ("oracle", start_oracle)):
        directory: Path = tmp_path_factory.mktemp(name)
        found.append((start(directory, *_OPTIONS), AppendOnlyFile(directory)))
    yield found
    for server, aof in found:
        aof.file.close()
        server.stop()


def _with_lower_names(fed: Fed) -> Fed:
    return [(db, [argv[0].lower(), *argv[1:]]) for db, argv in fed]


def test_the_same_is_appended(appending: list[tuple[ServerProcess, AppendOnlyFile]]) -> None:
    @given(
        st.sampled_from(ALIKE),
        st.integers(4, 40) | st.integers(100, 300),
        st.sampled_from([pools.DEFAULTS, pools.TIGHT]),
        st.integers(0, 1 << 32),
    )
    def run(name: bytes, n: int, thresholds: Argv, seed: int) -> None:
        pipelines, key = pipelines_of(name, n, seed)
        appended = []
        for server, aof in appending:
            scene = Scene(server, 2, thresholds)
            try:
                scene.prepare("plain", name, key)
                aof.take()
                for pipeline in pipelines:
                    scene.client.pipeline(pipeline)
                appended.append(_with_lower_names(aof.take()))
            finally:
                scene.close()
        ours, theirs = appended
        assert ours == theirs

    run()
