"""Numbers in texts that others wrote: no text is an error, as for the C functions that Redis reads them with."""

from __future__ import annotations

import re
from typing import Final

_NUMBER: Final = re.compile(r"\s*[+-]?\d+")
_LARGEST_EPOCH: Final = (1 << 64) - 1


def leading_int(text: str) -> int:
    """The number with which a text begins, as C's ``atoi`` reads it; 0 if there is none."""
    found = _NUMBER.match(text)
    return int(found[0]) if found and len(found[0]) < 20 else 0


def parse_epoch(text: str) -> int:
    """An epoch, which has 64 bits; 0 for what is none."""
    text = text.strip()
    return min(int(text), _LARGEST_EPOCH) if text.isascii() and text.isdigit() and len(text) < 100 else 0
