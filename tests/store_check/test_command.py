"""`scripts/faults --check DSN`: the checker alone, on any database."""

import os

from tests.cli import ready
from tests.store_check.healthy import Healthy


def check(dsn: str, base: str | None, **variables: str) -> tuple[int, str]:
    named = [] if base is None else ["--base", base]
    done = ready.run(("--check", dsn, *named), {**os.environ, **variables}, "scripts.fault_runs")
    return done.returncode, done.stdout + done.stderr


async def test_it_says_what_it_found_and_fails(healthy: Healthy) -> None:
    assert check(healthy.owner_dsn, healthy.base) == (0, "0 violations\n")
    await healthy.connection.execute("INSERT INTO search_token VALUES ('Task', 'none', 'status', '', '')")
    code, said = check(healthy.owner_dsn, healthy.base)
    await healthy.connection.execute("DELETE FROM search_token WHERE id = 'none'")
    assert code == 1
    assert said == "index-unfounded: Task/none: has index rows and no document (search_token)\n1 violations\n"


async def test_it_verifies_the_seals_of_the_audit(healthy: Healthy) -> None:
    sealed = "SELECT min(seq) FROM audit, audit_seal WHERE seqs @> seq AND client IS NOT NULL"
    row = await healthy.connection.fetchrow(f"SELECT seq, client FROM audit WHERE seq = ({sealed})")
    assert row is not None
    change = "UPDATE audit SET client = $2 WHERE seq = $1"
    await healthy.connection.execute("SET session_replication_role = replica")
    await healthy.connection.execute(change, row["seq"], "another")
    code, said = check(healthy.owner_dsn, healthy.base)
    await healthy.connection.execute(change, row["seq"], row["client"])
    assert code == 1
    assert said.startswith("audit-")
    assert "\naudit-seal: audit: " in f"\n{said}"
    assert check(healthy.owner_dsn, healthy.base)[0] == 0


async def test_references_are_ours_at_the_address_of_the_service(healthy: Healthy) -> None:
    address = healthy.base.removesuffix("/fhir")
    assert check(healthy.owner_dsn, None, REFERRAL_BASE_URL=f"{address}/") == (0, "0 violations\n")
    assert check(healthy.owner_dsn, healthy.base, REFERRAL_BASE_URL="http://other.example")[0] == 0
    for variable in ("", "http://other.example"):
        code, said = check(healthy.owner_dsn, None, REFERRAL_BASE_URL=variable)
        assert code == 1, said
        assert "Observation/" in said


def test_a_wrong_address_of_the_service_is_wrong_use() -> None:
    code, said = check("postgresql://nobody@/none?host=/nowhere", None, REFERRAL_BASE_URL="http://u:secret@x")
    assert code == 2
    assert "scripts/faults: error: REFERRAL_BASE_URL holds a user or password" in said
    assert "secret" not in said


def test_what_cannot_be_read_is_said_in_a_line() -> None:
    code, said = check("postgresql://nobody@/none?host=/nowhere", "http://x")
    assert code == 2
    assert said.startswith("scripts/faults: cannot read that database: ")
    assert said.count("\n") == 1
