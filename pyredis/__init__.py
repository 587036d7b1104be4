"""pyredis: a Redis 7.0 compatible server in pure Python."""

__all__ = ["__version__"]

__version__ = "0.1.0"
