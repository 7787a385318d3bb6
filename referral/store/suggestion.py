"""What a suggestion reads per request: the request, its patient, who is full and who rejected it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from referral.domain.answer_times import AnswerTimes
from referral.domain.facility import Capacity, CapacityStatus, FacilityId, NetworkId, ServiceId, Technique
from referral.domain.patients_sent import Asked, PatientsSent
from referral.domain.recognition import Result
from referral.domain.suggestion import Overlay
from referral.store.change_set import Key
from referral.store.pool import Connection, Store
from referral.store.statements import statement


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """A ServiceRequest that a facility may see. What a referral alone has is None where it is no referral.

    Referrals have network, sender, directed and authored_on. directed: whether its direction is its sender's
    word; else it is that of the last offer, or a guess.
    content, patient: JSON. Of the Patient only what a service asks for, birthDate and gender, as the
    sender (of a plain request: the facility) sees them; None where it sees none.
    """

    content: bytes
    network: NetworkId | None
    sender: FacilityId | None
    directed: bool | None
    patient: bytes | None
    authored_on: datetime | None


@dataclass(frozen=True, slots=True)
class CodedFacility:
    """A facility (or an office) that a word may stand for, with the networks in which it does."""

    id: FacilityId
    networks: tuple[NetworkId, ...]


async def find_request(connection: Connection, request: str) -> StoredRequest | None:
    """The request with this id; None both where there is none and where the connection's actor sees none."""
    row = await connection.fetchrow(statement("suggestion", "find_request"), request)
    if row is None:
        return None
    return StoredRequest(
        content=row["content"].encode(),
        network=row["network"],
        sender=row["sender"],
        directed=row["directed"],
        patient=None if row["patient"] is None else row["patient"].encode(),
        authored_on=row["authored_on"],
    )


async def find_patient(connection: Connection, actor: FacilityId, patient: str) -> bytes | None:
    """The Patient with this id as JSON; None where the actor sees none."""
    found: str | None = await connection.fetchval(statement("suggestion", "find_patient"), actor, patient)
    return None if found is None else found.encode()


async def find_patient_by_identifier(
    connection: Connection, actor: FacilityId, system: str, value: str
) -> bytes | None:
    """The one Patient with this identifier as JSON; None where the actor sees none or several."""
    found: str | None = await connection.fetchval(
        statement("suggestion", "find_patient_by_identifier"), actor, system, value
    )
    return None if found is None else found.encode()


async def find_diagnoses(
    connection: Connection, actor: FacilityId, conditions: Sequence[str]
) -> frozenset[tuple[str, str]]:
    """Systems and codes of these Conditions, as far as the actor sees them."""
    rows = await connection.fetch(statement("suggestion", "diagnoses"), actor, list(conditions))
    return frozenset((row["system"], row["code"]) for row in rows)


async def read_overlay(
    connection: Connection,
    actor: FacilityId,
    network: NetworkId,
    request: str | None,
    sent: PatientsSent | None = None,
) -> Overlay:
    """Services of the network that are full, and the facilities that rejected the request; one message.

    sent: how many are sent where; then also who has a waitlist. The rejections and the open offer of a
    request that the actor does not see are not told.
    """
    capacity: dict[ServiceId, Capacity] = {}
    rejected: set[FacilityId] = set()
    asked, waits = None, sent is not None
    for row in await connection.fetch(statement("suggestion", "overlay"), actor, network, request, waits):
        if row["rejected"] is not None:
            rejected.add(row["rejected"])
        elif row["asked"] is not None:
            asked = Asked(row["asked"], row["asked_at"])
        else:
            status = CapacityStatus(row["status"])
            capacity[row["service"]] = Capacity(status, row["free"], row["as_of"])
    return Overlay(capacity, frozenset(rejected), sent.others(network, asked) if sent else {})


async def read_known(
    connection: Connection, patient: str | None, request: str | None
) -> frozenset[FacilityId]:
    """Facilities that had the patient (or that of the request) in care, as far as the actor sees it."""
    rows = await connection.fetch(statement("suggestion", "known"), patient, request)
    return frozenset(FacilityId(row["facility"]) for row in rows)


async def read_results(connection: Connection, named: Sequence[Key]) -> dict[Key, Result]:
    """Which of these resources are final results with a day, as far as the actor sees them.

    What somebody else wrote of a house is no house's: nobody vouches for it.
    """
    types, ids = [kind for kind, _ in named], [name for _, name in named]
    rows = await connection.fetch(statement("suggestion", "results"), types, ids)
    return {
        (row["type"], row["id"]): Result(
            frozenset((system, code) for system, code in orjson.loads(row["codes"] or "[]")),
            row["dated"].astimezone(UTC).date(),
            FacilityId(row["owner"]) if not row["houses"] or row["owner"] in row["houses"] else None,
        )
        for row in rows
        if row["dated"] is not None
    }


async def read_answer_times(connection: Connection) -> AnswerTimes:
    """How long facilities took to answer lately: work for the database, so not for each question."""
    facilities: dict[tuple[NetworkId, FacilityId], tuple[int, float]] = {}
    networks: dict[NetworkId, float] = {}
    for row in await connection.fetch(statement("suggestion", "answer_times")):
        network = NetworkId(row["network"])
        if row["facility"] is None:
            networks[network] = row["minutes"]
        else:
            facilities[network, FacilityId(row["facility"])] = (row["answers"], row["minutes"])
    return AnswerTimes(facilities, networks)


async def read_patients_sent(
    connection: Connection, networks: Collection[NetworkId], now: datetime
) -> PatientsSent:
    """How many patients are sent to each facility of these networks: work, so not for each question."""
    counts: dict[NetworkId, dict[FacilityId, int]] = {}
    for row in await connection.fetch(statement("suggestion", "patients_sent"), list(networks)):
        counts.setdefault(NetworkId(row["network"]), {})[FacilityId(row["facility"])] = row["offers"]
    return PatientsSent(counts, now)


async def read_full_services(store: Store, actor: FacilityId, network: NetworkId) -> Overlay:
    """Services of the network that are full: all there is to know where no request is stored; one message."""
    row = await store.fetch_as(actor, statement("suggestion", "full_services"), network)
    full = Capacity(CapacityStatus.NO_CAPACITY)
    return Overlay({} if row is None else dict.fromkeys(row["services"], full))


async def facilities_of_code(
    connection: Connection, code: str, network: NetworkId | None = None
) -> tuple[CodedFacility, ...]:
    """The facility (or office) with this id first, then those that have it as their id in a network's file.

    With `network` only those of that file; where it has none, the one with this id.
    """
    rows = await connection.fetch(statement("suggestion", "facilities_of_code"), code, network)
    return tuple(CodedFacility(FacilityId(row["id"]), tuple(row["networks"])) for row in rows)


async def techniques_of_code(
    connection: Connection, code: str, technique_list: str | None = None
) -> tuple[Technique, ...]:
    """The techniques with this code, of one list or of all, by list."""
    rows = await connection.fetch(statement("suggestion", "techniques_of_code"), code, technique_list)
    return tuple(Technique(**row) for row in rows)
