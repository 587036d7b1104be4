"""Waiting for what another thread brings about."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep


def wait_until(condition: Callable[[], object], what: str, timeout: float, pause: float = 0.005) -> None:
    """Look every ``pause`` seconds until ``condition`` is true. Raises TimeoutError, which names ``what`` it was."""
    end = monotonic() + timeout
    while not condition():
        if monotonic() > end:
            raise TimeoutError(f"not within {timeout:g} s: {what}")
        sleep(pause)
