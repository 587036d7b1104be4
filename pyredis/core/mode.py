"""What a server is: a database, unless a subclass makes something else of it (a sentinel)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyredis.core.server import Server

InfoSection = tuple[str, Callable[["Server"], list[tuple[str, object]]], bool]
"""Title, fields, and whether INFO shows the section when none is asked for."""


class Mode:
    """How a server that is no database differs from one."""

    __slots__ = ("close", "info_sections", "name", "start")

    def __init__(self) -> None:
        self.name = "standalone"
        """What INFO and HELLO call this server."""
        self.info_sections: tuple[InfoSection, ...] = ()
        """The sections of INFO, where they are not those of a database."""
        self.start: Callable[[asyncio.AbstractEventLoop], None] | None = None
        """What is done in place of loading data, once the server listens."""
        self.close: Callable[[], None] | None = None
        """The end of what ``start`` began."""
