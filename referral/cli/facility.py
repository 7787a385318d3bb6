"""The facility that a person means by a word: an Organization id, or an id in the file of a network."""

from referral.cli.errors import Refusal
from referral.domain.facility import FacilityId, NetworkId
from referral.store.pool import Connection
from referral.store.suggestion import CodedFacility, facilities_of_code


async def find_facility(connection: Connection, code: str, network: NetworkId | None) -> FacilityId | None:
    """The one facility (or office) that is called so, in `network` or anywhere; None where there is none.

    Raises Refusal, naming each Organization id, where several are.
    """
    found = await facilities_of_code(connection, code, network)
    if len(found) > 1:
        all_of_them = " and ".join(_place(facility, code) for facility in found)
        raise Refusal(
            f"{code} is a facility {all_of_them}: name the network with --network, or the Organization id"
        )
    return found[0].id if found else None


def _place(facility: CodedFacility, code: str) -> str:
    networks = " and ".join(f"of {network}" for network in facility.networks) or "of no network"
    return networks if facility.id == code else f"{networks} ({facility.id})"
