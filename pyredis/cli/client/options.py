"""The command line of redis-cli: options first, then the command's words, which may look like options."""

from __future__ import annotations

import os
from typing import Final

from pyredis.cli.client.connection import Target
from pyredis.lib.splitargs import split_args

USAGE: Final = """\
Usage: pyredis cli [OPTIONS] [cmd [arg [arg ...]]]
  -h <hostname>      Where the server is (127.0.0.1).
  -p <port>          Its port (6379).
  -s <socket>        Its unix socket, instead of both.
  -u <uri>           redis://user:password@host:port/db, rediss:// for TLS.
  -a, --pass <pw>    The password; better in the environment variable REDISCLI_AUTH.
  --user <name>      The user whose password it is.
  --no-auth-warning  Do not say that a password on the command line can be seen by others.
  -n <db>            The database.
  -2, -3             RESP2 or RESP3.
  -r <times>         Run the command so often; -1 = for ever.
  -i <seconds>       Wait so long in between.
  -x                 The last argument is what comes from standard input.
  -e                 Exit code 1 if the command answers with an error.
  -d <delimiter>     Between the elements of raw output (a line end).
  -D <delimiter>     Behind each reply of raw output (a line end).
  --raw, --no-raw    Raw output even at a terminal; formatted even into a pipe.
  --csv, --json, --quoted-json
                     Other forms of output.
  --quoted-input     The command's words are quoted as in redis-cli's own output.
  --scan             List the keys (--pattern <glob>, --count <n>).
  --tls, --sni <host>, --cacert <file>, --cacertdir <dir>, --insecure, --cert <file>, --key <file>,
  --tls-ciphers <list>
                     Connect by TLS.
  --help, --version
"""

_VALUES: Final = {"--sni", "--cacert", "--cacertdir", "--cert", "--key", "--tls-ciphers"}


class UsageError(Exception):
    """The command line cannot be understood; the text says why."""


class Options:
    """What was asked for."""

    def __init__(self) -> None:
        self.target = Target()
        self.words: list[bytes] = []
        self.form = ""
        """``raw``, ``terminal``, ``csv``, ``json``, ``quoted-json``; empty = by where the output goes."""
        self.repeat = 1
        self.interval = 0.0
        self.last_from_stdin = False
        self.errors_fail = False
        self.warn = True
        self.password_seen = False
        self.element_delimiter = b"\n"
        self.reply_delimiter = b"\n"
        self.quoted_input = False
        self.scan = False
        self.pattern = b""
        self.count = 0
        self.help = False
        self.version = False


def parse(args: list[str]) -> Options:
    """Raises UsageError."""
    options = Options()
    options.target.password = os.environ.get("REDISCLI_AUTH", "")
    rest = list(args)
    while rest and rest[0].startswith("-") and len(rest[0]) > 1:
        name = rest.pop(0)
        if name in _FLAGS:
            _take_flag(options, name)
        elif rest and _take_value(options, name, rest[0]):
            rest.pop(0)
        else:
            raise UsageError(f"Unrecognized option or bad number of args for: '{name}'")
    options.words = [os.fsencode(word) for word in rest]
    if options.quoted_input:
        options.words = [_unquoted(word) for word in options.words]
    return options


def _unquoted(word: bytes) -> bytes:
    words = split_args(word)
    if words is None or len(words) != 1:
        raise UsageError("Invalid quoted string specified")
    return words[0]


_FLAGS: Final = {
    *("--no-auth-warning", "-2", "-3", "-x", "-e", "--raw", "--no-raw", "--csv", "--json", "--quoted-json"),
    *("--quoted-input", "--scan", "--tls", "--insecure", "--help", "--version", "-v"),
}


def _take_flag(options: Options, name: str) -> None:
    """An option without a value."""
    target = options.target
    if name == "--no-auth-warning":
        options.warn = False
    elif name in ("-2", "-3"):
        target.protocol = int(name[1])
    elif name == "-x":
        options.last_from_stdin = True
    elif name == "-e":
        options.errors_fail = True
    elif name == "--no-raw":
        options.form = "terminal"
    elif name in ("--raw", "--csv", "--json", "--quoted-json"):
        options.form = name[2:]
        if "json" in name and not target.protocol:
            target.protocol = 3
    elif name == "--quoted-input":
        options.quoted_input = True
    elif name == "--scan":
        options.scan = True
    elif name == "--tls":
        target.use_tls = True
    elif name == "--insecure":
        target.tls["insecure"] = ""
    elif name == "--help":
        options.help = True
    else:
        options.version = True


def _take_value(options: Options, name: str, value: str) -> bool:
    """Take an option with its value; False if there is no such option."""
    target = options.target
    try:
        if name == "-h":
            target.host = value
        elif name == "-p":
            target.port = int(value)
            if not 0 <= target.port <= 65535:
                raise UsageError("Invalid server port.")
        elif name == "-s":
            target.path = value
        elif name == "-u":
            options.password_seen |= _take_uri(target, value)
        elif name in ("-a", "--pass"):
            target.password, options.password_seen = value, True
        elif name == "--user":
            target.user = value
        elif name == "-n":
            target.db = int(value)
        elif name == "-r":
            options.repeat = int(value)
        elif name == "-i":
            options.interval = float(value)
        elif name == "-d":
            options.element_delimiter = os.fsencode(value)
        elif name == "-D":
            options.reply_delimiter = os.fsencode(value)
        elif name == "--pattern":
            options.pattern = os.fsencode(value)
        elif name == "--count":
            options.count = int(value)
        elif name in _VALUES:
            target.tls[name[2:]] = value
        else:
            return False
    except ValueError:
        raise UsageError(f"Bad value for {name}: '{value}'") from None
    return True


def _take_uri(target: Target, uri: str) -> bool:
    """``redis://user:password@host:port/db``; whether there is a password in it. Raises UsageError."""
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(uri)
    if parts.scheme not in ("redis", "rediss"):
        raise UsageError("Invalid URI scheme")
    target.use_tls = target.use_tls or parts.scheme == "rediss"
    if parts.hostname:
        target.host = parts.hostname
    if parts.port:
        target.port = parts.port
    if parts.username:
        target.user = unquote(parts.username)
    if parts.password:
        target.password = unquote(parts.password)
    if parts.path.strip("/"):
        target.db = int(parts.path.strip("/"))
    return bool(parts.password)
