"""What the core knows of scripts: whether one keeps the server busy, and what INFO tells of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyredis.core.client import Client

Body = Callable[..., "bytes | None"]


class Scripts:
    """A server's scripts and functions; this base class has none."""

    def __init__(self) -> None:
        self.busy_error = b""
        """What other clients are told while a script takes long; empty while none does."""
        self.evicted = 0
        """Scripts that the cache has dropped for others."""
        self.parked: dict[Client, None] = {}
        """Masters whose stream waits for the script to end."""

    def run_in_turns(self, c: Client, argv: list[bytes], body: Body, *arguments: object) -> bytes | None:
        """Run the body of ``argv``, which may run scripts, in turns if they take long; None if ``c`` waits then."""
        return body(*arguments)

    def kill(self, function: bool) -> None:
        """SCRIPT KILL (or FUNCTION KILL). Raises CommandError if that is not possible."""

    def when_idle(self, callback: Callable[[], None]) -> None:
        """Call back when no script is left in the middle: at once, or when it has ended."""
        callback()

    def end(self) -> None:
        """The server ends: a script that was left in the middle does not go on."""

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
