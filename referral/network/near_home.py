"""Which station is near where a patient lives, and offers what the patient needs there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from referral.domain.facility import FacilityId, NetworkId, Tier
from referral.network.capability import contains

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from referral.domain.suggestion import Need
    from referral.network.snapshot import Snapshot


class Home(NamedTuple):
    """Where a patient lives. position: latitude and longitude in degrees. communes: names, in lower case."""

    position: tuple[float, float] | None = None
    communes: frozenset[str] = frozenset()


def offers(snapshot: Snapshot, network: NetworkId, facility: FacilityId, need: Need, on: date) -> bool | None:
    """Tell whether a member offers what is needed; None where it is not known, or nothing is asked for."""
    place = snapshot.places.number.get(facility)
    if place is None or (need.technique is None and need.specialty is None):
        return None
    held = any(contains(places, place) for places in snapshot.capabilities.holders(network, need).values())
    return held and snapshot.capabilities.serving(place, need, on) is not None


def nearer_station(
    snapshot: Snapshot, network: NetworkId, need: Need, home: Home, *, default: FacilityId, on: date
) -> FacilityId | None:
    """The active station of the network that offers what is needed and is nearer to home than `default`.

    By position where that of the home is known, else by the commune. Where `default` does not offer what is
    needed, the nearest that does, however far. None where `default` is the one, or nobody can tell.
    """
    places = snapshot.places
    known = places.number.get(default)
    unfit = offers(snapshot, network, default, need, on) is False
    found = [place for place in _stations(snapshot, network, need, on) if place != known]
    if home.position is not None:
        distances = [(places.km_to(*home.position, place), places.id_of(place)) for place in found]
        nearest = min(distances, default=None)
        if nearest is None or known is None:
            return None
        return nearest[1] if unfit or nearest[0] < places.km_to(*home.position, known) else None
    here = [places.id_of(place) for place in found if _commune(snapshot, place) in home.communes]
    stays = known is not None and not unfit and _commune(snapshot, known) in home.communes
    return min(here, default=None) if not stays else None


def _stations(snapshot: Snapshot, network: NetworkId, need: Need, on: date) -> Iterator[int]:
    for (tier, _), places in snapshot.capabilities.holders(network, need).items():
        if tier is Tier.STATION:
            for place in places:
                facility = snapshot.places.id_of(place)
                current = snapshot.tier_of(network, facility, on) is Tier.STATION
                if current and snapshot.capabilities.serving(place, need, on) is not None:
                    yield place


def _commune(snapshot: Snapshot, place: int) -> str | None:
    commune = snapshot.places.facilities[place].commune
    return None if commune is None else commune.casefold()
