"""Show the receiver of an offer which results that come with it need not be repeated, and until when."""

from datetime import date, datetime
from typing import Any, Final

from referral.domain.calendar import rules_day
from referral.domain.facility import Affiliation, FacilityId, NetworkId
from referral.domain.lifecycle import OPEN_OFFER
from referral.domain.recognition import Recognised, recognised_by, window_of
from referral.fhir import systems
from referral.fhir.content import reread_content, write_content
from referral.fhir.elements import reference, set_extension
from referral.fhir.referral import need_code, results_named
from referral.network.snapshot import Snapshot
from referral.store.pool import Store
from referral.store.standing import read_standing
from referral.store.suggestion import read_results

_BRINGS: Final = '"supportingInfo"'


async def with_recognised_results(
    store: Store, snapshot: Snapshot, actor: str, content: str, *, base: str, now: datetime
) -> str:
    """A ServiceRequest as its receiver is shown it: each result in `supportingInfo` to rely on says so.

    content: as it is stored, and comes back for whoever else asks, and where no policy of the actor's
    networks has a window for results. base: address of the FHIR endpoint.
    """
    today = rules_day(now)
    if _BRINGS not in content or not _has_windows(snapshot, actor, today):
        return content
    request = reread_content(content.encode())
    named = results_named(request, base)
    received = await _received(store, actor, request["id"]) if named else None
    if received is None:
        return content
    network, ruled_on = received
    policy, need = snapshot.known_policy(network, ruled_on), need_code(request)
    if policy is None:
        return content

    def tie_to(house: FacilityId) -> Affiliation | None:
        return recognised_by(snapshot.recognising(network, house), actor, need, today)

    async with store.reading(actor) as connection:
        results = await read_results(connection, [key for _, key in named])
    for at, key in named:
        result = results.get(key)
        window = None if result is None else window_of(result, policy, ruled_on, today)
        tie = None if result is None or result.house is None else tie_to(result.house)
        if window is not None and tie is not None:
            _mark(request["supportingInfo"][at], Recognised(*window, tie.document))
    return write_content(request).decode()


def _has_windows(snapshot: Snapshot, actor: str, today: date) -> bool:
    """Whether a network of the actor recognises any results; else nothing need be read."""
    return any(
        version.policy.recognition
        for network in snapshot.networks_of(FacilityId(actor), today)
        if network in snapshot.policies
        for version in snapshot.policies[network].versions
    )


async def _received(store: Store, actor: str, request: str) -> tuple[NetworkId, date] | None:
    """Network and day of a referral whose open offer is the actor's; None for any other."""
    found = await read_standing(store, actor, "ServiceRequest", request)
    standing = None if found is None else found.standing
    if standing is None or standing.offer is None or standing.owner != actor:
        return None
    if standing.offer.state not in OPEN_OFFER:
        return None
    return NetworkId(standing.network), rules_day(standing.authored_on)


def _mark(named: dict[str, Any], found: Recognised) -> None:
    parts: list[dict[str, Any]] = [
        {"url": "until", "valueDate": found.until.isoformat()},
        {"url": "rule", "valueCode": found.rule},
    ]
    if found.basis is not None:
        basis = reference("OrganizationAffiliation", found.basis)
        parts.append({"url": "basis", "valueReference": basis})
    set_extension(named, systems.RECOGNITION_EXTENSION, {"extension": parts})
