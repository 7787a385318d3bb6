"""What a suggestion reads for each question does not grow with the referrals that there are."""

import asyncpg

from referral.store.statements import statement
from tests.conftest import Database


async def test_of_all_offers_a_question_reads_those_of_its_referral(database: Database) -> None:
    owner = await asyncpg.connect(database.owner_dsn)
    try:
        # The tables of a test are small enough to be read from end to end.
        for name in ("seqscan", "bitmapscan"):
            await owner.execute(f"SET enable_{name} = off")
        await owner.execute("SET plan_cache_mode = force_generic_plan")
        await owner.execute(
            f"PREPARE question (text, text, text, boolean) AS {statement('suggestion', 'overlay')}"
        )
        asked = "EXPLAIN EXECUTE question ('house', 'network', 'referral', true)"
        plan = [row[0].strip() for row in await owner.fetch(asked)]
    finally:
        await owner.close()
    reads = [place for place, line in enumerate(plan) if " on offer o" in line]
    assert len(reads) == 2
    for place in reads:
        assert "Index Scan using offer_" in plan[place]
        assert "referral = $3" in plan[place + 1]
    # How many are sent where is counted for all questions at once.
    assert not any("offers_ahead" in line for line in plan)
