"""Configuration: every directive declared once (name, type, default), parsed from files, argv and CONFIG SET."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from pyredis.core.notify import format_flags, parse_flags
from pyredis.lib.fpconv import parse_double
from pyredis.lib.glob import match
from pyredis.lib.splitargs import split_args

_UNITS: Final = {"": 1, "b": 1, "k": 1000, "kb": 1024, "m": 10**6, "mb": 1 << 20, "g": 10**9, "gb": 1 << 30}


class ConfigError(ValueError):
    """A value that does not fit; the text says why, in Redis's words."""


class Directive:
    """One directive: how its words become a value, how the value is shown, and whether it may change at run time."""

    __slots__ = ("attribute", "default", "mutable", "name", "parse", "show", "words")

    def __init__(
        self,
        name: str,
        default: Any,
        parse: Callable[[list[str]], Any],
        show: Callable[[Any], str],
        *,
        mutable: bool = True,
        words: int = 1,
    ) -> None:
        self.name = name
        self.attribute = name.replace("-", "_")
        self.default = default
        self.parse = parse
        self.show = show
        self.mutable = mutable
        self.words = words
        """How many words it takes; 0 = any number."""


def _integer(low: int, high: int) -> Callable[[list[str]], int]:
    def parse(words: list[str]) -> int:
        if not re.fullmatch(r"-?\d+", words[0]):
            raise ConfigError("argument couldn't be parsed into an integer")
        n = int(words[0])
        if not low <= n <= high:
            raise ConfigError(f"argument must be between {low} and {high} inclusive")
        return n

    return parse


def parse_memory(text: str) -> int:
    """``"64mb"`` → bytes."""
    found = re.fullmatch(r"(\d+)([a-z]*)", text.lower())
    if not found or found[2] not in _UNITS:
        raise ConfigError("argument must be a memory value")
    return int(found[1]) * _UNITS[found[2]]


def _yes_no(words: list[str]) -> bool:
    word = words[0].lower()
    if word not in ("yes", "no"):
        raise ConfigError("argument must be 'yes' or 'no'")
    return word == "yes"


def _enum(choices: tuple[str, ...]) -> Callable[[list[str]], str]:
    def parse(words: list[str]) -> str:
        if words[0].lower() not in choices:
            raise ConfigError("argument(s) must be one of the following: " + ", ".join(choices))
        return words[0].lower()

    return parse


def _notify(words: list[str]) -> int:
    flags = parse_flags(words[0])
    if flags is None:
        raise ConfigError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
    return flags


_CLASSES: Final = {"normal": "normal", "slave": "replica", "replica": "replica", "pubsub": "pubsub"}


def _output_limits(words: list[str]) -> dict[str, tuple[int, int, int]]:
    if len(words) % 4:
        raise ConfigError("Wrong number of arguments in buffer limit configuration.")
    limits: dict[str, tuple[int, int, int]] = {}
    for at in range(0, len(words), 4):
        kind = _CLASSES.get(words[at].lower())
        if kind is None:
            raise ConfigError("Invalid client class specified in buffer limit configuration.")
        if not words[at + 3].isdigit():
            raise ConfigError("Error in hard, soft or soft_seconds setting in buffer limit configuration.")
        limits[kind] = (parse_memory(words[at + 1]), parse_memory(words[at + 2]), int(words[at + 3]))
    return limits


def _show_limits(limits: dict[str, tuple[int, int, int]]) -> str:
    names = {"normal": "normal", "replica": "slave", "pubsub": "pubsub"}
    return " ".join(f"{name} {' '.join(map(str, limits[kind]))}" for kind, name in names.items())


_OUTPUT_LIMITS: Final = {"normal": (0, 0, 0), "replica": (256 << 20, 64 << 20, 60), "pubsub": (32 << 20, 8 << 20, 60)}


def _percentiles(words: list[str]) -> list[float]:
    found = []
    for word in words:
        value = parse_double(word.encode("utf-8", "surrogateescape"))
        if value is None:
            raise ConfigError("Invalid latency-tracking-info-percentiles parameters")
        if not 0 <= value <= 100:
            raise ConfigError("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")
        found.append(value)
    return found


def _show_percentiles(values: list[float]) -> str:
    return " ".join(format_percentile(value) for value in values)


def format_percentile(value: float) -> str:
    """A percentile as short as it was written: ``99.9``, ``50``."""
    return f"{value:.10g}"


def _int(name: str, default: int, low: int, high: int, mutable: bool = True) -> Directive:
    return Directive(name, default, _integer(low, high), str, mutable=mutable)


def _bool(name: str, default: bool, mutable: bool = True) -> Directive:
    return Directive(name, default, _yes_no, lambda v: "yes" if v else "no", mutable=mutable)


def _text(name: str, default: str, mutable: bool = True) -> Directive:
    return Directive(name, default, lambda words: words[0], str, mutable=mutable)


def _memory(name: str, default: int) -> Directive:
    return Directive(name, default, lambda words: parse_memory(words[0]), str)


_LONG: Final = (1 << 63) - 1
_LEVELS: Final = ("debug", "verbose", "notice", "warning", "nothing")

DIRECTIVES: Final = {
    d.name: d
    for d in (
        Directive("bind", ["*", "-::*"], lambda words: words, " ".join, words=0),
        _int("port", 6379, 0, 65535),
        _int("tcp-backlog", 511, 0, 1 << 31, False),
        _int("tcp-keepalive", 300, 0, 1 << 31),
        _int("timeout", 0, 0, 1 << 31),
        _text("unixsocket", "", False),
        Directive("unixsocketperm", 0, lambda words: int(words[0], 8), lambda v: f"{v:o}", mutable=False),
        _bool("protected-mode", True),
        _text("requirepass", ""),
        _int("maxclients", 10000, 1, 1 << 32),
        _memory("proto-max-bulk-len", 512 << 20),
        _memory("client-query-buffer-limit", 1 << 30),
        Directive("client-output-buffer-limit", _OUTPUT_LIMITS, _output_limits, _show_limits, words=0),
        _int("databases", 16, 1, 1 << 31, False),
        _int("hz", 10, 1, 500),
        Directive("loglevel", "notice", _enum(_LEVELS), str),
        _text("logfile", "", False),
        _bool("syslog-enabled", False, False),
        _text("pidfile", "", False),
        _bool("daemonize", False, False),
        Directive("supervised", "no", _enum(("upstart", "systemd", "auto", "no")), str, mutable=False),
        Directive("notify-keyspace-events", 0, _notify, format_flags),
        _int("slowlog-log-slower-than", 10000, -1, _LONG),
        _int("slowlog-max-len", 128, 0, _LONG),
        _int("latency-monitor-threshold", 0, 0, _LONG),
        _bool("latency-tracking", True),
        Directive("latency-tracking-info-percentiles", [50.0, 99.0, 99.9], _percentiles, _show_percentiles, words=0),
        Directive("enable-debug-command", "no", _enum(("no", "yes", "local")), str, mutable=False),
        _int("hash-max-listpack-entries", 128, 0, _LONG),
        _int("hash-max-listpack-value", 64, 0, _LONG),
        _int("set-max-intset-entries", 512, 0, _LONG),
        _int("zset-max-listpack-entries", 128, 0, _LONG),
        _int("zset-max-listpack-value", 64, 0, _LONG),
        _bool("lazyfree-lazy-expire", False),
    )
}
ALIASES: Final = {
    "hash-max-ziplist-entries": "hash-max-listpack-entries",
    "hash-max-ziplist-value": "hash-max-listpack-value",
    "zset-max-ziplist-entries": "zset-max-listpack-entries",
    "zset-max-ziplist-value": "zset-max-listpack-value",
}
NEUTRAL: Final = {"save": ("",), "appendonly": ("no",)}
"""Directives of subsystems that do not exist yet: only the value that asks for nothing is taken."""


class Config:
    """The values, one attribute per directive."""

    bind: list[str]
    port: int
    tcp_backlog: int
    tcp_keepalive: int
    timeout: int
    unixsocket: str
    unixsocketperm: int
    protected_mode: bool
    requirepass: str
    maxclients: int
    proto_max_bulk_len: int
    client_query_buffer_limit: int
    client_output_buffer_limit: dict[str, tuple[int, int, int]]
    databases: int
    hz: int
    loglevel: str
    logfile: str
    syslog_enabled: bool
    pidfile: str
    daemonize: bool
    supervised: str
    notify_keyspace_events: int
    slowlog_log_slower_than: int
    slowlog_max_len: int
    latency_monitor_threshold: int
    latency_tracking: bool
    latency_tracking_info_percentiles: list[float]
    enable_debug_command: str
    hash_max_listpack_entries: int
    hash_max_listpack_value: int
    set_max_intset_entries: int
    zset_max_listpack_entries: int
    zset_max_listpack_value: int
    lazyfree_lazy_expire: bool

    def __init__(self) -> None:
        for directive in DIRECTIVES.values():
            setattr(self, directive.attribute, directive.default)

    def set(self, name: str, words: list[str], at_start: bool) -> None:
        """Set a directive from its words. Raises ConfigError; KeyError for one that does not exist."""
        name = name.lower()
        if name in NEUTRAL:
            if tuple(words) not in (NEUTRAL[name], ()):
                raise ConfigError(f"{name} is not available yet; only {NEUTRAL[name][0]!r} is accepted")
            return
        directive = DIRECTIVES[ALIASES.get(name, name)]
        if directive.words and len(words) != directive.words:
            raise ConfigError("wrong number of arguments")
        if not at_start and not directive.mutable:
            raise ConfigError("can't set immutable config")
        value = directive.parse(words)
        if directive.name == "client-output-buffer-limit":
            value = self.client_output_buffer_limit | value
        setattr(self, directive.attribute, value)

    def get_matching(self, patterns: list[bytes]) -> dict[str, str]:
        """CONFIG GET: name → value as text."""
        found: dict[str, str] = {}
        for name in (*DIRECTIVES, *ALIASES):
            if any(match(pattern, name.encode(), True) for pattern in patterns):
                directive = DIRECTIVES[ALIASES.get(name, name)]
                found[name] = directive.show(getattr(self, directive.attribute))
        return found

    def load_lines(self, text: str) -> None:
        """A configuration file's text. Raises FileError with the line at fault."""
        for number, line in enumerate(text.split("\n"), 1):
            stripped = line.strip()
            if not stripped or stripped.startswith("#"):
                continue
            words = split_args(stripped.encode())
            if words is None:
                raise FileError(number, stripped, "Unbalanced quotes in configuration line")
            name, *values = [word.decode("utf-8", "surrogateescape") for word in words]
            try:
                self.set(name, values, True)
            except KeyError:
                raise FileError(number, stripped, "Bad directive or wrong number of arguments") from None
            except ConfigError as e:
                raise FileError(number, stripped, str(e)) from None


class FileError(Exception):
    """A configuration line that cannot be taken."""

    def __init__(self, number: int, line: str, reason: str) -> None:
        super().__init__(reason)
        self.number = number
        self.line = line
        self.reason = reason

    def report(self) -> str:
        """The text Redis prints."""
        return (
            "\n*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\n"
            f"Reading the configuration file, at line {self.number}\n>>> '{self.line}'\n{self.reason}\n"
        )
