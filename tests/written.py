"""Writes as the doors give them to the hub, with what became of each resource in hand."""

from collections.abc import Sequence
from typing import Any

from referral.actions.draft import Draft, Written
from referral.actions.referral_rules import program_rules
from referral.actions.write_resources import write_resources
from referral.store.pool import Store
from referral.store.replay import Answer


async def write_drafts(store: Store, drafts: Sequence[Draft], **command: Any) -> list[Written]:
    """The resources in the order of the drafts; `command` as of `write_resources`.

    rules: the program's own, where a test brings no network's.
    """
    found: list[Written] = []

    def render(written: list[Written]) -> Answer:
        # Asked for twice where it is written with others first, and then by itself.
        found[:] = written
        return Answer(200, {}, b"")

    await write_resources(store, drafts, **{"rules": program_rules, **command}, render=render)
    return found
