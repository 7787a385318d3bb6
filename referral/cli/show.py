"""`referral show`."""

import asyncio
from datetime import datetime
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.table import Table

from referral.cli.database import data_option, open_store
from referral.cli.errors import Refusal
from referral.cli.standard_output import standard_output
from referral.domain.number import is_referral_number
from referral.store.referral import Story, ToldEvent, find_story, network_of_number


@click.command()
@data_option
@click.argument("number")
def show(data: Path, number: str) -> None:
    """Show the referral with this NUMBER: who sent it, where it stands, all that happened to it.

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
    facts = {
        "Referral": f"{story.number}, {story.direction}, {story.priority}, ServiceRequest/{story.id}",
        "State": story.state,
        "Network": story.network_name,
        "From": f"{story.sender_name}, {_time(story.authored_on)}",
        **{
            f"Offer {place}": f"{offer.owner_name}: {offer.state}, Task/{offer.id}"
            for place, offer in enumerate(story.offers, 1)
        },
    }
    if story.based_on is not None:
        facts["Continues"] = f"{story.based_on}, journey {story.journey}"
    for name, fact in facts.items():
        console.print(f"{name + ':':<11}{fact}", soft_wrap=True)
    places = {offer.id: f"offer {place}" for place, offer in enumerate(story.offers, 1)}
    table = Table("at", "who", "move", "of", "from", "to", "reason", box=box.SIMPLE_HEAD)
    for event in story.events:
        table.add_row(*_row(event, places.get(event.id, "referral")))
    console.print(table)


def _row(event: ToldEvent, what: str) -> tuple[str, ...]:
    who = event.facility_name if event.party is None else f"{event.facility_name} ({event.party})"
    states = (event.from_state or "", event.to_state or "", event.reason_code or "")
    return (_time(event.at), who, event.move, what, *states)


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
