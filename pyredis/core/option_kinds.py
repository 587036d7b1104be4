"""The kinds of values that directives have: words ↔ value, and the lines of CONFIG REWRITE; and checks of texts."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from pyredis.core.notify import format_flags, parse_flags
from pyredis.lib.memory_limit import memory_limit
from pyredis.lib.splitargs import quote_arg

_LONGEST_INTEGER: Final = 20
_LONGEST_MEMORY: Final = 127
_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]*")
_UNITS: Final = {"": 1, "b": 1, "k": 1000, "kb": 1 << 10, "m": 10**6, "mb": 1 << 20, "g": 10**9, "gb": 1 << 30}
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
LONG_MAX: Final = (1 << 63) - 1
ULONG_MAX: Final = (1 << 64) - 1
INT_MAX: Final = (1 << 31) - 1

_MAX_ADDRESSES: Final = 16
_CLASSES: Final = {"normal": "normal", "slave": "replica", "replica": "replica", "pubsub": "pubsub"}
_TITLE_VARIABLES: Final = {"title", "listen-addr", "server-mode", "port", "tls-port", "unixsocket", "config-file"}


class ConfigError(ValueError):
    """A value that does not fit; the text says why, in Redis's words where Redis has any."""


def parse_integer(text: str) -> int | None:
    """A whole number as Redis reads it (no sign ``+``, no leading zeros, 64 bits); None if it is none."""
    if len(text) > _LONGEST_INTEGER or not _INTEGER.fullmatch(text):
        return None
    n = int(text)
    return n if -LONG_MAX - 1 <= n <= LONG_MAX else None


def parse_memory(text: str) -> int:
    """``"64mb"`` → bytes, in 64 bits without sign, as C computes them. Raises ConfigError."""
    found = re.fullmatch(r"([0-9]*)([a-z]*)", text.lower())
    if not found or found[2] not in _UNITS or len(found[1]) > _LONGEST_MEMORY:
        raise ConfigError("argument must be a memory value")
    return min(int(found[1] or 0), ULONG_MAX) * _UNITS[found[2]] & ULONG_MAX


def format_memory(n: int) -> str:
    """Bytes in the largest unit that divides them, as CONFIG REWRITE writes them."""
    for bits, unit in ((30, "gb"), (20, "mb"), (10, "kb")):
        if n and not n & ((1 << bits) - 1):
            return f"{n >> bits}{unit}"
    return str(n)


def quoted(text: str) -> str:
    """``text`` in double quotes, as a word of a configuration line."""
    return quote_arg(text.encode("utf-8", "surrogateescape")).decode("ascii")


class Kind:
    """How the words of a directive become a value, and how the value is written."""

    __slots__ = ()
    multi = False
    """Whether the directive takes several words; else it takes exactly one."""
    adds = False
    """Whether further lines of configuration files add to the value; an empty one begins anew."""

    def parse(self, words: list[str], old: Any) -> Any:
        """Words → value; ``old`` is the value in force. Raises ConfigError."""
        raise NotImplementedError

    def show(self, value: Any) -> str:
        """The value as CONFIG GET answers it."""
        return str(value)

    def activate(self, value: Any) -> None:
        """Make the value count, where that is not left to the reader of the value."""

    def lines(self, name: str, value: Any, default: Any) -> list[tuple[str, bool]] | None:
        """The lines of CONFIG REWRITE, each with whether it is written if the file has none; None: leave out."""
        return [(f"{name} {self.show(value)}", value != default)]


class Bool(Kind):
    """``yes`` or ``no``."""

    __slots__ = ()

    def parse(self, words: list[str], old: Any) -> bool:
        word = words[0].lower()
        if word not in ("yes", "no"):
            raise ConfigError("argument must be 'yes' or 'no'")
        return word == "yes"

    def show(self, value: Any) -> str:
        return "yes" if value else "no"


class Integer(Kind):
    """A whole number within bounds; ``clamp`` caps what is within ``low`` and ``high`` silently."""

    __slots__ = ("clamp", "high", "low")

    def __init__(self, low: int, high: int, clamp: tuple[int, int] | None = None) -> None:
        self.low = low
        self.high = high
        self.clamp = clamp or (low, high)

    def parse(self, words: list[str], old: Any) -> int:
        n = parse_integer(words[0])
        if n is None:
            raise ConfigError("argument couldn't be parsed into an integer")
        if not self.low <= n <= self.high:
            raise ConfigError(f"argument must be between {self.low} and {self.high} inclusive")
        return max(self.clamp[0], min(n, self.clamp[1]))


class Octal(Kind):
    """File permissions: an octal number up to 777."""

    __slots__ = ()

    def parse(self, words: list[str], old: Any) -> int:
        found = re.fullmatch(r"\s*([+-]?[0-7]*)", words[0])
        if not found or found[1] in ("+", "-"):
            raise ConfigError("argument couldn't be parsed as an octal number")
        n = int(found[1] or "0", 8)
        if not 0 <= n <= 0o777:
            raise ConfigError("argument must be between 0 and 777 inclusive")
        return n

    def show(self, value: Any) -> str:
        return f"{value:o}"


class Memory(Kind):
    """Bytes, written with a unit or without; with ``percent`` also ``5%``, kept as a negative number."""

    __slots__ = ("floor", "high", "low", "percent")

    def __init__(self, low: int, high: int, percent: bool = False, floor: int = 0) -> None:
        self.low = low
        self.high = high
        self.floor = floor
        """What is smaller counts as this, silently."""
        self.percent = percent

    def parse(self, words: list[str], old: Any) -> int:
        text = words[0]
        if self.percent:
            if text.endswith("%"):
                n = parse_integer(text[:-1])
                if n is not None and n >= 0:
                    if n > 100:
                        raise ConfigError("percentage argument must be less or equal to 100")
                    return -n
            try:
                n = parse_memory(text)
            except ConfigError:
                raise ConfigError("argument must be a memory or percent value") from None
            if n <= LONG_MAX:
                return n
            # The value is kept with a sign: what does not fit wraps into the percentages.
            if n < ULONG_MAX - 99:
                raise ConfigError("percentage argument must be less or equal to 100")
            return n - ULONG_MAX - 1
        n = parse_memory(text)
        if not self.low <= n <= self.high:
            raise ConfigError(f"argument must be between {self.low} and {self.high} inclusive")
        return max(n, self.floor)

    def show(self, value: Any) -> str:
        return f"{-value}%" if value < 0 else str(value)

    def lines(self, name: str, value: Any, default: Any) -> list[tuple[str, bool]] | None:
        return [(f"{name} {self.show(value) if value < 0 else format_memory(value)}", value != default)]


class AutomaticLimit(int):
    """What ``auto`` has come to, in bytes."""


def is_automatic(limit: int) -> bool:
    """Whether a ``maxmemory`` came from ``auto``: it is meant for the process as a whole, the program included."""
    return type(limit) is AutomaticLimit


class MemoryLimit(Memory):
    """``maxmemory``: bytes, or ``auto`` for three quarters of what the process may use at all."""

    def parse(self, words: list[str], old: Any) -> int:
        if words[0].lower() != "auto":
            return super().parse(words, old)
        most = memory_limit()
        if not most:
            raise ConfigError("the system does not tell how much memory there is: say how many bytes")
        return AutomaticLimit(most * 3 // 4)

    def lines(self, name: str, value: Any, default: Any) -> list[tuple[str, bool]] | None:
        return [(f"{name} auto", True)] if is_automatic(value) else super().lines(name, value, default)


class Enum(Kind):
    """One word of a list."""

    __slots__ = ("choices",)

    def __init__(self, choices: Sequence[str]) -> None:
        self.choices = tuple(choices)

    def parse(self, words: list[str], old: Any) -> str:
        word = words[0].lower()
        if word not in self.choices:
            raise ConfigError("argument(s) must be one of the following: " + ", ".join(self.choices))
        return word


class Words(Kind):
    """Any of the words of a list, in its order; the first stands for none of the others. ``check`` as in Text."""

    __slots__ = ("check", "choices")
    multi = True

    def __init__(self, choices: Sequence[str], check: Callable[[Sequence[str]], None]) -> None:
        self.choices = tuple(choices)
        self.check = check

    def parse(self, words: list[str], old: Any) -> tuple[str, ...]:
        chosen = [word.lower() for word in words]
        if not chosen or not set(chosen) <= set(self.choices):
            raise ConfigError("argument(s) must be one of the following: " + ", ".join(self.choices))
        self.check(chosen)
        return tuple(word for word in self.choices[1:] if word in chosen)

    def show(self, value: Any) -> str:
        return " ".join(value) or self.choices[0]


class Text(Kind):
    """Any text; ``check`` raises ConfigError for what does not fit. It ends at a null byte unless it is ``binary``."""

    __slots__ = ("binary", "check")

    def __init__(self, check: Callable[[str], None] | None = None, binary: bool = False) -> None:
        self.check = check
        self.binary = binary

    def parse(self, words: list[str], old: Any) -> str:
        text = words[0] if self.binary else words[0].split("\0", 1)[0]
        if self.check is not None:
            self.check(text)
        return text

    def lines(self, name: str, value: Any, default: Any) -> list[tuple[str, bool]] | None:
        return [(f"{name} {quoted(value)}", value != default)] if value or default else None


def _long(text: str) -> int | None:
    """A number as C's strtol reads it, nothing at all being 0; None if something else follows."""
    found = re.fullmatch(r"\s*([+-]?)([0-9]+)|", text, re.ASCII)
    if found is None:
        return None
    digits = (found[2] or "0").lstrip("0")[:_LONGEST_INTEGER]  # more of them are out of range all the same
    n = int(digits or "0") * (-1 if found[1] == "-" else 1)
    return max(-LONG_MAX - 1, min(n, LONG_MAX))


def _no_words(words: Sequence[str]) -> bool:
    """Whether the value is the empty one: ``directive ""``."""
    return not words or (len(words) == 1 and not words[0])


class Addresses(Kind):
    """``bind``: up to 16 addresses, each with ``-`` before it if it may be missing."""

    __slots__ = ()
    multi = True

    def parse(self, words: list[str], old: Any) -> list[str]:
        if len(words) > _MAX_ADDRESSES:
            raise ConfigError("Too many bind addresses specified.")
        return [] if _no_words(words) else list(words)

    def show(self, value: Any) -> str:
        return " ".join(value)

    def lines(self, name: str, value: Any, default: Any) -> list[tuple[str, bool]] | None:
        if value == default:
            return None
        return [(f"{name} {self.show(value)}" if value else f'{name} ""', True)]


class OutputLimits(Kind):
    """``client-output-buffer-limit``: class → (hard bytes, soft bytes, seconds over soft); 0 = none."""

    __slots__ = ()
    multi = True

    def parse(self, words: list[str], old: Any) -> dict[str, tuple[int, int, int]]:
        if len(words) % 4:
            raise ConfigError("Wrong number of arguments in buffer limit configuration.")
        limits: dict[str, tuple[int, int, int]] = dict(old)
        for at in range(0, len(words), 4):
            kind = _CLASSES.get(words[at].lower())
            if kind is None:
                raise ConfigError("Invalid client class specified in buffer limit configuration.")
            try:
                hard, soft = parse_memory(words[at + 1]), parse_memory(words[at + 2])
            except ConfigError:
                hard, soft = -1, -1
            seconds = _long(words[at + 3])
            # As in C: the seconds become an int of 32 bits first.
            if hard < 0 or seconds is None or seconds & 1 << 31:
                raise ConfigError("Error in hard, soft or soft_seconds setting in buffer limit configuration.")
            limits[kind] = (hard, soft, seconds & 0x7FFFFFFF)
        return limits

    def show(self, value: Any) -> str:
        names = (("normal", "normal"), ("slave", "replica"), ("pubsub", "pubsub"))
        return " ".join(f"{name} {' '.join(map(str, value[kind]))}" for name, kind in names)

    def lines(self, name: str, value: Any, default: Any) -> list[tuple[str, bool]] | None:
        found = []
        for kind, limit in value.items():
            hard, soft, seconds = limit
            line = f"{name} {kind} {format_memory(hard)} {format_memory(soft)} {seconds}"
            found.append((line, limit != default[kind]))
        return found


class SavePoints(Kind):
    """``save``: pairs of seconds and changes."""

    __slots__ = ()
    multi = True
    adds = True

    def parse(self, words: list[str], old: Any) -> tuple[tuple[int, int], ...]:
        if _no_words(words):
            return ()
        numbers = [_long(word) for word in words]
        pairs: list[tuple[int, int]] = []
        for at in range(0, len(numbers) - 1, 2):
            seconds, changes = numbers[at], numbers[at + 1]
            if seconds is None or changes is None or seconds < 1 or changes < 0:
                raise ConfigError("Invalid save parameters")
            pairs.append((seconds, changes))
        if len(numbers) % 2:
            raise ConfigError("Invalid save parameters")
        return tuple(pairs)

    def show(self, value: Any) -> str:
        return " ".join(f"{seconds} {changes}" for seconds, changes in value)

    def lines(self, name: str, value: Any, default: Any) -> list[tuple[str, bool]] | None:
        force = value != default
        return [(f"{name} {seconds} {changes}", force) for seconds, changes in value] or [(f'{name} ""', force)]


class Duration(Kind):
    """Seconds, written with a unit: ``15m``, ``1h``, ``1d`` (a number alone is seconds); empty or 0 = never."""

    __slots__ = ()

    def parse(self, words: list[str], old: Any) -> int:
        found = re.fullmatch(r"([0-9]{1,9})([smhdw]?)|", words[0].lower(), re.ASCII)
        if found is None:
            raise ConfigError("argument must be a duration such as 90s, 15m, 1h or 1d")
        return int(found[1] or 0) * _SECONDS[found[2] or "s"]

    def show(self, value: Any) -> str:
        for unit in "wdhm":
            if value and not value % _SECONDS[unit]:
                return f"{value // _SECONDS[unit]}{unit}"
        return f"{value}s" if value else ""

    def lines(self, name: str, value: Any, default: Any) -> list[tuple[str, bool]] | None:
        return [(f"{name} {self.show(value) or quoted('')}", value != default)]


class EventClasses(Kind):
    """``notify-keyspace-events``: letters ↔ bits."""

    __slots__ = ()

    def parse(self, words: list[str], old: Any) -> int:
        flags = parse_flags(words[0])
        if flags is None:
            raise ConfigError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
        return flags

    def show(self, value: Any) -> str:
        return format_flags(value)

    def lines(self, name: str, value: Any, default: Any) -> list[tuple[str, bool]] | None:
        return [(f"{name} {quoted(self.show(value))}", value != default)]


class Percentiles(Kind):
    """``latency-tracking-info-percentiles``: numbers from 0 to 100."""

    __slots__ = ()
    multi = True

    def parse(self, words: list[str], old: Any) -> tuple[float, ...]:
        if _no_words(words):
            return ()
        found = []
        for word in words:
            n = _double(word)
            if math.isnan(n):
                raise ConfigError("Invalid latency-tracking-info-percentiles parameters")
            if not 0 <= n <= 100:
                raise ConfigError("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")
            found.append(n)
        return tuple(found)

    def show(self, value: Any) -> str:
        return " ".join(map(format_percentile, value))

    def lines(self, name: str, value: Any, default: Any) -> list[tuple[str, bool]] | None:
        # Written even if it is the default, as Redis does.
        return [(f"{name} {self.show(value)}" if value else f'{name} ""', True)]


def format_percentile(value: float) -> str:
    """A percentile with up to six decimals: ``99.9``, ``50``."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _double(text: str) -> float:
    """A number as C's strtod reads it; NaN if it is none."""
    if not text or text[0].isspace() or text[-1].isspace() or "_" in text or not text.isascii():
        return math.nan
    try:
        return float.fromhex(text) if re.match(r"[+-]?0x", text, re.I) else float(text)
    except OverflowError:
        return -math.inf if text.startswith("-") else math.inf
    except ValueError:
        return math.nan


class OomValues(Kind):
    """``oom-score-adj-values``: for a primary, a replica, a child process."""

    __slots__ = ()
    multi = True

    def parse(self, words: list[str], old: Any) -> tuple[int, ...]:
        if len(words) != 3:
            raise ConfigError("wrong number of arguments")
        found = []
        for word in words:
            n = _long(word)
            if n is None or not -2000 <= n <= 2000:
                raise ConfigError("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")
            found.append(n)
        return tuple(found)

    def show(self, value: Any) -> str:
        return " ".join(map(str, value))


class Directory(Kind):
    """``dir``: the working directory. It belongs to the process, so CONFIG GET asks the process."""

    __slots__ = ()

    def parse(self, words: list[str], old: Any) -> str:
        try:
            # Not kept as written: a relative path means something else once it is in force.
            here = os.getcwd()
            os.chdir(words[0])
            there = os.getcwd()
            os.chdir(here)
        except OSError as e:
            raise ConfigError(e.strerror or str(e)) from None
        return there

    def activate(self, value: Any) -> None:
        if value:
            os.chdir(value)

    def show(self, value: Any) -> str:
        return os.getcwd()

    def lines(self, name: str, value: Any, default: Any) -> list[tuple[str, bool]] | None:
        return [(f"{name} {quoted(self.show(value))}", True)]


class Primary(Kind):
    """``replicaof``: host and port of the primary as ``"host port"``; empty for none."""

    __slots__ = ()
    multi = True

    def parse(self, words: list[str], old: Any) -> str:
        if len(words) != 2:
            raise ConfigError("wrong number of arguments")
        if (words[0].lower(), words[1].lower()) == ("no", "one"):
            return ""
        port = _long(words[1])
        if port is None or not 0 <= port <= 65535:
            raise ConfigError("Invalid master port")
        return " ".join(words)

    def lines(self, name: str, value: Any, default: Any) -> list[tuple[str, bool]] | None:
        return [(f"{name} {value}", True)] if value else None


class Defragmentation(Bool):
    """``activedefrag``: what Redis says where its allocator cannot."""

    __slots__ = ()

    def parse(self, words: list[str], old: Any) -> bool:
        if super().parse(words, old):
            raise ConfigError(
                "Active defragmentation cannot be enabled: it requires a Redis server compiled with a modified "
                "Jemalloc like the one shipped by default with the Redis source distribution"
            )
        return False


# --- checks of texts ------------------------------------------------------------------------------------------------


def check_file_name(name: str, may_be_empty: bool = False) -> Callable[[str], None]:
    """A check that a text is the name of a file, not a path."""
    what = "dirname" if name.endswith("dirname") else "filename"

    def check(text: str) -> None:
        if not text and not may_be_empty:
            raise ConfigError(f"{name} can't be empty")
        if "/" in text or "\\" in text:
            raise ConfigError(f"{name} can't be a path, just a {what}")

    return check


def check_host_name(text: str) -> None:
    """At most 255 letters, digits, hyphens and dots."""
    if len(text) >= 256:
        raise ConfigError("Hostnames must be less than 256 characters")
    if not re.fullmatch(r"[A-Za-z0-9.-]*", text):
        raise ConfigError("Hostnames may only contain alphanumeric characters, hyphens or dots")


def check_title_template(text: str) -> None:
    """A template of the process's title: only its variables in braces, and not empty."""
    rest = re.sub(r"\{([^{}]*)\}", lambda found: "x" if found[1] in _TITLE_VARIABLES else "{", text)
    if not rest.strip() or "{" in rest:
        raise ConfigError("template format is invalid or contains unknown variables")


def parse_cpu_list(text: str) -> set[int] | None:
    """``"0-7:2,9"`` → {0, 2, 4, 6, 9}; None for what is no such list."""
    found: set[int] = set()
    for part in text.split(",") if text else ():
        numbers = re.fullmatch(r"\s*([0-9]{1,5})(?:-([0-9]{1,5})(?::([0-9]{1,5}))?)?\s*", part)
        if numbers is None:
            return None
        first, last, step = int(numbers[1]), int(numbers[2] or numbers[1]), int(numbers[3] or 1)
        if step == 0:
            return None
        found.update(range(min(first, last), max(first, last) + 1, step))
    return found


def check_shutdown_options(chosen: Sequence[str]) -> None:
    """``shutdown-on-sigint`` and ``-sigterm``: what SHUTDOWN would take."""
    if "save" in chosen and "nosave" in chosen:
        raise ConfigError("shutdown options SAVE and NOSAVE can't be used simultaneously")
