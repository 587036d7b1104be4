"""Sentinel's periods and limits, in milliseconds, which SENTINEL DEBUG shows and changes."""

from __future__ import annotations

from typing import Final

NAMES: Final = (
    ("INFO-PERIOD", "info_period"),
    ("PING-PERIOD", "ping_period"),
    ("ASK-PERIOD", "ask_period"),
    ("PUBLISH-PERIOD", "publish_period"),
    ("DEFAULT-DOWN-AFTER", "default_down_after"),
    ("DEFAULT-FAILOVER-TIMEOUT", "default_failover_timeout"),
    ("TILT-TRIGGER", "tilt_trigger"),
    ("TILT-PERIOD", "tilt_period"),
    ("SLAVE-RECONF-TIMEOUT", "slave_reconf_timeout"),
    ("MIN-LINK-RECONNECT-PERIOD", "min_link_reconnect_period"),
    ("ELECTION-TIMEOUT", "election_timeout"),
    ("SCRIPT-MAX-RUNTIME", "script_max_runtime"),
    ("SCRIPT-RETRY-DELAY", "script_retry_delay"),
)
"""Name in SENTINEL DEBUG (in its order) → attribute of :class:`Times`."""


class Times:
    """The periods and limits of one sentinel."""

    __slots__ = tuple(attribute for _, attribute in NAMES)

    def __init__(self) -> None:
        self.info_period = 10_000
        self.ping_period = 1_000
        """The longest time between two PINGs; a shorter ``down-after-milliseconds`` shortens it."""
        self.ask_period = 1_000
        """Between two questions to the same sentinel whether a master is down."""
        self.publish_period = 2_000
        self.default_down_after = 30_000
        self.default_failover_timeout = 180_000
        self.tilt_trigger = 2_000
        """A turn of the timer that comes so late (or an earlier time than before) means: the clock is not to be
        trusted, or this process did not run."""
        self.tilt_period = 30_000
        self.slave_reconf_timeout = 10_000
        self.min_link_reconnect_period = 15_000
        self.election_timeout = 10_000
        self.script_max_runtime = 60_000
        self.script_retry_delay = 30_000
