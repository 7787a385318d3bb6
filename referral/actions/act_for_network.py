"""Carry out what nobody asked for, in the name of a network: the clock does."""

from collections.abc import Callable, Sequence
from datetime import datetime

from referral.actions.workspace import Workspace
from referral.domain.actor import Actor
from referral.domain.facility import FacilityId
from referral.domain.scope import Scopes
from referral.store.change_set import WriteRequest, apply_changes, load_for_write
from referral.store.pool import Connection

CLIENT = "clock"
"""In events and in the audit in place of a system's client id."""


async def act_for_network(
    connection: Connection,
    network: FacilityId,
    focus: Sequence[str],
    plan: Callable[[Workspace], None],
    *,
    base: str,
    now: datetime,
    new_id: Callable[[], str],
    numbers: int = 0,
) -> None:
    """Plan and apply, in the transaction of `connection`, which acts for the network (`Store.writing`).

    focus: referrals that are locked, or offers of them. numbers: how many new referrals it may make.
    Raises what `plan` raises; then nothing was written.
    """
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    loaded = await load_for_write(connection, WriteRequest(network, focus=focus, numbers=numbers))
    actor = Actor(network, CLIENT, Scopes(frozenset()))
    workspace = Workspace(actor, loaded.not_before(now), None, base, new_id, loaded, clock=now)
    plan(workspace)
    changes = workspace.finish()
    if changes.documents or changes.events:
        await apply_changes(connection, changes)
