"""Every fault of an import folder is found, with file, line, column and reason."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from referral.domain.errors import BrokenRule
from referral.domain.facility import (
    Affiliation,
    AffiliationKind,
    Approval,
    Capacity,
    CapacityStatus,
    Facility,
    FacilityId,
    Level,
    Link,
    LinkKind,
    Membership,
    NetworkId,
    Service,
    ServiceId,
    Technique,
    Tier,
)
from referral.exchange.network_files import ImportFaults, read_network

FACILITIES = "id,name,tier,lat,lon,landmass,active,level,points\n"
SERVICES = "facility,id,name,specialty,age_min,age_max,sex,hours,capacity,free\n"
TECHNIQUES = "list,code,name,level\n"
APPROVALS = "facility,service,list,technique,state,valid_from,valid_to,decision\n"
AFFILIATIONS = "kind,organization,participating,needs,valid_from,valid_to\n"
LINKS = "from,to,minutes,kind,both_ways,source\n"

VALID = {
    "facilities.csv": FACILITIES
    + "north,North Station,station,20.9,106.7,,,,\n"
    + "house,Provincial House,core,20.8,106.6,mainland,yes,basic,70\n"
    + "isle,Isle Station,station,20.1,107.7,isle,no,,\n",
    "services.csv": SERVICES + "house,eye,Eye clinic,394594003,16,90,female,Mon-Fri,capacity,4\n",
    "techniques.csv": TECHNIQUES + "list-1,14.0005,Cataract operation,B\n",
    "approvals.csv": APPROVALS + "house,eye,list-1,14.0005,approved,2025-01-01,2026-12-31,No. 7\n",
    "affiliations.csv": AFFILIATIONS + "refers-to,north,house,14.0005; 394594003,2025-07-01,\n",
    "links.csv": LINKS + "isle,north,90.5,ferry,no,timetable\n",
    "policy.toml": '[network]\nid = "net"\nname = "Net"\nprefix = "NT"\n[version]\nvalid_from = 2025-07-01\n',
}


@pytest.fixture
def folder(tmp_path):
    """Return a function that writes the valid network with some files replaced (None: left out)."""

    def write(replaced: dict[str, str | bytes | None] | None = None) -> Path:
        for name, content in {**VALID, **(replaced or {})}.items():
            if isinstance(content, str):
                content = content.encode()  # noqa: PLW2901 - text of a case is UTF-8
            if content is not None:
                (tmp_path / name).write_bytes(content)
        return tmp_path

    return write


def test_reads_every_row_typed(folder):
    draft = read_network(folder())

    net, north, house, isle = NetworkId("net"), FacilityId("north"), FacilityId("house"), FacilityId("isle")
    assert (draft.id, draft.name, draft.prefix) == ("net", "Net", "NT")
    assert draft.facilities == (
        Facility(north, "North Station", 20.9, 106.7),
        Facility(house, "Provincial House", 20.8, 106.6, level=Level.BASIC, points=70),
        Facility(isle, "Isle Station", 20.1, 107.7, landmass="isle", active=False),
    )
    assert draft.memberships == (
        Membership(net, north, Tier.STATION, "north"),
        Membership(net, house, Tier.CORE, "house"),
        Membership(net, isle, Tier.STATION, "isle"),
    )
    eye = ServiceId("eye")
    assert draft.services == (Service(eye, house, "Eye clinic", "394594003", 16, 90, "female", "Mon-Fri"),)
    assert draft.capacities == {(house, eye): Capacity(CapacityStatus.CAPACITY, 4)}
    assert draft.techniques == (Technique("list-1", "14.0005", "Cataract operation", level="B"),)
    assert draft.approvals == (
        Approval(house, eye, "list-1", "14.0005", "approved", date(2025, 1, 1), date(2026, 12, 31), "No. 7"),
    )
    assert draft.affiliations == (
        Affiliation(net, AffiliationKind.REFERS_TO, north, house, ("14.0005", "394594003"), date(2025, 7, 1)),
    )
    assert draft.links == (
        Link(net, isle, north, Decimal("90.5"), LinkKind.FERRY, both_ways=False, source="timetable"),
    )
    assert draft.policy.prefix == "NT"
    # As it is stored: dates are texts in JSON.
    assert draft.policy_mapping["version"] == {"valid_from": "2025-07-01"}
    assert draft.warnings == ()


def test_only_facilities_and_policy_must_be_there(folder):
    others = set(VALID) - {"facilities.csv", "policy.toml"}
    draft = read_network(folder(dict.fromkeys(others)))
    assert len(draft.facilities) == 3
    assert draft.links == draft.services == draft.approvals == ()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\ufeff" + VALID["facilities.csv"], id="byte order mark"),
        pytest.param(VALID["facilities.csv"].replace("\n", "\r\n"), id="line ends of Windows"),
        pytest.param(VALID["facilities.csv"] + ",,,,,,,,\n\n", id="empty rows at the end"),
        pytest.param(VALID["facilities.csv"].rstrip("\n"), id="no line end at the end"),
        pytest.param(VALID["facilities.csv"].replace("North Station", " North Station "), id="space around"),
    ],
)
def test_harmless_differences_give_the_same_facilities(folder, text):
    assert read_network(folder({"facilities.csv": text})).facilities == read_network(folder()).facilities


def test_an_optional_file_may_hold_its_header_alone(folder):
    assert read_network(folder({"links.csv": LINKS})).links == ()


def test_an_approval_without_service_is_for_the_facility(folder):
    draft = read_network(folder({"approvals.csv": APPROVALS + "house,,list-1,14.0005,,,,\n"}))
    assert draft.approvals == (Approval(FacilityId("house"), None, "list-1", "14.0005"),)


def test_two_facilities_may_have_services_of_one_id(folder):
    draft = read_network(folder({"services.csv": SERVICES + "house,eye,E,,,,,,,\nnorth,eye,E,,,,,,,\n"}))
    assert [service.facility for service in draft.services] == ["house", "north"]
    assert draft.capacities == {}


def test_what_has_no_effect_is_a_warning(folder):
    policy = VALID["policy.toml"] + "[colours]\nred = 1\n"
    draft = read_network(folder({"policy.toml": policy, "approval.csv": "x\n"}))
    assert draft.warnings == (
        "policy.toml: table [colours] is unknown and has no effect",
        "approval.csv is not a file of the import format and was not read",
    )


@dataclass(frozen=True)
class Case:
    """A file with faults: (line, column, part of the reason) of each, and no others."""

    name: str
    file: str
    content: str | bytes | None
    faults: tuple[tuple[int, str, str], ...]


def facilities(*rows: str) -> str:
    return VALID["facilities.csv"] + "".join(row + "\n" for row in rows)


def more(file: str, *rows: str) -> str:
    return VALID[file] + "".join(row + "\n" for row in rows)


HEADERLESS = VALID["facilities.csv"].split("\n", 1)[1]
F, S, T, A, L = "facilities.csv", "services.csv", "techniques.csv", "approvals.csv", "links.csv"
TIES, POLICY = "affiliations.csv", "policy.toml"
NETWORK = '[network]\nid = "net"\nname = "Net"\nprefix = "NT"\n'

CASES = [
    # The file
    Case("facilities missing", F, None, ((0, "", "is missing"),)),
    Case("policy missing", POLICY, None, ((0, "", "is missing"),)),
    Case("empty file", F, "", ((0, "", "is empty"),)),
    Case("byte order mark alone", L, b"\xef\xbb\xbf", ((0, "", "is empty"),)),
    Case("blank lines alone", S, "\n\n", ((0, "", "is empty"),)),
    Case("header alone", F, FACILITIES, ((0, "", "has no facility"),)),
    Case(
        "encoding of Windows",
        F,
        FACILITIES.encode() + b"a,Tr\xe9m,station,1,2,,,,\nb,B,station,1,2,,,,\nc,\xe9,station,1,2,,,,\n",
        ((2, "", "not UTF-8 (byte 0xe9)"), (4, "", "not UTF-8 (byte 0xe9)")),
    ),
    Case("quote never closed", L, LINKS + 'isle,north,9,ferry,no,"tide\n', ((2, "", "is not CSV"),)),
    Case("cell beyond what CSV takes", L, LINKS + "x" * 200_000 + "\n", ((2, "", "is not CSV"),)),
    # The header
    Case("no header", F, HEADERLESS, ((1, "", "the first row is not the header"),)),
    Case("semicolons", F, VALID[F].replace(",", ";"), ((1, "", "separate the columns by commas"),)),
    Case("column missing", F, "id,name,tier,lat\na,A,station,1\n", ((1, "lon", "missing in the header"),)),
    Case(
        "columns unknown",
        L,
        "from,to,minutes,kind,colour,\n",
        ((1, "", "without a name"), (1, "colour", "not a column")),
    ),
    Case("column repeated", T, "list,code,code,name\n", ((1, "code", "repeated in the header"),)),
    # The row
    Case("too few cells", F, facilities("a,A,station"), ((5, "", "has 3 cells; the header has 9"),)),
    Case(
        "too many cells", L, more(L, "north,isle,9,road,no,,,"), ((3, "", "has 8 cells; the header has 6"),)
    ),
    Case("control character", F, facilities("a,A\x07,station,1,2,,,,"), ((5, "name", "control character"),)),
    Case("NUL", F, facilities("a,A\0,station,1,2,,,,"), ((5, "name", "control character"),)),
    Case(
        "very long cell",
        F,
        facilities(f"a,{'A' * 1001},station,1,2,,,,"),
        ((5, "name", "has 1001 characters"),),
    ),
    Case(
        "line after a quoted line end",
        F,
        facilities('"a","first\nsecond",station,1,2,,,,', "b,B,nowhere,1,2,,,,"),
        ((7, "tier", "'nowhere' is unknown; one of station, satellite, core, central"),),
    ),
    Case(
        "required cells empty",
        F,
        facilities(",,,,,,,,0"),
        tuple((5, column, "is empty") for column in ("id", "lat", "lon", "name", "tier")),
    ),
    # Values
    Case("bad number", F, facilities("a,A,station,abc,2,,,,"), ((5, "lat", "'abc' is not a number"),)),
    Case("decimal comma", F, facilities('a,A,station,"20,9",2,,,,'), ((5, "lat", "'20,9' is not a number"),)),
    Case(
        "not a number",
        F,
        facilities("a,A,station,nan,inf,,,,"),
        ((5, "lat", "not a number"), (5, "lon", "not a number")),
    ),
    Case(
        "exponent",
        F,
        facilities("a,A,station,1e1,1_0,,,,"),
        ((5, "lat", "not a number"), (5, "lon", "not a number")),
    ),
    Case("digits of another script", F, facilities("a,A,station,٢,2,,,,"), ((5, "lat", "not a number"),)),
    Case(
        "out of the globe",
        F,
        facilities("a,A,station,90.1,-180.1,,,,"),
        ((5, "lat", "not between -90 and 90"), (5, "lon", "not between -180 and 180")),
    ),
    Case(
        "unknown level",
        F,
        facilities("a,A,station,1,2,,,high,"),
        ((5, "level", "one of initial, basic, specialised"),),
    ),
    Case("points not whole", F, facilities("a,A,station,1,2,,,,7.5"), ((5, "points", "not a whole number"),)),
    Case(
        "neither yes nor no",
        F,
        facilities("a,A,station,1,2,,maybe,,"),
        ((5, "active", "neither yes nor no"),),
    ),
    Case(
        "landmass of two words",
        F,
        facilities("a,A,station,1,2,cat hai,,,"),
        ((5, "landmass", "is not a code"),),
    ),
    Case("id with space and mark", F, facilities("trạm 1,A,station,1,2,,,,"), ((5, "id", "is not an id"),)),
    Case("id too long", F, facilities(f"{'a' * 65},A,station,1,2,,,,"), ((5, "id", "is not an id"),)),
    Case(
        "id of the network", F, facilities("net,A,station,1,2,,,,"), ((5, "id", "id of the network itself"),)
    ),
    Case("facility twice", F, facilities("house,A,station,1,2,,,,"), ((5, "id", "repeats line 3"),)),
    # Services
    Case("service twice", S, more(S, "house,eye,E,,,,,,,"), ((3, "id", "repeats line 2"),)),
    Case(
        "service of nobody",
        S,
        more(S, "moon,eye,E,,,,,,,"),
        ((3, "facility", "facilities.csv has no 'moon'"),),
    ),
    Case("unknown sex", S, more(S, "house,e,E,,,,f,,,"), ((3, "sex", "one of female, male"),)),
    Case("unknown capacity", S, more(S, "house,e,E,,,,,,lots,1"), ((3, "capacity", "'lots' is unknown"),)),
    Case("free without capacity", S, more(S, "house,e,E,,,,,,,1"), ((3, "free", "need a capacity status"),)),
    Case("free below zero", S, more(S, "house,e,E,,,,,,capacity,-1"), ((3, "free", "not between 0 and"),)),
    Case("ages the wrong way", S, more(S, "house,e,E,,16,15,,,,"), ((3, "age_max", "less than age_min 16"),)),
    Case("specialty as text", S, more(S, "house,e,E,eye clinic,,,,,,"), ((3, "specialty", "is not a code"),)),
    # Techniques and approvals
    Case("technique twice", T, more(T, "list-1,14.0005,Again,C"), ((3, "code", "repeats line 2"),)),
    Case("unknown technique level", T, more(T, "list-1,2,Two,E"), ((3, "level", "one of A, B, C, D"),)),
    Case("list that is no id", T, more(T, "list 1,2,Two,A"), ((3, "list", "is not an id"),)),
    Case(
        "approval twice",
        A,
        more(A, "house,eye,list-1,14.0005,,2025-01-01,,"),
        ((3, "technique", "repeats line 2"),),
    ),
    Case(
        "approval of nothing",
        A,
        more(A, "moon,ear,list-2,14.0005,,,,", "house,eye,list-1,99,,,,"),
        (
            (3, "facility", "has no 'moon'"),
            (3, "service", "services.csv has no 'ear' of 'moon'"),
            (3, "technique", "techniques.csv has no '14.0005' in list 'list-2'"),
            (4, "technique", "techniques.csv has no '99' in list 'list-1'"),
        ),
    ),
    Case(
        "unknown state",
        A,
        more(A, "house,,list-1,14.0005,maybe,,,"),
        ((3, "state", "one of approved, suspended"),),
    ),
    Case(
        "dates the wrong way",
        A,
        more(A, "house,,list-1,14.0005,,2026-01-02,2026-01-01,"),
        ((3, "valid_to", "2026-01-01 is before valid_from 2026-01-02"),),
    ),
    Case(
        "no date",
        A,
        more(A, "house,,list-1,14.0005,,2026-02-30,20260301,"),
        ((3, "valid_from", "'2026-02-30' is not a date"), (3, "valid_to", "'20260301' is not a date")),
    ),
    # Affiliations
    Case("unknown kind", TIES, more(TIES, "likes,north,house,,,"), ((3, "kind", "'likes' is unknown"),)),
    Case(
        "member as affiliation", TIES, more(TIES, "member,north,house,,,"), ((3, "kind", "facilities.csv"),)
    ),
    Case(
        "dangling affiliation",
        TIES,
        more(TIES, "supports,north,moon,,,"),
        ((3, "participating", "has no 'moon'"),),
    ),
    Case(
        "affiliation to itself",
        TIES,
        more(TIES, "supports,north,north,,,"),
        ((3, "participating", "same facility"),),
    ),
    Case(
        "affiliation twice",
        TIES,
        more(TIES, "refers-to,north,house,,2025-07-01,"),
        ((3, "organization", "repeats line 2"),),
    ),
    Case(
        "need too long",
        TIES,
        more(TIES, f"supports,north,house,{'9' * 65},,"),
        ((3, "needs", "is not a code"),),
    ),
    # Links
    Case("no minutes", L, more(L, "north,house,0,road,,"), ((3, "minutes", "more than 0"),)),
    Case("negative minutes", L, more(L, "north,house,-5,road,,"), ((3, "minutes", "not between"),)),
    Case("unknown way", L, more(L, "north,house,5,rail,,"), ((3, "kind", "one of road, ferry"),)),
    Case("link to itself", L, more(L, "north,north,5,road,,"), ((3, "to", "same facility as from"),)),
    Case("dangling link", L, more(L, "moon,north,5,road,,"), ((3, "from", "has no 'moon'"),)),
    Case("link twice", L, more(L, "isle,north,5,ferry,,"), ((3, "from", "repeats line 2"),)),
    Case("link there and back", L, more(L, "north,isle,5,ferry,yes,"), ((3, "to", "repeats line 2"),)),
    # Policy
    Case("not TOML", POLICY, "[network\n", ((0, "", "is not TOML"),)),
    Case("policy in another encoding", POLICY, b'[network]\nid = "\xe9"\n', ((2, "", "not UTF-8"),)),
    Case("absurd integer", POLICY, NETWORK + "[slip]\ndays = " + "9" * 5000, ((0, "", "is not TOML"),)),
    Case("absurd depth", POLICY, NETWORK + "[slip]\ndays = " + "[" * 50_000, ((0, "", "nested too deeply"),)),
    Case("policy too large", POLICY, NETWORK + "# \n" * 700_000, ((0, "", "larger than 2 MB"),)),
    Case(
        "calendar of nowhere",
        POLICY,
        NETWORK + '[calendar]\ncountry = "ZZ"\ntimezone = "../etc"\n[offers]\nauto_redirect = 1\n',
        (
            (0, "calendar.country", "not known"),
            (0, "calendar.timezone", "IANA"),
            (0, "offers.auto_redirect", "true or false"),
        ),
    ),
    Case(
        "subdivision",
        POLICY,
        NETWORK + '[calendar]\ncountry = "VN"\nsubdivision = "31"\n',
        ((0, "calendar.subdivision", "is not known; of VN these are: none"),),
    ),
    Case("no network", POLICY, "", ((0, "network", "is required"),)),
    Case("prefix", POLICY, NETWORK.replace("NT", "Nt"), ((0, "network.prefix", "two capital letters"),)),
    Case("network id", POLICY, NETWORK.replace('"net"', '"a b"'), ((0, "network.id", "is not an id"),)),
    Case(
        "faults of the policy",
        POLICY,
        NETWORK + '[[pairs]]\nfrom = "moon"\nto = ["core"]\n[travel]\nspeed_kmh = 0\n',
        ((0, "pairs[0].from", "must be one of"), (0, "travel.speed_kmh", "above zero")),
    ),
    Case("key JSON cannot hold", POLICY, '"\\u0000" = 1\n' + NETWORK, ((0, "", "key with a control"),)),
    Case(
        "what JSON cannot hold",
        POLICY,
        NETWORK + '[slip]\na = nan\nb = ["\\u0000"]\n"\\u0000" = 1\n',
        (
            (0, "slip", "key with a control"),
            (0, "slip.a", "finite"),
            (0, "slip.b", "not known"),
            (0, "slip.b[0]", "control character"),
        ),
    ),
    Case(
        "what JSON cannot hold hides nothing else",
        POLICY,
        NETWORK + '[limits]\nstat = inf\n[travel]\nspeed_kmh = 0\n[offers]\nauto_redirect = "\\u0007yes"\n',
        (
            (0, "limits.stat", "finite"),
            (0, "offers.auto_redirect", "control character"),
            (0, "travel.speed_kmh", "above zero"),
        ),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fault(folder, case):
    with pytest.raises(ImportFaults) as caught:
        read_network(folder({case.file: case.content}))

    found = caught.value.faults
    assert {fault.file for fault in found} == {case.file}
    assert [(fault.line, fault.column) for fault in found] == [
        (line, column) for line, column, _ in case.faults
    ]
    for fault, (_, _, reason) in zip(found, case.faults, strict=True):
        assert reason in fault.reason


def test_faults_of_all_files_come_at_once(folder):
    broken = {
        F: facilities("b,B,nowhere,1,2,,,,", "b,B,station,x,2,,,,"),
        L: more(L, "north,house,0,road,,"),
        POLICY: NETWORK.replace("NT", "nt"),
    }
    with pytest.raises(ImportFaults) as caught:
        read_network(folder(broken))

    assert isinstance(caught.value, BrokenRule)
    assert len(caught.value.problems) == 5
    assert str(caught.value).splitlines() == [
        "facilities.csv line 5, tier: 'nowhere' is unknown; one of station, satellite, core, central",
        "facilities.csv line 6, id: repeats line 5",
        "facilities.csv line 6, lat: 'x' is not a number",
        "links.csv line 3, minutes: a way takes more than 0 minutes",
        "policy.toml, network.prefix: must be two capital letters A-Z",
    ]


def test_who_refers_to_a_faulty_row_is_not_at_fault(folder):
    broken = VALID[F].replace("20.8", "x")
    with pytest.raises(ImportFaults) as caught:
        read_network(folder({F: broken}))
    assert [(fault.file, fault.column) for fault in caught.value.faults] == [(F, "lat")]


def test_a_long_value_is_cut_in_the_message(folder):
    with pytest.raises(ImportFaults) as caught:
        read_network(folder({F: facilities(f"a,A,{'x' * 900},1,2,,,,")}))
    assert "'" + "x" * 40 + "...'" in caught.value.faults[0].reason
    assert len(caught.value.faults[0].reason) < 120


@pytest.mark.parametrize("made", ["nothing", "file"])
def test_the_folder_must_be_one(tmp_path, made):
    place = tmp_path / "network"
    if made == "file":
        place.write_text("x")
    with pytest.raises(
        ImportFaults, match="there is no such folder" if made == "nothing" else "not a folder"
    ):
        read_network(place)


def test_a_folder_in_place_of_a_file_is_a_fault(folder):
    place = folder({L: None})
    (place / L).mkdir()
    with pytest.raises(ImportFaults, match=r"links\.csv: is not a file"):
        read_network(place)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    file=st.sampled_from(sorted(VALID)),
    at=st.integers(0, 300),
    cut=st.integers(0, 20),
    inserted=st.binary(max_size=12) | st.text('",;\r\n\0\ufeffé1-', max_size=12).map(str.encode),
)
def test_whatever_bytes_stand_in_a_file_the_answer_is_a_draft_or_faults(folder, file, at, cut, inserted):
    content = VALID[file].encode()
    place = folder({file: content[:at] + inserted + content[at + cut :]})
    faults, facilities_read = (), ()
    try:
        facilities_read = read_network(place).facilities
    except ImportFaults as refusal:
        faults = refusal.faults
    assert bool(faults) != bool(facilities_read)
    assert {fault.file for fault in faults} <= set(VALID)
