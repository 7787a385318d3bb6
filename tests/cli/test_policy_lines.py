"""What is shown of a policy: every rule with its source, and what is absent."""

from functools import cache
from importlib import resources

import pytest

from referral.cli.policy_lines import difference, policy_lines
from referral.domain.policy import Policy
from referral.exchange.network_files import read_network

NETWORK = {"id": "harbour", "name": "Harbour network", "prefix": "HN"}


@cache
def shown(name: str) -> list[str]:
    with resources.as_file(resources.files("referral.exchange").joinpath("networks", name)) as folder:
        return policy_lines(read_network(folder).policy)


@pytest.mark.parametrize(
    "line",
    [
        (
            "network: hai-phong-network, Mạng lưới chuyển tuyến hai chiều Hải Phòng, numbers begin with HP,"
            " office Hai Phong referral network office"
        ),
        "calendar: mon tue wed thu fri 07:30-11:30 13:00-17:00, Asia/Ho_Chi_Minh, public holidays of VN",
        (
            "clocks: answer within minutes: stat 15, asap 60, urgent 240, routine 1080"
            " (routine: working time) (default of the program: no source)"
        ),
        "lists: straight-to-level absent: there is no source for any",
        "lists: notifiable absent: there is no source for any",
        "recognition: absent: there is no source for any",
        (
            "insurer_codes: referral-ground (MA_LYDO_CT): meets-conditions 1, beyond-capability 2,"
            " patient-request 3 [Decision 4750/QD-BYT, table 13 of 2023-12-29]"
        ),
        "insurer_codes: miss-reason absent: there is no source for any",
        (
            "forms: to the next level 1a, leaving levels out 1b, down 2, same level 3; former levels"
            " commune < district < province < central"
            " [Circular 14/2014/TT-BYT, article 4; to be confirmed against the circular in force"
            " of 2014-04-14]"
        ),
    ],
)
def test_hai_phong_shows_its_sources_and_what_is_absent(line: str) -> None:
    assert line in shown("haiphong")


@pytest.mark.parametrize(
    "line",
    [
        "version: [invented for trying the service of 2026-01-01]",
        "limits: urgent 180 min, stat 120 min",
        "offers: auto_redirect on",
        (
            "lists: straight-to-level, to core, chest-pain, chest pain centre, 2 codes (I20, I21)"
            " [criteria of the union (invented) of 2026-01-01]"
        ),
        "required: consent for up; routine, urgent [charter of the union (invented)]",
        "required: legal-representative for younger than 18 [charter of the union (invented)]",
        "recognition: 10839-9 for 3 days [charter of the union (invented)]",
    ],
)
def test_the_union_says_that_it_is_invented(line: str) -> None:
    lines = shown("qinghe")
    assert line in lines
    assert all("invented" in one for one in lines if "[" in one)


def test_long_lists_are_cut_and_days_and_own_holidays_told() -> None:
    lines = policy_lines(
        Policy.from_mapping(
            {
                "network": NETWORK,
                "calendar": {
                    "country": "DE",
                    "subdivision": "HH",
                    "holidays": ["2025-12-24"],
                    "extra_days": ["2025-12-27"],
                },
                "lists": [
                    {
                        "kind": "notifiable",
                        "codes": [f"A{number:02}" for number in range(20)],
                        "source": "a decree",
                        "valid_from": "2025-01-01",
                    }
                ],
                "required": [{"items": ["consent"], "valid_to": "2025-12-31"}],
                "recognition": [{"days": 1}],
                "insurer_codes": [{"of": "outcome"}],
                "forms": {"up_next": "U"},
            }
        )
    )
    assert {
        "version: no source",
        "limits: none",
        "pairs: station to satellite, core, central, skipping when-next-level-lacks (the program's own)",
        (
            "calendar: mon tue wed thu fri 08:00-17:00, UTC, public holidays of DE-HH, not 2025-12-24,"
            " also 2025-12-27"
        ),
        (
            "lists: notifiable, 20 codes (A00, A01, A02, A03, A04, A05, A06, A07, A08, A09, A10, A11"
            " and 8 more), from 2025-01-01 [a decree]"
        ),
        "required: consent for every referral, until 2025-12-31",
        "recognition: every result for 1 day",
        "insurer_codes: outcome: none",
        "forms: to the next level U",
    } <= set(lines)
    bare = policy_lines(Policy.from_mapping({"network": NETWORK}))
    assert "calendar: mon tue wed thu fri 08:00-17:00, UTC, no public holidays" in bare
    assert "forms: absent: there is no source for any" in bare
    assert difference(["a", "b"], ["b", "c"]) == ["- a", "+ c"]
