"""Which facility a word on the command line stands for."""

from dataclasses import replace

import pytest

from referral.actions.import_network import import_network
from referral.domain.facility import NetworkId
from referral.store.pool import Store
from tests.cli.program import Program
from tests.conftest import Database
from tests.directory_writer import NOW
from tests.small_network import HOSPITAL, small_network

SEA = NetworkId("sea")
SEAS = f"sea.{HOSPITAL}"
LINE = (
    f"referral: {HOSPITAL} is a facility of hill and of sea ({SEAS}):"
    " name the network with --network, or the Organization id\n"
)


@pytest.fixture
async def program(store: Store, database: Database) -> Program:
    """Two networks whose files have the same ids."""
    await import_network(store, small_network(), NOW)
    sea = small_network(SEA, "SE")
    # The insurer's code would make one hospital of both.
    facilities = tuple(replace(facility, insurer_code=None) for facility in sea.facilities)
    await import_network(store, replace(sea, facilities=facilities), NOW)
    return Program(database.dsn)


def add(*arguments: str) -> tuple[str, ...]:
    return ("client", "add", "--name", "n", "--id", "own-id", "--generate", *arguments)


async def test_an_id_of_two_networks_is_refused_with_both_organizations(program: Program) -> None:
    added = await program.run(*add("--facility", HOSPITAL))
    assert (added.returncode, added.stdout, added.stderr) == (2, "", LINE)
    asked = await program.run("suggest", "--from", HOSPITAL)
    assert (asked.returncode, asked.stdout, asked.stderr) == (2, "", LINE)


@pytest.mark.parametrize(
    ("arguments", "facility"),
    [
        (("--facility", HOSPITAL, "--network", "hill"), HOSPITAL),
        (("--facility", HOSPITAL, "--network", "sea"), SEAS),
        (("--facility", SEAS), SEAS),
        (("--facility", "sea"), "sea"),
    ],
)
async def test_the_network_or_the_organization_id_settles_whose_client_it_is(
    program: Program, arguments: tuple[str, ...], facility: str
) -> None:
    done = await program.run(*add(*arguments))
    assert (done.returncode, done.stderr) == (0, f"own-id of {facility}\n")


async def test_the_network_or_the_organization_id_settles_who_sends(program: Program) -> None:
    of_sea = await program.run("suggest", "--from", HOSPITAL, "--network", "sea", "--excluded")
    assert (of_sea.returncode, of_sea.stderr) == (0, "")
    assert "sea." in of_sea.stdout
    by_id = await program.run("suggest", "--from", SEAS, "--excluded")
    assert by_id.stdout == of_sea.stdout
    of_hill = await program.run("suggest", "--from", HOSPITAL, "--network", "hill", "--excluded")
    assert (of_hill.returncode, of_hill.stderr) == (0, "")
    assert "sea." not in of_hill.stdout


async def test_a_code_may_be_of_several_and_the_id_of_none(program: Program, store: Store) -> None:
    async with store.writing(None) as connection:
        await connection.execute("UPDATE membership SET code = 'quay' WHERE code = $1", HOSPITAL)
    done = await program.run(*add("--facility", "quay"))
    assert done.stderr.startswith(f"referral: quay is a facility of hill ({HOSPITAL}) and of sea ({SEAS}): ")
