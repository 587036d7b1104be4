"""pyredis: a Redis 7.0 compatible server in pure Python."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyredis.embedded.server import Server, serve

__all__ = ["Server", "__version__", "serve"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """``Server`` and ``serve`` are loaded when they are first used: the command line does without."""
    if name in ("Server", "serve"):
        from pyredis.embedded import server as embedded

        return getattr(embedded, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
