"""What is monitored: masters, their replicas, and the other sentinels; and the links to them.

These classes hold state only. All times are in milliseconds, as :meth:`State.now` tells them; 0 is "never".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyredis.sentinel.address import Address

if TYPE_CHECKING:
    from pyredis.sentinel.connection import Connection

SDOWN: Final = 1 << 0
"""Subjectively down: this sentinel gets no valid answer."""
ODOWN: Final = 1 << 1
"""Objectively down: a quorum of sentinels agrees."""
MASTER_DOWN: Final = 1 << 2
"""A sentinel said that it, too, sees the master down."""
FAILOVER_IN_PROGRESS: Final = 1 << 3
PROMOTED: Final = 1 << 4
"""The replica that was chosen to be the master."""
RECONF_SENT: Final = 1 << 5
RECONF_INPROG: Final = 1 << 6
RECONF_DONE: Final = 1 << 7
FORCE_FAILOVER: Final = 1 << 8
"""SENTINEL FAILOVER: nobody is asked."""
SCRIPT_KILL_SENT: Final = 1 << 9
MASTER_REBOOT: Final = 1 << 10
"""The master's run ID has changed, and it has not answered a PING since."""

# States of a failover, in their order.
FAILOVER_NONE: Final = 0
FAILOVER_WAIT_START: Final = 1
FAILOVER_SELECT_SLAVE: Final = 2
FAILOVER_SEND_SLAVEOF_NOONE: Final = 3
FAILOVER_WAIT_PROMOTION: Final = 4
FAILOVER_RECONF_SLAVES: Final = 5
FAILOVER_UPDATE_CONFIG: Final = 6
FAILOVER_NAMES: Final = (
    "none",
    "wait_start",
    "select_slave",
    "send_slaveof_noone",
    "wait_promotion",
    "reconf_slaves",
    "update_config",
)


class Link:
    """The connections to an instance and when they last gave signs of life.

    Another sentinel that watches several of our masters is one process: its instances share one link.
    """

    __slots__ = (
        "act_ping_time",
        "cc",
        "cc_conn_time",
        "disconnected",
        "info_pending",
        "last_avail_time",
        "last_ping_time",
        "last_pong_time",
        "last_reconn_time",
        "pc",
        "pc_conn_time",
        "pc_last_activity",
        "pending_commands",
        "refcount",
    )

    def __init__(self, now: int) -> None:
        self.refcount = 1
        self.disconnected = True
        """True until all connections that the instance should have are there (or are being made)."""
        self.pending_commands = 0
        self.info_pending = False
        self.cc: Connection | None = None
        """For commands."""
        self.pc: Connection | None = None
        """For messages; sentinels have none."""
        self.cc_conn_time = 0
        self.pc_conn_time = 0
        self.pc_last_activity = 0
        self.last_avail_time = now
        """When it last answered a PING so that it counts as available."""
        self.act_ping_time = now
        """When the oldest PING that has no valid answer yet was sent; 0 if all have. It begins now: an instance that
        cannot be reached at all is down, too."""
        self.last_ping_time = 0
        self.last_pong_time = now
        """When it last answered a PING with anything at all."""
        self.last_reconn_time = 0

    def drop(self, commands: bool) -> None:
        """Close one of the connections, that for commands or that for messages; it is made anew in time."""
        connection = self.cc if commands else self.pc
        if connection is not None:
            connection.close()
        if commands:
            self.cc = None
            self.pending_commands = 0
            self.info_pending = False
        else:
            self.pc = None
        self.disconnected = True

    def close(self) -> None:
        """Close both connections."""
        self.drop(True)
        self.drop(False)


class Instance:
    """What masters, replicas and sentinels have in common. ``kind``: ``master``, ``slave`` or ``sentinel``."""

    kind = ""

    def __init__(self, name: str, addr: Address, now: int) -> None:
        self.name = name
        self.addr = addr
        self.runid = ""
        self.flags = 0
        self.link = Link(now)
        self.released = False
        """True once it is not monitored any more: replies that still come are nobody's."""
        self.last_pub_time = now
        self.last_hello_time = now
        self.s_down_since_time = 0
        self.o_down_since_time = 0

    def monitored_master(self) -> Master:
        """The master that this instance is, or belongs to."""
        raise NotImplementedError


class Monitored(Instance):
    """A master or a replica: an instance that answers INFO."""

    def __init__(self, name: str, addr: Address, now: int) -> None:
        super().__init__(name, addr, now)
        self.info_refresh = 0
        """When INFO was last answered."""
        self.info = b""
        self.role_reported = self.kind
        """``master`` or ``slave``, as INFO says."""
        self.role_reported_time = now
        self.slave_conf_change_time = now
        """When the master that it replicates from changed last."""
        self.master_reboot_since_time = 0

    def monitored_master(self) -> Master:
        raise NotImplementedError


class Master(Monitored):
    """A monitored master, its replicas and the other sentinels that watch it."""

    kind = "master"

    def __init__(self, name: str, addr: Address, now: int, quorum: int, down_after: int, failover_timeout: int) -> None:
        super().__init__(name, addr, now)
        self.quorum = quorum
        self.down_after_period = down_after
        """Of the master, its replicas and the other sentinels."""
        self.parallel_syncs = 1
        self.failover_timeout = failover_timeout
        self.master_reboot_down_after_period = 0
        self.auth_user = ""
        self.auth_pass = ""
        self.notification_script = ""
        self.client_reconfig_script = ""
        self.renamed_commands: dict[str, str] = {}
        """Upper-case name → the name that the instances of this master want to be called by."""
        self.replicas: dict[str, Replica] = {}
        """By ``ip:port``."""
        self.sentinels: dict[str, Peer] = {}
        """By run ID."""
        self.config_epoch = 0
        self.leader = ""
        """Whom this sentinel voted for last."""
        self.leader_epoch = 0
        self.vote_saved = True
        """False until this sentinel's last vote is on the disk."""
        self.failover_epoch = 0
        self.failover_state = FAILOVER_NONE
        self.failover_state_change_time = 0
        self.failover_start_time = 0
        self.failover_delay_logged = 0
        """The start time for which the log has said that the next failover must wait."""
        self.promoted: Replica | None = None

    def monitored_master(self) -> Master:
        return self

    def current_addr(self) -> Address:
        """Where clients find the master: from the promotion on, the replica that was promoted."""
        if self.flags & FAILOVER_IN_PROGRESS and self.promoted and self.failover_state >= FAILOVER_RECONF_SLAVES:
            return self.promoted.addr
        return self.addr


class Replica(Monitored):
    """A replica of a monitored master."""

    kind = "slave"

    def __init__(self, name: str, addr: Address, now: int, master: Master) -> None:
        super().__init__(name, addr, now)
        self.master = master
        self.master_link_down_time = 0
        """For how long its link to the master has been down."""
        self.slave_priority = 100
        self.replica_announced = True
        self.slave_reconf_sent_time = 0
        self.slave_master_host = ""
        self.slave_master_port = 0
        self.slave_master_link_up = False
        self.slave_repl_offset = 0

    def monitored_master(self) -> Master:
        return self.master


class Peer(Instance):
    """Another sentinel that watches one of our masters."""

    kind = "sentinel"

    def __init__(self, runid: str, addr: Address, now: int, master: Master) -> None:
        super().__init__(runid, addr, now)
        self.runid = runid
        self.master = master
        self.last_master_down_reply_time = now
        self.leader = ""
        """Whom it voted for, if it was asked in this failover."""
        self.leader_epoch = 0

    def monitored_master(self) -> Master:
        return self.master
