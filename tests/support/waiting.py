"""Waiting for a condition: tests never sleep for a time they guess."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

PATIENCE = 60.0
"""Seconds that a condition may take on a loaded machine."""


def wait_until(condition: Callable[[], object], explain: Callable[[], str] = str, seconds: float = PATIENCE) -> None:
    """Wait until ``condition()`` is true; the test fails with ``explain()`` when that does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.02)


async def until(condition: Callable[[], object], explain: Callable[[], str] = str, seconds: float = PATIENCE) -> None:
    """:func:`wait_until` in an event loop, which goes on meanwhile."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, explain()
        await asyncio.sleep(0.01)
