"""Where a patient is sent down to: what is known of that place is told, and chosen by nobody else."""

from typing import Any

from referral.actions.workspace import Workspace
from referral.domain.calendar import rules_day
from referral.domain.codes import Direction
from referral.domain.errors import BrokenRule
from referral.domain.facility import FacilityId, NetworkId
from referral.domain.referral import Offer, Referral
from referral.domain.suggestion import Need
from referral.fhir.home import home_of
from referral.fhir.suggestion import need_of
from referral.network.near_home import Home, nearer_station, offers


def check_way_down(workspace: Workspace, referral: Referral, target: str) -> str | None:
    """What is to be told where a place is not known to offer what a patient sent down needs.

    referral: with the direction of this target. Raises BrokenRule where the policy sends nobody there.
    """
    snapshot = workspace.snapshot
    if snapshot is None or referral.direction is not Direction.DOWN:
        return None
    day = rules_day(workspace.now)
    network = NetworkId(referral.network)
    if offers(snapshot, network, FacilityId(target), _need(workspace, referral), day) is not False:
        return None
    text = f"{_name(workspace, target)} is not known to offer what is asked for."
    if workspace.rules(referral).policy.refuses_down_without_service:
        raise BrokenRule(f"{text} The network sends nobody down to such a place.", "Task.owner")
    return f"{text} It was asked all the same."


def suggest_nearer(workspace: Workspace, down: Referral, offer: Offer, default: str) -> None:
    """Tell who completes `offer` of a station nearer to the home than where the patient came from."""
    snapshot, told = workspace.snapshot, workspace.loaded.homes.get(down.patient)
    home = home_of(told) if told else None
    if snapshot is None or home is None:
        return
    day = rules_day(workspace.now)
    found = nearer_station(
        snapshot,
        NetworkId(down.network),
        _need(workspace, down),
        Home(*home),
        default=FacilityId(default),
        on=day,
    )
    if found is not None:
        workspace.note(
            ("Task", offer.id),
            f"{_name(workspace, found)} (Organization/{found}) is nearer to the patient's home, or offers"
            f" what is asked for: to choose it, withdraw the offer of the way down and offer it there.",
        )


def _need(workspace: Workspace, referral: Referral) -> Need:
    content: dict[str, Any] = workspace.current("ServiceRequest", referral.id) or {}
    return need_of(content, None, rules_day(workspace.now))


def _name(workspace: Workspace, facility: str) -> str:
    found = workspace.snapshot.facility(FacilityId(facility)) if workspace.snapshot else None
    return found.name if found is not None else facility
