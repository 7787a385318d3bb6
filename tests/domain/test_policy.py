"""Reading a policy, and what it permits."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from referral.domain.codes import Priority
from referral.domain.facility import Tier
from referral.domain.policy import Policy
from referral.domain.policy_reader import PolicyError
from referral.domain.policy_rules import ClockKind, Skipping

TODAY = date(2025, 7, 1)
NETWORK = {"id": "harbour", "name": "Harbour network", "prefix": "HN"}
STATION, SATELLITE, CORE, CENTRAL = Tier


def policy(**tables: object) -> Policy:
    return Policy.from_mapping({"network": NETWORK, **tables})


def pair(**keys: object) -> Policy:
    return policy(pairs=[{"from": "station", "to": ["satellite", "core"], **keys}])


def faults(mapping: dict[str, object]) -> dict[str, str]:
    with pytest.raises(PolicyError) as raised:
        Policy.from_mapping(mapping)
    assert all(path in str(raised.value) for path, _ in raised.value.faults)
    return dict(raised.value.faults)


def test_only_the_network_table_is_required() -> None:
    plain = policy()
    assert (plain.network, plain.name, plain.prefix, plain.office) == (
        "harbour",
        "Harbour network",
        "HN",
        None,
    )
    assert (plain.travel.detour, plain.travel.speed_kmh) == (1.4, 40.0)
    assert (plain.weights.travel, plain.weights.level) == (Decimal("1.0"), Decimal(30))
    assert [plain.limit(priority) for priority in Priority] == [None] * 4
    assert plain.unknown == ()


def test_every_table_is_read() -> None:
    full = Policy.from_mapping(
        {
            "network": NETWORK | {"office": "Harbour office"},
            "travel": {"detour": 1.25, "speed_kmh": 50},
            "limits": {"stat": 60, "urgent": Decimal("90.5")},
            "weights": {"travel": 2, "level": 0},
            "slip": {"working_days": 5},
            "clocks": [{"kind": "answer", "stat": 5, "asap": 6, "urgent": 7, "routine": 8}],
            "library": {},
        }
    )
    assert full.office == "Harbour office"
    assert (full.travel.detour, full.travel.speed_kmh) == (1.25, 50.0)
    assert (full.limit(Priority.STAT), full.limit(Priority.URGENT), full.limit(Priority.ROUTINE)) == (
        Decimal(60),
        Decimal("90.5"),
        None,
    )
    assert (full.weights.travel, full.weights.level) == (Decimal(2), Decimal(0))
    assert full.slip.working_days == 5
    assert full.clock(ClockKind.ANSWER, TODAY).time(Priority.STAT) == timedelta(minutes=5)
    assert full.unknown == ("library",)


def permitted(of: Policy, *, lacks: bool, on: date = TODAY) -> set[tuple[Tier, Tier]]:
    return {
        (one, other)
        for one in Tier
        for other in Tier
        if of.refusal(one, other, on, next_level_lacks=lacks) is None
    }


def test_without_pairs_a_patient_goes_up_step_by_step_down_freely_and_sideways_among_hospitals() -> None:
    down = {
        (SATELLITE, STATION),
        (CORE, STATION),
        (CENTRAL, STATION),
        (CORE, SATELLITE),
        (CENTRAL, SATELLITE),
        (CENTRAL, CORE),
    }
    beside = {(SATELLITE, SATELLITE), (CORE, CORE), (CENTRAL, CENTRAL)}
    steps = {(STATION, SATELLITE), (SATELLITE, CORE), (CORE, CENTRAL)}
    leaps = {(STATION, CORE), (STATION, CENTRAL), (SATELLITE, CENTRAL)}
    assert permitted(policy(), lacks=False) == down | beside | steps
    assert permitted(policy(), lacks=True) == down | beside | steps | leaps


@pytest.mark.parametrize(
    ("skipping", "lacks", "expected"),
    [
        ("never", True, {(STATION, SATELLITE)}),
        ("when-next-level-lacks", False, {(STATION, SATELLITE)}),
        ("when-next-level-lacks", True, {(STATION, SATELLITE), (STATION, CORE)}),
        ("always", False, {(STATION, SATELLITE), (STATION, CORE)}),
    ],
)
def test_pairs_that_are_given_replace_all_others(
    skipping: str, lacks: bool, expected: set[tuple[Tier, Tier]]
) -> None:
    assert permitted(pair(skipping=skipping), lacks=lacks) == expected


def test_a_pair_holds_on_its_days_only() -> None:
    dated = pair(valid_from=date(2025, 7, 1), valid_to="2025-12-31", skipping="always")
    assert permitted(dated, lacks=False, on=date(2025, 6, 30)) == set()
    assert permitted(dated, lacks=False, on=date(2025, 12, 31)) == {(STATION, SATELLITE), (STATION, CORE)}
    assert permitted(dated, lacks=False, on=date(2026, 1, 1)) == set()


def test_of_two_stored_rules_for_a_pair_the_more_generous_holds() -> None:
    rules = [{"from": "station", "to": "core", "skipping": rule} for rule in ("never", "always")]
    stored = Policy.from_stored({"network": NETWORK, "pairs": rules})
    assert stored.skipping(STATION, CORE, TODAY) is Skipping.ALWAYS
    assert "pairs[1].valid_from" in faults({"network": NETWORK, "pairs": rules})


def test_a_refusal_says_why_in_plain_words() -> None:
    def say(of: Policy, target: Tier) -> str | None:
        return of.refusal(STATION, target, TODAY, next_level_lacks=False)

    assert say(policy(), SATELLITE) is None
    assert say(policy(), CENTRAL) == (
        "policy: a station refers to a central hospital "
        "only when the next level lacks the technique or service"
    )
    assert say(policy(), STATION) == "policy: a station does not refer to a station"
    assert say(pair(skipping="never"), CORE) == (
        "policy: a station refers to a core hospital only through the level between"
    )


def test_a_mapping_without_network_is_refused() -> None:
    assert faults({}) == {"network": "is required"}


def test_all_faults_are_told_at_once() -> None:
    found = faults(
        {
            "network": {"id": " ", "name": 7, "prefix": "Hn", "colour": "red", "office": ""},
            "travel": {"detour": 0, "speed_kmh": "fast", "wind": 3},
            "limits": {"stat": True, "soon": 5, "urgent": 0},
            "weights": {"travel": -1, "level": float("nan")},
            "slip": 10,
            "pairs": [
                {"from": "clinic", "to": "core"},
                {"from": "station", "to": []},
                {"from": "station", "to": ["moon"], "skipping": "sometimes"},
                {"from": "station", "to": 5, "valid_from": "July", "valid_to": 2026, "source": 1},
                {"from": "station", "to": "core", "valid_from": "2026-01-01", "valid_to": "2025-01-01"},
                "station to core",
            ],
        }
    )
    tiers = "must be one of station, satellite, core, central"
    assert found == {
        "network.id": "must be a text that is not empty",
        "network.name": "must be a text that is not empty",
        "network.prefix": "must be two capital letters A-Z",
        "network.colour": "is not known here",
        "network.office": "must be a text that is not empty",
        "travel.detour": "must be a number, above zero, at most 1000000",
        "travel.speed_kmh": "must be a number, above zero, at most 1000000",
        "travel.wind": "is not known here",
        "limits.stat": "must be a number, above zero, at most 1000000",
        "limits.urgent": "must be a number, above zero, at most 1000000",
        "limits.soon": "is not known here",
        "weights.travel": "must be a number, zero or more, at most 1000000",
        "weights.level": "must be a number, zero or more, at most 1000000",
        "slip": "must be a table",
        "pairs[0].from": tiers,
        "pairs[1].to": "must list at least one tier",
        "pairs[2].to": tiers,
        "pairs[2].skipping": "must be one of never, when-next-level-lacks, always",
        "pairs[3].to": "must list at least one tier",
        "pairs[3].valid_from": "must be a date like 2025-07-01",
        "pairs[3].valid_to": "must be a date like 2025-07-01",
        "pairs[3].source": "must be a text that is not empty",
        "pairs[4].valid_to": "must not be before valid_from",
        "pairs[5]": "must be a table",
    }


def test_pairs_must_be_a_list() -> None:
    assert faults({"network": NETWORK, "pairs": {"from": "station"}}) == {"pairs": "must be a list of tables"}


def test_a_required_text_that_is_absent_is_told_as_required() -> None:
    assert faults({"network": {"id": "harbour"}}) == {
        "network.name": "is required",
        "network.prefix": "is required",
    }


def test_a_stored_policy_is_read_although_it_has_keys_of_another_version() -> None:
    tables = {
        "network": NETWORK | {"motto": "x"},
        "pairs": [{"from": "station", "to": "core", "weekdays": "all"}],
        "weights": {"level": 5, "comfort": 1},
        "library": {},
    }
    stored = Policy.from_stored(tables)
    assert stored.weights.level == Decimal(5)
    assert [(rule.sender, rule.targets) for rule in stored.pairs] == [(STATION, {CORE})]
    assert set(stored.unknown) == {"library", "network.motto", "pairs[0].weekdays", "weights.comfort"}
    assert set(faults(tables)) == {"network.motto", "pairs[0].weekdays", "weights.comfort"}


def test_a_stored_policy_with_a_value_that_means_nothing_is_refused() -> None:
    with pytest.raises(PolicyError, match=r"weights\.level"):
        Policy.from_stored({"network": NETWORK, "weights": {"level": "much"}})
