"""The chart of LATENCY GRAPH, as redis-server drew it for the same samples."""

from __future__ import annotations

from pyredis.lib.sparkline import sparkline


def test_as_redis_draws_it() -> None:
    samples = [(10, "6s"), (20, "5s"), (50, "4s"), (1020, "2s"), (300, "1s")]
    assert sparkline(samples, 80, 4) == "   # \n   | \n   |_\n___||\n     \n65421\nsssss\n"


def test_equal_samples_lie_on_the_ground() -> None:
    assert sparkline([(7, "1m"), (7, "12s")], 80, 4) == "  \n  \n  \n__\n  \n11\nm2\n s\n"


def test_long_series_are_drawn_in_parts_of_one_scale() -> None:
    charts = sparkline([(n, "") for n in range(5)], 4, 1).split("\n\n")
    assert len(charts) == 2
