"""The converter of the public list of facilities: what it makes can be imported."""

import subprocess
import sys
from pathlib import Path

import pytest

from referral.domain.facility import Tier
from referral.exchange.network_files import read_network

ROOT = Path(__file__).parents[2]
LIST = ROOT.parent / "shared" / "data" / "who_ssa_facilities_2019.csv.gz"
HEAD = "iso3,admin1,name,type_local,type9,tier,ownership,lat,lon"
ROWS = (
    "AGO,Bengo,Hospital Dos Dembos,Hospital,Hospital,3,Govt.,-8.50255,14.58618",
    "NGA,Enugu,Nsukka Teaching Hospital,University Teaching Hospital,Hospital,4,,6.85526,7.38843",
    "NGA,Katsina,Nasarawa Health Clinic,Clinic,Health Clinic,2,,12.1,7.5",
    "NGA,Katsina,Nasarawa Health Clinic,Clinic,Health Clinic,2,,12.1,7.5",
    "NGA,Katsina,Nasarawa  Health Clinic,Clinic,Health Clinic,2,,12.9,7.6",
    'NGA,Kano,"Ọmọ, Post",Health Post,Health Post,1,CBO,12.0,8.5',
    f"NGA,Kano,{'Very long ' * 8},Hospital,Hospital,3,,12.0,8.6",
    f"NGA,Kano,{'Very long ' * 9},Hospital,Hospital,3,,12.0,8.7",
)


def make(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, ROOT / "scripts" / "make_country_network.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "list.csv"
    path.write_text("\n".join((HEAD, *ROWS)) + "\n", encoding="utf-8")
    return path


def test_what_it_makes_is_a_network(tmp_path: Path, source: Path) -> None:
    folder = tmp_path / "nigeria"
    made = make("nga", folder, "--source", source, "--name", "Facilities of Nigeria")
    assert (made.returncode, made.stdout) == (0, f"{folder}: 6 facilities\n")
    before = (folder / "facilities.csv").read_bytes()
    draft = read_network(folder)
    assert (draft.id, draft.name, draft.prefix, draft.warnings) == (
        "nga-network",
        "Facilities of Nigeria",
        "NG",
        (),
    )
    tiers = {membership.facility: membership.tier for membership in draft.memberships}
    assert tiers == {
        "nsukka-teaching-hospital-enugu": Tier.CENTRAL,
        "nasarawa-health-clinic-katsina": Tier.SATELLITE,
        "nasarawa-health-clinic-katsina-2": Tier.SATELLITE,
        "omo-post-kano": Tier.STATION,
        "very-long-very-long-very-long-very-long-very-long-very-long-very": Tier.CORE,
        "very-long-very-long-very-long-very-long-very-long-very-long-ve-2": Tier.CORE,
    }
    first, *_, post = (
        each for each in draft.facilities if each.id in {"nsukka-teaching-hospital-enugu", "omo-post-kano"}
    )
    assert (first.latitude, first.longitude, first.position) == (6.85526, 7.38843, "WHO list of 2019")
    assert (post.name, post.commune) == ("Ọmọ, Post", "Kano")
    assert "CC BY 4.0" in (folder / "NOTICE.md").read_text(encoding="utf-8")
    assert make("NGA", folder, "--source", source).returncode == 0
    assert (folder / "facilities.csv").read_bytes() == before


@pytest.mark.parametrize("country", ["VNM", "Nigeria", "../"])
def test_a_country_without_facilities_is_refused(tmp_path: Path, source: Path, country: str) -> None:
    made = make(country, tmp_path / "out", "--source", source)
    assert made.returncode != 0
    assert made.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not LIST.exists(), reason="the list is not beside the repository (../shared/data)")
def test_the_whole_list_of_a_country(tmp_path: Path) -> None:
    made = make("GMB", tmp_path)
    assert made.returncode == 0, made.stderr
    assert len(read_network(tmp_path).facilities) > 50
