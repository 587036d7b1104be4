"""A few rounds of random faults; ``python -m tests.sentinel.partitions`` runs many."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.sentinel.partitions import run

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs all of 127.0.0.0/8")


@pytest.mark.parametrize(("servers", "sentinels", "seed"), [("ours", "ours", 1), ("mixed", "mixed", 2)])
def test_random_faults(servers: str, sentinels: str, seed: int, tmp_path: Path) -> None:
    assert len(run(3, seed, servers, sentinels, tmp_path)) >= 6
