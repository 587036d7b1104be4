"""The keys of a command line, found by the command's key specifications."""

from __future__ import annotations

from pyredis.core.command import KEY_INCOMPLETE, KEY_NOT_KEY, KEY_VARIABLE_FLAGS, CommandSpec, KeySpec
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


def may_have_keys(spec: CommandSpec) -> bool:
    """Whether some argument of the command can be a key."""
    return spec.get_keys is not None or any(not key.flags & KEY_NOT_KEY for key in spec.keys)


def extract_keys(spec: CommandSpec, argv: list[bytes]) -> list[tuple[int, int]]:
    """``[(position, KEY_* flags)]``. Raises KeysError where the arguments do not fit.

    The specifications count where they are reliable; otherwise the command's own function has the word.
    """
    if not any(key.flags & KEY_VARIABLE_FLAGS for key in spec.keys):
        try:
            return _by_specs(spec.keys, argv)
        except KeysError:
            if spec.get_keys is None:
                raise
    return [] if spec.get_keys is None else spec.get_keys(argv)


def _by_specs(specs: tuple[KeySpec, ...], argv: list[bytes]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for key in specs:
        if key.flags & KEY_NOT_KEY:
            continue
        if key.flags & KEY_INCOMPLETE or key.find == "unknown":
            raise KeysError
        first = _begin(key, argv)
        if first < 0:
            continue
        if key.find == "keynum":
            place = first + key.keynumidx
            number = string2ll(argv[place]) if place < len(argv) else None
            if number is None or number < 1:
                raise KeysError
            first += key.first
            last = first + (number - 1) * key.step
        elif key.last >= 0:
            last = first + key.last
        elif key.limit:
            last = first + (len(argv) - first) // key.limit + key.last
        else:
            last = len(argv) + key.last
        if not first <= last < len(argv):
            raise KeysError
        found.extend([(at, key.flags) for at in range(first, last + 1, key.step)])
    return found
