"""A client that goes on while a test looks at the server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeated(step: Callable[[], object], pause: float = 0.0) -> Iterator[None]:
    """Calls ``step`` in a thread of its own, with a pause of so many seconds between, until the block ends."""
    enough = threading.Event()

    def work() -> None:
        while not enough.wait(pause):
            step()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()
