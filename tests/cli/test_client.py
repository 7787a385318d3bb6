"""`referral client`."""

import json
import stat
from pathlib import Path

import httpx
import pytest

from referral.actions.add_client import generate_keys
from referral.cli.demo_system import Credential, System
from tests.cli.program import Program
from tests.conftest import Database
from tests.running_service import RunningService

FACILITY = "kien-an-hospital"


@pytest.fixture
def program(demo_database: Database) -> Program:
    return Program(demo_database.dsn)


async def _works(service: RunningService, client_id: str, private_jwk: dict[str, object]) -> bool:
    """Whether a system signs in with it, and reads what its facility may read."""
    credential = Credential(
        client_id=client_id,
        facility=FACILITY,
        name=FACILITY,
        tier="",
        scope="system/*.cruds",
        private_jwk=private_jwk,
    )
    async with httpx.AsyncClient(base_url=service.base_url) as http:
        system = System(http, credential, f"{service.base_url}/oauth/token")
        return (await system.read("Organization", FACILITY))["id"] == FACILITY


async def test_a_generated_key_works_and_its_file_is_the_owners_alone(
    service: RunningService, program: Program, tmp_path: Path
) -> None:
    out = tmp_path / "key.json"
    added = ("client", "add", "--facility", FACILITY, "--name", "Ward 3", "--generate", "--out", str(out))
    done = await program.run(*added)
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    client_id = done.stdout.split()[0]
    assert await _works(service, client_id, json.loads(out.read_text()))

    listed = (await program.run("client", "list")).stdout
    assert [client_id, FACILITY, "Ward", "3"] in [line.split()[:4] for line in listed.splitlines()]

    before = out.read_bytes()
    again = await program.run(*added)
    assert (again.returncode, again.stderr) == (2, f"referral: {out}: File exists\n")
    assert out.read_bytes() == before


async def test_a_generated_key_alone_is_on_standard_output(service: RunningService, program: Program) -> None:
    done = await program.run(
        "client", "add", "--facility", FACILITY, "--name", "n", "--id", "own-id", "--generate"
    )
    assert done.stderr == f"own-id of {FACILITY}\n"
    assert await _works(service, "own-id", json.loads(done.stdout))


async def test_public_keys_of_a_file_are_registered(
    service: RunningService, program: Program, tmp_path: Path
) -> None:
    private, public = generate_keys()
    jwks = tmp_path / "jwks.json"
    jwks.write_text(json.dumps({"keys": [public]}))
    done = await program.run("client", "add", "--facility", FACILITY, "--name", "n", "--jwks", str(jwks))
    assert done.returncode == 0, done.stderr
    assert await _works(service, done.stdout.split()[0], private)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is not a JWK Set"),
        ("{}", "A JWK Set is"),
        (json.dumps({"keys": [generate_keys()[0]]}), "Key 1 is a private key"),
    ],
    ids=["half", "deep", "list", "empty", "private"],
)
async def test_a_wrong_key_file_is_one_line(
    program: Program, tmp_path: Path, content: str, said: str
) -> None:
    jwks = tmp_path / "jwks.json"
    jwks.write_text(content)
    done = await program.run("client", "add", "--facility", FACILITY, "--name", "n", "--jwks", str(jwks))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("referral: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


async def test_for_an_unknown_facility_no_key_is_left_behind(program: Program, tmp_path: Path) -> None:
    out = tmp_path / "key.json"
    done = await program.run(
        "client", "add", "--facility", "nowhere", "--name", "n", "--generate", "--out", str(out)
    )
    assert (done.returncode, done.stderr) == (2, "referral: There is no facility 'nowhere'.\n")
    assert not out.exists()


async def test_ids_are_copied_from_a_narrow_terminal_too(service: RunningService, program: Program) -> None:
    del service
    client_id = "a-system-with-a-name-that-is-nearly-as-long-as-an-id-may-be-63ch"
    added = ("client", "add", "--facility", FACILITY, "--name", "Ward 4", "--id", client_id, "--generate")
    key = json.loads((await program.run(*added)).stdout)["kid"]
    for printed in (
        (await program.run("client", "list")).stdout,
        await program.run_on_terminal("client", "list"),
    ):
        (line,) = [line for line in printed.splitlines() if client_id in line.split()]
        assert {FACILITY, "system/*.cruds", key} <= set(line.split())
