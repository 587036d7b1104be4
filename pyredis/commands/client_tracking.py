"""CLIENT TRACKING and its family: client-side caching, as ``core/tracking`` serves it."""

from __future__ import annotations

from pyredis.core.args import get_int, syntax_error
from pyredis.core.client import CLIENT_TRACKING, Client, TrackingState
from pyredis.core.client_info import redirection
from pyredis.core.command import CMD_LOADING, CMD_NOSCRIPT, CMD_STALE, command
from pyredis.core.dispatch import refresh_fast
from pyredis.core.tracking import overlapping
from pyredis.resp.errors import CommandError
from pyredis.resp.reply import OK, array, bulk, bulk_set, integer, map_header

_ANOTHER_MODE = b"before disabling tracking for this client, and then re-enabling it with a different mode."


def _parse(c: Client, argv: list[bytes]) -> tuple[TrackingState, list[bytes]]:
    """The options of CLIENT TRACKING, each by itself, and the prefixes in the order given."""
    state = TrackingState()
    prefixes: list[bytes] = []
    at = 3
    while at < len(argv):
        word = argv[at].upper()
        if word in (b"REDIRECT", b"PREFIX") and at + 1 < len(argv):
            at += 1
            if word == b"PREFIX":
                prefixes.append(argv[at])
            elif state.redirect:
                raise CommandError(b"ERR A client can only redirect to a single other client")
            else:
                state.redirect = get_int(argv[at])
                if state.redirect not in c.server.clients:
                    raise CommandError(b"ERR The client ID you want redirect to does not exist")
        elif word == b"BCAST":
            state.bcast = True
        elif word == b"OPTIN":
            state.optin = True
        elif word == b"OPTOUT":
            state.optout = True
        elif word == b"NOLOOP":
            state.noloop = True
        else:
            raise syntax_error()
        at += 1
    return state, prefixes


def _check(c: Client, state: TrackingState, prefixes: list[bytes]) -> None:
    """Raise CommandError where options do not go with one another, or with how the client tracks keys already."""
    now = c.tracking if c.flags & CLIENT_TRACKING else None
    if prefixes and not state.bcast:
        raise CommandError(b"ERR PREFIX option requires BCAST mode to be enabled")
    if now is not None and now.bcast != state.bcast:
        raise CommandError(b"ERR You can't switch BCAST mode on/off " + _ANOTHER_MODE)
    if state.bcast and (state.optin or state.optout):
        raise CommandError(b"ERR OPTIN and OPTOUT are not compatible with BCAST")
    if state.optin and state.optout:
        raise CommandError(b"ERR You can't specify both OPTIN mode and OPTOUT mode")
    if now is not None and ((state.optin and now.optout) or (state.optout and now.optin)):
        raise CommandError(b"ERR You can't switch OPTIN/OPTOUT mode " + _ANOTHER_MODE)
    overlap = overlapping(prefixes, {} if now is None else now.prefixes)
    if overlap is not None:
        raise CommandError(overlap)


@command(
    b"CLIENT|TRACKING",
    -3,
    CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    group="connection",
    since="6.0.0",
    summary="Be told when keys that were read change, for a cache on the client's side.",
    complexity="O(1). Some options may introduce additional complexity.",
    usage=(
        "status=(ON|OFF) [REDIRECT client-id:int] [PREFIX prefix]... [bcast=BCAST] [optin=OPTIN] [optout=OPTOUT] "
        "[noloop=NOLOOP]"
    ),
)
def client_tracking_command(c: Client, argv: list[bytes]) -> bytes | None:
    state, prefixes = _parse(c, argv)
    word = argv[2].lower()
    if word == b"on":
        _check(c, state, prefixes)
        state.prefixes = dict.fromkeys(prefixes or [b""]) if state.bcast else {}
        c.server.tracking.enable(c, state)
    elif word == b"off":
        c.server.tracking.disable(c)
    else:
        raise syntax_error()
    refresh_fast(c)
    return OK


@command(
    b"CLIENT|CACHING",
    3,
    CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    group="connection",
    since="6.0.0",
    summary="Choose whether the keys of the next command are tracked.",
    complexity="O(1)",
    usage="mode=(YES|NO)",
)
def client_caching_command(c: Client, argv: list[bytes]) -> bytes | None:
    state = c.tracking
    if state is None or not c.flags & CLIENT_TRACKING:
        raise CommandError(
            b"ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode "
            b"enabled"
        )
    word = argv[2].lower()
    if word == b"yes" and not state.optin:
        raise CommandError(b"ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
    if word == b"no" and not state.optout:
        raise CommandError(b"ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
    if word not in (b"yes", b"no"):
        raise syntax_error()
    state.caching = True
    return OK


@command(
    b"CLIENT|GETREDIR",
    2,
    CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    group="connection",
    since="6.0.0",
    summary="Return the client that invalidation messages go to.",
    complexity="O(1)",
)
def client_getredir_command(c: Client, argv: list[bytes]) -> bytes | None:
    return integer(redirection(c))


@command(
    b"CLIENT|TRACKINGINFO",
    2,
    CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    group="connection",
    since="6.2.0",
    summary="Tell how keys are tracked for the connection.",
    complexity="O(1)",
)
def client_trackinginfo_command(c: Client, argv: list[bytes]) -> bytes | None:
    state = c.tracking
    flags = [b"off"]
    prefixes: list[bytes] = []
    if state is not None and c.flags & CLIENT_TRACKING:
        flags = [b"on"]
        for chosen, word, exception in (
            (state.bcast, b"bcast", b""),
            (state.optin, b"optin", b"caching-yes"),
            (state.optout, b"optout", b"caching-no"),
            (state.noloop, b"noloop", b""),
            (state.broken, b"broken_redirect", b""),
        ):
            if chosen:
                flags.append(word)
                if exception and state.caching:
                    flags.append(exception)
        prefixes = sorted(state.prefixes)
    fields = (
        bulk(b"flags") + bulk_set(flags, c.resp),
        bulk(b"redirect") + integer(redirection(c)),
        bulk(b"prefixes") + array([bulk(prefix) for prefix in prefixes]),
    )
    return map_header(len(fields), c.resp) + b"".join(fields)
