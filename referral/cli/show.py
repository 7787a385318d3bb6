"""`referral show`."""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from referral.cli.database import data_option, open_store
from referral.cli.errors import Refusal
from referral.cli.standard_output import standard_output
from referral.domain.journey import Loop
from referral.domain.lifecycle import Party
from referral.domain.number import is_referral_number
from referral.domain.story import Step, steps
from referral.store.referral import Story, find_story, network_of_number

_DONE: Final = {
    "draft": "wrote a draft",
    "submit": "sent the referral",
    "discard": "threw the draft away",
    "offer": "put it to {target}",
    "claim": "took the patient, who turned up",
    "cancel": "cancelled the referral",
    "replace": "sent another one in its place",
    "dismiss": "let it be",
    "amend": "changed what it says",
    "acknowledge": "has seen it",
    "ask": "asked for more",
    "answer": "answered",
    "accept": "accepted the patient",
    "reject": "rejected it",
    "refer-onward": "passed it on",
    "withdraw": "took the offer back",
    "arrive": "received the patient",
    "schedule": "gave the patient a visit",
    "depart": "sent the patient on the way",
    "miss": "waited for the patient, who did not come",
    "lapse": "ended it: the slip is no longer valid",
    "report": "told how it goes",
    "complete": "ended care",
    "stop": "stopped care, as asked",
    "close": "knows how it ended, and closed it",
    "mark-error": "marked it as a mistake",
    "warn": "warned that the time is over",
    "escalate": "told the office that twice the time is over",
}


@click.command()
@data_option
@click.argument("number")
def show(data: Path, number: str) -> None:
    """Show the referral with this NUMBER: where it stands, and step by step all that happened to it.

    Nothing of the patient is shown. Times are in UTC.
    """
    number = "".join(number.split()).upper()
    if not is_referral_number(number):
        raise Refusal(f"{number} is no referral number: two letters, eight digits and the right check digit")
    story = asyncio.run(_find(data, number))
    if story is None:
        raise Refusal(f"there is no referral {number}")
    _print(standard_output(), story)


async def _find(data: Path, number: str) -> Story | None:
    async with open_store(data) as store:
        async with store.reading(None) as connection:
            network = await network_of_number(connection, number)
        if network is None:
            return None
        # The office of a network sees the course of its referrals, and nothing of their patients.
        async with store.reading(network) as connection:
            return await find_story(connection, number)


def _print(console: Console, story: Story) -> None:
    course = list(steps(story.events))
    facts = {
        "Referral": f"{story.number}, {story.direction}, {story.priority}, ServiceRequest/{story.id}",
        "State": story.state,
        "Network": story.network_name,
        "From": f"{story.sender_name}, {_time(story.authored_on)}",
        **{
            f"Offer {place}": f"{offer.owner_name}: {offer.state}, Task/{offer.id}"
            for place, offer in enumerate(story.offers, 1)
        },
        "Owes": _owes(story, course[-1]) if course else "nobody",
        "Journey": _journey(story),
    }
    if story.based_on is not None:
        facts["Continues"] = story.based_on
    for name, fact in facts.items():
        console.print(f"{name + ':':<11}{fact}", soft_wrap=True, highlight=False)
    if len(story.legs) > 1:
        for leg in story.legs:
            way = f"{leg.sender_name} to {leg.target_name or 'nobody yet'}"
            mark = "*" if leg.number == story.number else " "
            console.print(f"  {mark} {leg.number} {leg.direction}: {way}, {leg.state}", soft_wrap=True)
    console.print()
    for line in _lines(story, course):
        console.print(line, soft_wrap=True, highlight=False)


def _lines(story: Story, course: list[Step]) -> Iterator[str]:
    """One for each step, and one for who owes the next after those that were done at once."""
    for place, step in enumerate(course):
        event = step.event
        who = event.facility_name if event.party is None else f"{event.facility_name} ({event.party})"
        done = _DONE.get(event.move, event.move).format(target=_target(story, step.offer))
        why = f": {event.reason_code}" if event.reason_code else ""
        yield f"{_time(event.at)}  {who} {done}{why}."
        if place + 1 == len(course) or course[place + 1].event.at != event.at:
            yield f"{'':21}Next: {_owes(story, step)}."


def _target(story: Story, offer: str | None) -> str:
    return next((found.owner_name for found in story.offers if found.id == offer), "nobody")


def _owes(story: Story, step: Step) -> str:
    """The party that owes the next step, with the name of its house."""
    match step.owes:
        case None:
            return "nobody owes anything"
        case Party.SENDER:
            return f"{story.sender_name} (sender)"
        case Party.RECEIVER:
            return f"{_target(story, step.offer)} (receiver)"
        case party:
            return f"{story.network_name} ({party})"


def _journey(story: Story) -> str:
    if story.loop is Loop.OPEN:
        return f"{story.journey}, open"
    since = f" since {_time(story.loop_since)}" if story.loop_since else ""
    return f"{story.journey}, {story.loop}{since}: {story.loop_reason}"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
