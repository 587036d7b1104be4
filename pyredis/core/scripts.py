"""What the core knows of scripts: whether one keeps the server busy, and what INFO tells of them."""

from __future__ import annotations


class Scripts:
    """A server's scripts and functions; this base class has none."""

    def __init__(self) -> None:
        self.busy_error = b""
        """What other clients are told while a script takes long; empty while none does."""
        self.evicted = 0
        """Scripts that the cache has dropped for others."""

    def cached(self) -> int:
        """How many scripts are kept compiled."""
        return 0

    def cached_bytes(self) -> int:
        """Bytes of their texts."""
        return 0

    def libraries(self) -> int:
        """How many libraries of functions there are."""
        return 0

    def functions(self) -> int:
        """How many functions there are."""
        return 0

    def library_bytes(self) -> int:
        """Bytes of their texts."""
        return 0

    def memory(self) -> tuple[int, int]:
        """Bytes in use by the interpreters: that of EVAL, and that of functions."""
        return 0, 0
