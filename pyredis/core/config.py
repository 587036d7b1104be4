"""The machinery of configuration: what a directive is, its kinds of values, files and lines, CONFIG GET and SET.

The directives themselves are declared in :mod:`pyredis.core.options`, each once, as attributes of one class; this
module turns such a class into a table. CONFIG REWRITE is in :mod:`pyredis.core.config_rewrite`.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pyredis.core.acl import Selector, User
from pyredis.core.acl_commands import AclCommands, acl_commands
from pyredis.core.acl_rules import UNKNOWN, RuleError, UnmatchedParenthesis, merge_selectors, set_user
from pyredis.core.command import declared
from pyredis.core.compat import NEWEST, RELEASES, version_number
from pyredis.core.option_kinds import ConfigError, Kind
from pyredis.lib.glob import compile_pattern
from pyredis.lib.splitargs import split_args

if TYPE_CHECKING:
    from pyredis.core.server import Server

Apply = Callable[["Server"], None]
"""Carries a changed value out; raises ConfigError if that fails, then the values before are set and applied again."""

_MAX_INCLUDES: Final = 64
_DUPLICATE_USER: Final = b"Duplicate user found. A user can only be defined once in config files"


class FileError(Exception):
    """A configuration line that cannot be taken: ``number`` (0 = none in particular), ``line``, ``reason``."""

    def __init__(self, number: int, line: str, reason: str) -> None:
        super().__init__(reason)
        self.number = number
        self.line = line
        self.reason = reason

    def report(self) -> str:
        """The text Redis prints on standard error."""
        where = f"Reading the configuration file, at line {self.number}\n>>> '{self.line}'\n" if self.number else ""
        return f"\n*** FATAL CONFIG FILE ERROR (Redis {RELEASES[NEWEST]}) ***\n{where}{self.reason}\n"


class OpenError(Exception):
    """A configuration file that cannot be opened."""

    def __init__(self, path: str, error: OSError) -> None:
        super().__init__(f"Fatal error, can't open config file '{path}': {error.strerror}")


class SentinelLine:
    """A ``sentinel`` line of a configuration file: its number, its text, and the words behind ``sentinel``."""

    def __init__(self, number: int, text: str, words: list[str]) -> None:
        self.number = number
        self.text = text
        self.words = words


class Directive:
    """One directive. All of it is declaration: the value belongs to the configuration of each server.

    ``only``: the values that can be meant today, because the others ask for ``needs``, which does not exist yet;
    ``idle``: why the value has nothing to act on; ``since``: the release of Redis that brought the directive, if it is
    newer than 7.0 (with an older ``compat-version`` CONFIG does not know it); ``own``: not one of Redis's, so that
    CONFIG GET answers it by its name only, and ``CONFIG GET *`` is as in Redis.
    """

    __slots__ = (
        "aliases",
        "always_apply",
        "apply",
        "attribute",
        "default",
        "hidden",
        "idle",
        "kind",
        "mutable",
        "name",
        "needs",
        "only",
        "own",
        "protected",
        "secret",
        "since",
    )

    def __init__(
        self,
        kind: Kind,
        default: Any,
        *,
        name: str = "",
        aliases: tuple[str, ...] = (),
        mutable: bool = True,
        protected: bool = False,
        hidden: bool = False,
        secret: bool = False,
        apply: Apply | None = None,
        always_apply: bool = False,
        only: tuple[Any, ...] | None = None,
        needs: str = "",
        idle: str = "",
        since: str = "",
        own: bool = False,
    ) -> None:
        self.kind = kind
        self.default = default
        self.name = name
        self.attribute = ""
        self.aliases = aliases
        self.mutable = mutable
        self.protected = protected
        self.hidden = hidden
        self.secret = secret
        self.apply = apply
        self.always_apply = always_apply
        self.only = only
        self.needs = needs
        self.idle = idle
        self.since = since
        self.own = own

    def __set_name__(self, owner: type, attribute: str) -> None:
        self.attribute = attribute
        self.name = self.name or attribute.replace("_", "-")

    def parse(self, words: list[str], old: Any) -> Any:
        """Words → value. Raises ConfigError."""
        value = self.kind.parse(words, old)
        if self.only is not None and value not in self.only:
            accepted = " and ".join(self.kind.show(one) or '""' for one in self.only)
            raise ConfigError(f"this needs {self.needs}, which pyredis does not have yet; accepted today: {accepted}")
        return value


class Settings:
    """The values of one server's directives. Subclasses declare directives; instances hold values."""

    directives: ClassVar[dict[str, Directive]]
    """Name → directive, in the order of declaration; without aliases."""
    names: ClassVar[dict[str, Directive]]
    """Name or alias → directive."""
    secrets: ClassVar[frozenset[bytes]]
    """Names of the directives that hold passwords: logs do not show their values."""

    def __init_subclass__(cls) -> None:
        cls.directives = {one.name: one for one in vars(cls).values() if isinstance(one, Directive)}
        cls.names = dict(cls.directives)
        for one in cls.directives.values():
            # Off the class: a plain instance attribute is the fastest to read, and hot paths read them.
            delattr(cls, one.attribute)
            cls.names.update(dict.fromkeys(one.aliases, one))
        cls.secrets = frozenset(name.encode() for name, one in cls.names.items() if one.secret)

    def __init__(self) -> None:
        for one in self.directives.values():
            setattr(self, one.attribute, one.default)
        self.renamed_commands: dict[bytes, bytes] = {}
        """Upper-case command name → its new name, empty for a command taken away."""
        self.users: list[list[bytes]] = []
        """Name and rules of each ``user`` line, with selectors as one word."""
        self.sentinel_mode = False
        """Whether this process watches masters instead of being a database."""
        self.sentinel_lines: list[SentinelLine] = []
        """What the sentinel makes its state of, once it is there."""
        self._begun: set[str] = set()
        """Attributes of the directives that a configuration line has set."""

    # --- one value --------------------------------------------------------------------------------------------

    def knows(self, one: Directive) -> bool:
        """Whether CONFIG knows a directive: clients do not see those that are newer than ``compat-version``."""
        return version_number(one.since) <= version_number(self.show("compat-version"))

    def show(self, name: str) -> str:
        """A directive's value as CONFIG GET answers it."""
        one = self.names[name]
        return one.kind.show(getattr(self, one.attribute))

    def set(self, name: str, words: list[str]) -> bool:
        """Set a directive from its words; whether that changed it. Raises ConfigError; KeyError for an unknown name."""
        one = self.names[name]
        if not one.kind.multi and len(words) != 1:
            raise ConfigError("wrong number of arguments")
        old = getattr(self, one.attribute)
        value = one.parse(words, old)
        one.kind.activate(value)
        setattr(self, one.attribute, value)
        return bool(value != old)

    def get_matching(self, patterns: Iterable[bytes]) -> dict[str, str]:
        """CONFIG GET: name → value as text. What is no pattern is answered by the name it was asked for."""
        found: dict[str, str] = {}
        seen: set[str] = set()
        known = {name: one for name, one in self.names.items() if self.knows(one)}
        for pattern in patterns:
            text = pattern.decode("utf-8", "surrogateescape")
            if not set("[*?") & set(text):
                names = [text] if text.lower() in known else []
            else:
                fits = compile_pattern(pattern, True)
                names = [n for n, one in known.items() if not one.hidden and not one.own and fits(n.encode())]
            for name in names:
                if name.lower() not in seen:
                    seen.add(name.lower())
                    found[name] = self.show(name.lower())
        return found

    # --- files ------------------------------------------------------------------------------------------------

    def load(self, path: str | None, stdin: str = "", options: str | None = None) -> None:
        """A configuration file (None = none), what standard input gave, and the command line's options as lines.

        The last line on a directive counts. Raises FileError, whose line number counts through all three as Redis
        counts, and OpenError.
        """
        text = (_read_for_start(path) if path is not None else "") + _without_nulls(stdin)
        self.load_text(text if options is None else text + "\n" + options)
        logfile = self.show("logfile")
        if logfile:
            try:
                with open(logfile, "ab"):
                    pass
            except OSError as e:
                raise FileError(0, "", f"Can't open the log file: {e.strerror}") from None

    def load_text(self, text: str, depth: int = 0) -> None:
        """The lines of a configuration file. Raises FileError with the line at fault, and OpenError."""
        for number, line in enumerate(text.split("\n"), 1):
            stripped = line.strip(" \t\r\n")
            if not stripped or stripped.startswith("#"):
                continue
            words = split_args(stripped.encode("utf-8", "surrogateescape"))
            if words is None:
                raise FileError(number, stripped, "Unbalanced quotes in configuration line")
            try:
                if words and words[0].lower() == b"sentinel":
                    self._keep_sentinel_line(SentinelLine(number, stripped, _decode(words[1:])))
                elif words:
                    self._load_words(_decode(words), depth)
            except ConfigError as e:
                raise FileError(number, stripped, str(e)) from None

    def _keep_sentinel_line(self, line: SentinelLine) -> None:
        """Without further words the line is ``--sentinel`` of the command line, which has had its effect."""
        if line.words:
            if not self.sentinel_mode:
                raise ConfigError("sentinel directive while not in sentinel mode")
            self.sentinel_lines.append(line)

    def _load_words(self, words: list[str], depth: int) -> None:
        name = words[0].lower()
        values = words[1:]
        one = self.names.get(name)
        if one is not None:
            if one.kind.multi and len(values) == 1 and values[0]:
                # --save "3600 1"; a word with unbalanced quotes counts as none at all, as in Redis.
                values = _decode(split_args(values[0].encode("utf-8", "surrogateescape")) or [])
            before = getattr(self, one.attribute) if one.kind.adds and one.attribute in self._begun else None
            self.set(name, values)
            self._begun.add(one.attribute)
            if before and getattr(self, one.attribute):
                setattr(self, one.attribute, before + getattr(self, one.attribute))
        elif name in ("list-max-ziplist-entries", "list-max-ziplist-value") and len(values) == 1:
            pass  # Redis dropped them, and takes them from old files
        elif name == "include" and len(values) == 1:
            self._include(values[0], depth)
        elif name == "rename-command" and len(values) == 2:
            self._rename_command(values[0], values[1])
        elif name == "user" and values:
            self._declare_user([word.encode("utf-8", "surrogateescape") for word in words])
        elif name in _UNAVAILABLE:
            raise ConfigError(_UNAVAILABLE[name])
        elif "." in name:
            raise ConfigError(_UNAVAILABLE["loadmodule"] if values else "Module config specified without value")
        else:
            raise ConfigError("Bad directive or wrong number of arguments")

    def _include(self, path: str, depth: int) -> None:
        if depth == _MAX_INCLUDES:
            raise ConfigError(f"more than {_MAX_INCLUDES} files include one another")
        paths = sorted(glob.glob(path)) if set("*?[") & set(path) else [path]
        # Line numbers count through all files of a pattern.
        self.load_text("".join(map(_read_for_start, paths)), depth + 1)

    def _rename_command(self, old: str, new: str) -> None:
        old_name, new_name = (name.upper().encode("utf-8", "surrogateescape") for name in (old, new))
        names = {spec.name for spec in declared(self.sentinel_mode)}
        taken = names - set(self.renamed_commands) | set(self.renamed_commands.values())
        if old_name not in taken:
            raise ConfigError("No such command in rename-command")
        if new_name and new_name in taken:
            raise ConfigError("Target command name already exists")
        origin = next((a for a, b in self.renamed_commands.items() if b == old_name), old_name)
        self.renamed_commands[origin] = new_name

    def _declare_user(self, words: list[bytes]) -> None:
        """A ``user`` line. Its rules are tried here; whether the commands are known is asked at the start."""
        name = words[1]
        if any(name == other[0] for other in self.users):
            raise _user_error(name, _DUPLICATE_USER)
        all_channels = self.show("acl-pubsub-default") == "allchannels"
        trial = User(name, Selector(self._acl_commands(), all_channels))
        # Redis counts from the line's first word where it should from the third: it names the word two places before.
        try:
            rules = merge_selectors(words[2:])
        except UnmatchedParenthesis as e:
            raise _user_error(words[e.position], UNKNOWN) from None
        for at, rule in enumerate(rules):
            try:
                set_user(trial, rule, all_channels)
            except RuleError as e:
                if not e.unknown:
                    raise _user_error(words[at], e.message) from None
        self.users.append([name, *rules])

    def _acl_commands(self) -> AclCommands:
        return acl_commands(version_number(self.show("compat-version")), self.sentinel_mode)

    # --- CONFIG SET -------------------------------------------------------------------------------------------

    def set_live(self, server: Server, pairs: list[tuple[str, str]], local: bool) -> None:
        """CONFIG SET: all of ``pairs`` or none, effects included.

        ``local`` is whether the client came over the loopback interface or a unix socket. Raises :class:`SetError`.
        """
        self._check_pairs(pairs, local)
        before: dict[Directive, Any] = {}
        effects: dict[Apply, str] = {}
        name = ""
        try:
            for name, value in pairs:
                name = name.lower()
                one = self.names[name]
                before.setdefault(one, getattr(self, one.attribute))
                words = value.split(" ") if one.kind.multi and value else [] if one.kind.multi else [value]
                changed = self.set(name, words)
                if one.apply is not None and (changed or one.always_apply):
                    effects.setdefault(one.apply, name)
        except ConfigError as e:
            self._restore(before)
            raise SetError(name, str(e)) from None
        applied: list[Apply] = []
        try:
            for apply in effects:
                applied.append(apply)
                apply(server)
        except ConfigError as e:
            name = effects[applied[-1]]
            server.log.warning(
                f"Failed applying new configuration. Possibly related to new {name} setting. "
                "Restoring previous settings."
            )
            self._restore(before)
            for apply in applied:
                try:
                    apply(server)
                except ConfigError as again:
                    server.log.warning(f"Failed applying restored failed CONFIG SET command: {again}")
            raise SetError(name, str(e)) from None

    def _restore(self, before: dict[Directive, Any]) -> None:
        for one, value in before.items():
            one.kind.activate(value)
            setattr(self, one.attribute, value)

    def _check_pairs(self, pairs: list[tuple[str, str]], local: bool) -> None:
        """Unknown names, and what must not change: the first fault found counts, an unknown name above all others."""
        fault: SetError | None = None
        seen: set[str] = set()
        for name, _ in pairs:
            one = self.names.get(name.lower())
            if one is None or not self.knows(one):
                if fault is None:
                    raise UnknownDirective(name)
                continue
            if fault is None:
                if not one.mutable:
                    fault = SetError(name, "can't set immutable config")
                elif one.protected and not self.allows("enable-protected-configs", local):
                    fault = SetError(name, "can't set protected config")
                elif name.lower() in seen:
                    fault = SetError(name, "duplicate parameter")
            seen.add(name.lower())
        if fault is not None:
            raise fault

    def allows(self, name: str, local: bool) -> bool:
        """What ``enable-protected-configs`` and its like say: ``no``, ``yes``, or ``local`` clients only."""
        value = self.show(name)
        return value == "yes" or (value == "local" and local)


def _user_error(word: bytes, message: bytes) -> ConfigError:
    text = b"Error in user declaration '%b': %b" % (word, message)
    return ConfigError(text.decode("utf-8", "surrogateescape"))


class SetError(Exception):
    """CONFIG SET failed at the directive ``name`` for ``reason``."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name
        self.reason = reason


class UnknownDirective(Exception):
    """CONFIG SET of a name that is none."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def read_file(path: str) -> str:
    """A configuration file's text. Raises OSError."""
    with open(path, "rb") as file:
        return file.read().decode("utf-8", "surrogateescape")


def _decode(words: list[bytes]) -> list[str]:
    return [word.decode("utf-8", "surrogateescape") for word in words]


def _read_for_start(path: str) -> str:
    try:
        return _without_nulls(read_file(path))
    except OSError as e:
        raise OpenError(path, e) from None


def _without_nulls(text: str) -> str:
    """A null byte ends a C string: Redis loses the rest of the line with its line end."""
    return re.sub("\0[^\n]*\n?", "", text) if "\0" in text else text


_UNAVAILABLE: Final = {
    "loadmodule": "modules of Redis cannot be run by pyredis",
}
