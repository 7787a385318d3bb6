"""What a suggestion reads per request: the request, its patient, who is full and who rejected it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from referral.domain.facility import Capacity, CapacityStatus, FacilityId, NetworkId, ServiceId, Technique
from referral.domain.suggestion import Overlay
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
    connection: Connection, actor: FacilityId, network: NetworkId, request: str | None
) -> Overlay:
    """Services of the network that are full, and the facilities that rejected the request; one message.

    The rejections of a request that the actor does not see are not told.
    """
    capacity: dict[ServiceId, Capacity] = {}
    rejected: set[FacilityId] = set()
    for row in await connection.fetch(statement("suggestion", "overlay"), actor, network, request):
        if row["rejected"] is not None:
            rejected.add(row["rejected"])
        else:
            status = CapacityStatus(row["status"])
            capacity[row["service"]] = Capacity(status, row["free"], row["as_of"])
    return Overlay(capacity, frozenset(rejected))


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
