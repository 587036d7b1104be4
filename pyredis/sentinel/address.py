"""Addresses of instances: what the configuration calls them, and the IP address behind a host name.

A numeric address costs nothing. A host name (allowed by ``resolve-hostnames`` only) is asked of the system in a thread:
the first question is waited for, but not long; later ones are answered from what is known and refreshed beside.
"""

from __future__ import annotations

import re
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Final

_LONGEST_WAIT: Final = 1.0
"""Seconds for which an unknown name may hold the loop; well below what triggers TILT."""
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,255}")
"""What a host name may look like: it comes from others, and goes into our configuration file."""
_FRESH: Final = 1.0
"""Seconds for which an answer is not asked for again."""


class AddressError(ValueError):
    """A port that is none, or a host that cannot be resolved (``unresolved``)."""

    def __init__(self, unresolved: bool) -> None:
        super().__init__("Can't resolve instance hostname." if unresolved else "Invalid port number.")
        self.unresolved = unresolved


class Address:
    """Where an instance is. ``ip`` is empty while a host name could not be resolved yet."""

    __slots__ = ("host", "ip", "port")

    def __init__(self, host: str, ip: str, port: int) -> None:
        self.host = host
        """The name or address as it was given."""
        self.ip = ip
        self.port = port

    def is_at(self, other: Address) -> bool:
        """Whether both name the same place: the port, and the IP address (where it is known) or the name."""
        same_ip = bool(self.ip) and self.ip == other.ip
        return self.port == other.port and (same_ip or self.host.lower() == other.host.lower())

    def copy(self) -> Address:
        """An address of its own."""
        return Address(self.host, self.ip, self.port)


def is_numeric(host: str) -> bool:
    """Whether ``host`` is an IP address, of version 4 or 6."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
            return True
        except (OSError, ValueError):
            continue
    return False


def join_host_port(host: str, port: int) -> str:
    """``ip:port``, ``[ip6]:port``."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Resolver:
    """Host names to IP addresses. ``names``: whether names are allowed at all (``resolve-hostnames``)."""

    def __init__(self) -> None:
        self.names = False
        self._known: dict[str, tuple[str, float]] = {}
        """Name → address and the time of the answer."""
        self._asked: dict[str, Future[str]] = {}
        self._threads: ThreadPoolExecutor | None = None

    def resolve(self, host: str) -> str:
        """The IP address of a name or address; empty if there is none, or if it is a name and those are not allowed."""
        if is_numeric(host):
            return host
        if not self.names or not _NAME.fullmatch(host):
            return ""
        self._collect(host)
        address, answered = self._known.get(host, ("", 0.0))
        if time.monotonic() - answered < _FRESH:
            return address
        future = self._ask(host)
        if not answered:
            try:
                future.result(_LONGEST_WAIT)
            except (FutureTimeout, OSError, UnicodeError):
                pass
            self._collect(host)
            address = self._known.get(host, ("", 0.0))[0]
        return address

    def _ask(self, host: str) -> Future[str]:
        future = self._asked.get(host)
        if future is None:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(4, "resolver")
            future = self._asked[host] = self._threads.submit(_look_up, host)
        return future

    def _collect(self, host: str) -> None:
        """Take over the answer to an earlier question. Without one the last good address counts on."""
        future = self._asked.get(host)
        if future is None or not future.done():
            return
        del self._asked[host]
        try:
            address = future.result()
        except (OSError, UnicodeError):
            address = self._known.get(host, ("", 0.0))[0]
        self._known[host] = (address, time.monotonic())

    def address(self, host: str, port: int, unresolved: bool = False) -> Address:
        """An address of its parts; with ``unresolved`` a name may have no IP address yet. Raises AddressError."""
        if not 0 <= port <= 65535:
            raise AddressError(False)
        ip = self.resolve(host)
        if not ip and not (unresolved and self.names and _NAME.fullmatch(host)):
            raise AddressError(True)
        return Address(host, ip, port)

    def same_host(self, address: Address, host: str) -> bool:
        """Whether ``host`` is where ``address`` is; names that cannot be resolved are compared as text."""
        ip = self.resolve(host)
        if not ip:
            return (address.host if self.names else address.ip).lower() == host.lower()
        return address.ip == ip

    def close(self) -> None:
        """Ask nothing more; a question under way is not waited for."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None


def _look_up(host: str) -> str:
    found = socket.getaddrinfo(host, None, socket.AF_UNSPEC, socket.SOCK_STREAM)
    return str(found[0][4][0])
