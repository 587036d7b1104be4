"""LZF, the compression within snapshots, with the bounds checked that its library leaves to the caller."""

from __future__ import annotations

from typing import Final, cast

import lzf

LEAST: Final = 4
"""Shorter texts cannot become smaller."""
_BEST_RATIO: Final = 88
"""Three bytes can stand for 264 at most."""


def compress(data: bytes) -> bytes | None:
    """The compressed form, None if that would not be at least four bytes shorter."""
    most = len(data) - LEAST
    return cast("bytes | None", lzf.compress(data, most)) if most > 0 else None


def decompress(data: bytes, size: int) -> bytes:
    """The original, which has ``size`` bytes. Raises ValueError for data that is anything else, before it allocates."""
    if not 0 < size <= len(data) * _BEST_RATIO:
        raise ValueError(f"{len(data)} compressed bytes cannot become {size}")
    text = cast("bytes | None", lzf.decompress(data, size))
    if text is None or len(text) != size:
        raise ValueError(f"compressed data does not become {size} bytes")
    return text
