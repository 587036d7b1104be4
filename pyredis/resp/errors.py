"""The error replies that more than one command gives, with Redis's exact texts, and the exception that carries them.

A body raises :class:`CommandError`; it is caught in one place (``core/dispatch``), becomes ``-<text>\\r\\n`` and counts
in the error statistics by its first word.
"""

from __future__ import annotations

from typing import Final


class CommandError(Exception):
    """An error reply. ``message`` is the whole line without the ``-`` and the line end: ``b"ERR syntax error"``."""

    def __init__(self, message: bytes) -> None:
        super().__init__(message)
        self.message = message


WRONGTYPE: Final = b"WRONGTYPE Operation against a key holding the wrong kind of value"
SYNTAX_ERROR: Final = b"ERR syntax error"
NOT_AN_INTEGER: Final = b"ERR value is not an integer or out of range"
NOT_A_FLOAT: Final = b"ERR value is not a valid float"
OUT_OF_RANGE: Final = b"ERR value is out of range"
MUST_BE_POSITIVE: Final = b"ERR value is out of range, must be positive"
INDEX_OUT_OF_RANGE: Final = b"ERR index out of range"
NO_SUCH_KEY: Final = b"ERR no such key"
SAME_OBJECT: Final = b"ERR source and destination objects are the same"
MIN_OR_MAX_NOT_A_FLOAT: Final = b"ERR min or max is not a float"
MIN_OR_MAX_NOT_A_STRING: Final = b"ERR min or max not valid string range item"
RESULTING_SCORE_NAN: Final = b"ERR resulting score is not a number (NaN)"
DB_OUT_OF_RANGE: Final = b"ERR DB index is out of range"
NOAUTH: Final = b"NOAUTH Authentication required."
PROTECTED: Final = (
    b'ERR %b command not allowed. If the enable-%b-command option is set to "local", you can run it from a local '
    b"connection, otherwise you need to set this option in the configuration file, and then restart the server."
)
"""For the command's name in upper and in lower case."""
OOM: Final = b"OOM command not allowed when used memory > 'maxmemory'."
BUSY: Final = b"BUSY Redis is busy running a script. You can only call %b KILL or SHUTDOWN NOSAVE."
"""For ``SCRIPT`` or ``FUNCTION``."""
BAD_PAYLOAD: Final = b"ERR DUMP payload version or checksum are wrong"
LOADING: Final = b"LOADING Redis is loading the dataset in memory"
MASTERDOWN: Final = b"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
NOREPLICAS: Final = b"NOREPLICAS Not enough good replicas to write."
MISCONF_RDB: Final = (
    b"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that "
    b"may modify the data set are disabled, because this instance is configured to report errors during writes if RDB "
    b"snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB "
    b"error."
)
READONLY: Final = b"READONLY You can't write against a read only replica."
NOSCRIPT: Final = b"NOSCRIPT No matching script. Please use EVAL."
EXECABORT: Final = b"EXECABORT Transaction discarded because of previous errors."
STRING_TOO_LONG: Final = b"ERR string exceeds maximum allowed size (proto-max-bulk-len)"


def wrong_arity(fullname: bytes) -> CommandError:
    """The arity error; ``fullname`` as clients see it (``b"config|get"``)."""
    return CommandError(b"ERR wrong number of arguments for '%b' command" % fullname.lower())


def unknown_subcommand(container: bytes, sub: bytes) -> CommandError:
    """The error for a subcommand that a container lacks (``sub`` as the client sent it, cut at 128 bytes)."""
    return CommandError(b"ERR unknown subcommand '%b'. Try %b HELP." % (c_text(sub[:128]), container.upper()))


def subcommand_syntax(container: bytes, sub: bytes) -> CommandError:
    """The error of a subcommand that is given a number of arguments it has no form for."""
    return CommandError(
        b"ERR unknown subcommand or wrong number of arguments for '%b'. Try %b HELP."
        % (c_text(sub[:128]), container.upper())
    )


_NEWLINES: Final = bytes.maketrans(b"\r\n", b"  ")


def sanitize(text: bytes) -> bytes:
    """Replace line ends, so that text from a client cannot break the error line."""
    return text.translate(_NEWLINES)


def c_text(text: bytes) -> bytes:
    """Text from a client inside an error message: up to a zero byte, line ends as blanks."""
    return sanitize(text.split(b"\0")[0])
