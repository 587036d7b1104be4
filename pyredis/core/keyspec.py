"""The keys of a command line, found by the command's key specifications."""

from __future__ import annotations

from pyredis.core.command import CommandSpec, KeySpec
from pyredis.lib.intparse import string2ll


class KeysError(Exception):
    """The arguments do not fit the specification."""


def _begin(spec: KeySpec, argv: list[bytes]) -> int:
    """Position of the spec's first argument; -1 if the keyword is not there."""
    if spec.begin == "index":
        return spec.index
    if spec.begin == "keyword":
        n = len(argv)
        if spec.startfrom > 0:
            places = range(spec.startfrom, n - 1)
        else:
            places = range(n + spec.startfrom, 0, -1)
        for at in places:
            if at < n - 1 and argv[at].upper() == spec.keyword:
                return at + 1
    return -1


def extract_keys(spec: CommandSpec, argv: list[bytes]) -> list[tuple[int, int]]:
    """``[(position, KEY_* flags)]``. Raises KeysError where the arguments do not fit."""
    found: list[tuple[int, int]] = []
    for key in spec.keys:
        first = _begin(key, argv)
        if first < 0:
            continue
        if key.find == "range":
            last = first + key.last if key.last >= 0 else len(argv) + key.last
            if key.last < -1 or (key.last == -1 and key.limit > 1):
                span = len(argv) - first
                last = first + span // key.limit - 1 if key.limit > 1 else last
            step = key.step
        elif key.find == "keynum":
            place = first + key.keynumidx
            number = string2ll(argv[place]) if place < len(argv) else None
            if number is None or number < 0:
                raise KeysError
            first += key.first
            step = key.step
            last = first + (number - 1) * step
        else:
            continue
        for at in range(first, last + 1, step):
            if at >= len(argv):
                raise KeysError
            found.append((at, key.flags))
    return found
