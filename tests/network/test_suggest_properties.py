"""What holds of every suggestion, whatever the network, and however many are asked for."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from referral.domain.codes import Direction
from referral.domain.facility import AffiliationKind, Directory, FacilityId, ServiceId
from referral.domain.policy_rules import LOINC
from referral.domain.recognition import Result
from referral.domain.suggestion import Need, Overlay
from referral.network import suggest as suggest_module
from tests.network.test_rules_of_a_network import tie
from tests.network.test_suggest import FULL, TECHNIQUE, ask, rules, targets
from tests.network.towns import TODAY, approval, directory, link, policy, service, town

NAMES = [f"t{number}" for number in range(9)]
ROWS = st.lists(
    st.tuples(
        st.integers(0, 40),
        st.integers(0, 40),
        st.sampled_from(["mainland", "mainland", "isle"]),
        st.sampled_from(["station", "satellite", "core", "central"]),
        st.booleans(),
        st.sampled_from([None, "initial", "basic", "specialised"]),
    ),
    min_size=9,
    max_size=9,
)
LINKS = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from(NAMES),
        st.integers(1, 400),
        st.sampled_from(["road", "ferry"]),
    ).filter(lambda row: row[0] != row[1]),
    max_size=6,
)
Row = tuple[int, int, str, str, bool, str | None]


WEIGHED = {
    "weights": {"wait": 7, "waitlist": 60, "continuity": 30, "green_channel": 50, "results": 40},
    "insurance": [{"when": "skips-levels", "minutes": 90, "text": "more to pay", "source": "a table"}],
    "recognition": [{"days": 9}],
}
"""What a policy may weigh beside the way and the level."""
RESULTS = (Result(frozenset({(LOINC, "718-7")}), TODAY, FacilityId("t0")),)


def made_up(
    rows: list[Row], links: list[tuple[str, str, int, str]], limit: int | None, **tables: object
) -> Directory:
    towns = [
        (town(name, north, land, level, east=east), tier)
        for name, (north, east, land, tier, _, level) in zip(NAMES, rows, strict=True)
    ]
    return directory(
        towns,
        policy(limits={} if limit is None else {"routine": limit}, **tables),
        approvals=tuple(approval(name) for name, row in zip(NAMES, rows, strict=True) if row[4]),
        services=tuple(service(f"s-{name}", name) for name in NAMES),
        links=tuple(link(one, other, str(minutes), kind) for one, other, minutes, kind in links),
        affiliations=(
            tie(AffiliationKind.GREEN_CHANNEL, "t0", "t5"),
            tie(AffiliationKind.RECOGNISES_RESULTS, "t6", "t0"),
        )
        if tables
        else (),
    )


@pytest.mark.parametrize("few", [200, 0], ids=["in one look", "ever wider"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=ROWS,
    links=LINKS,
    limit=st.sampled_from([None, 100, 400]),
    direction=st.sampled_from([None, *Direction]),
    weighed=st.none() | st.dictionaries(st.sampled_from(NAMES), st.integers(1, 20)),
)
def test_every_member_is_suggested_or_ruled_out_and_costs_add_up(  # noqa: PLR0917 - drawn by name
    monkeypatch: pytest.MonkeyPatch,
    few: int,
    rows: list[Row],
    links: list[tuple[str, str, int, str]],
    limit: int | None,
    direction: Direction | None,
    weighed: dict[str, int] | None,
) -> None:
    # So few places as are drawn are looked at in one go; a country is not.
    monkeypatch.setattr(suggest_module, "_FEW", few)
    of = made_up(rows, links, limit, **({} if weighed is None else WEIGHED))
    ahead = {FacilityId(name): count for name, count in (weighed or {}).items()}
    now = Overlay(ahead=ahead, known=frozenset(list(ahead)[:1]))
    need = Need(TECHNIQUE, direction=direction, results=RESULTS)
    found = ask(of, need, "t0", now)
    assert sorted([*targets(found), *rules(found)]) == NAMES[1:]
    assert [(x.cost, x.target) for x in found.ranked] == sorted((x.cost, x.target) for x in found.ranked)
    for suggestion in found.ranked:
        assert suggestion.cost == sum(term.minutes for term in suggestion.terms)
        assert all(term.minutes >= 0 and term.minutes.as_tuple().exponent == -1 for term in suggestion.terms)
    assert ask(of, need, "t0", now) == found


@given(ROWS, LINKS, st.sets(st.sampled_from(NAMES)), st.sampled_from(NAMES))
def test_more_capacity_never_takes_a_target_away(
    rows: list[Row], links: list[tuple[str, str, int, str]], full: set[str], freed: str
) -> None:
    of = made_up(rows, links, None)
    need = Need(specialty="surgery")

    def ranked(names: set[str]) -> list[str]:
        return targets(ask(of, need, "t0", Overlay({ServiceId(f"s-{name}"): FULL for name in names})))

    before, after = ranked(full), ranked(full - {freed})
    assert [name for name in after if name != freed] == [name for name in before if name != freed]
    assert set(before) <= set(after)
