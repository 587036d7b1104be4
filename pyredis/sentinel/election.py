"""Who carries out a failover: votes, epochs, majority. Nothing here sends or waits.

In each epoch a sentinel votes at most once per master, for the first that asks. The vote is on the disk before it is
told.
"""

from __future__ import annotations

import functools

from pyredis.sentinel.instance import ODOWN, SDOWN, Master
from pyredis.sentinel.state import WARNING, Sentinel

MAX_DESYNC = 1000
"""Milliseconds: sentinels that see a master fail at the same time begin at different times, up to so far apart."""


def vote_leader(sentinel: Sentinel, master: Master, epoch: int, candidate: str) -> tuple[str, int]:
    """Vote for ``candidate`` in ``epoch``, if this sentinel has not voted in it; its last vote and that one's epoch."""
    if epoch > sentinel.current_epoch:
        sentinel.current_epoch = epoch
        sentinel.save()
        sentinel.announce(WARNING, "+new-epoch", master, str(epoch))
    if master.leader_epoch < epoch and sentinel.current_epoch <= epoch:
        master.leader = candidate
        master.leader_epoch = sentinel.current_epoch
        master.vote_saved = False
        sentinel.save(functools.partial(_saved, master, master.leader_epoch))
        sentinel.announce(WARNING, "+vote-for-leader", master, f"{master.leader} {master.leader_epoch}")
        if master.leader.lower() != sentinel.myid:
            # Somebody else has begun: this sentinel does not try before that one had its time.
            master.failover_start_time = sentinel.now() + sentinel.random(MAX_DESYNC)
    return master.leader, master.leader_epoch


def _saved(master: Master, epoch: int, saved: bool) -> None:
    """The vote is on the disk, or cannot be brought there: then it counts, too, as in Redis."""
    if master.leader_epoch == epoch:
        master.vote_saved = True


def elected_leader(sentinel: Sentinel, master: Master, epoch: int) -> str:
    """The sentinel that a majority (of all that are known, and at least the quorum) has voted for; empty if none.

    This sentinel votes with the others' favourite, or for itself.
    """
    votes: dict[str, int] = {}
    for peer in master.sentinels.values():
        if peer.leader and peer.leader_epoch == sentinel.current_epoch:
            votes[peer.leader] = votes.get(peer.leader, 0) + 1
    favourite = max(votes, key=votes.__getitem__, default="")
    mine, mine_epoch = vote_leader(sentinel, master, epoch, favourite or sentinel.myid)
    if mine and mine_epoch == epoch and master.vote_saved:
        votes[mine] = votes.get(mine, 0) + 1
        if not favourite or votes[mine] > votes[favourite]:
            favourite = mine
    needed = max((len(master.sentinels) + 1) // 2 + 1, master.quorum)
    return favourite if votes.get(favourite, 0) >= needed else ""


def check_quorum(master: Master) -> tuple[bool, str]:
    """Whether a failover could be agreed on now, and SENTINEL CKQUORUM's words about it."""
    down = SDOWN | ODOWN
    usable = 1 + sum(not (p.flags & down) and not p.link.disconnected for p in master.sentinels.values())
    problem = ""
    if usable < master.quorum:
        problem += " Not enough available Sentinels to reach the specified quorum for this master."
    if usable < (len(master.sentinels) + 1) // 2 + 1:
        problem += " Not enough available Sentinels to reach the majority and authorize a failover."
    if problem:
        return False, f"NOQUORUM {usable} usable Sentinels.{problem}"
    return True, f"OK {usable} usable Sentinels. Quorum and failover authorization can be reached"
