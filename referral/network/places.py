"""Positions of facilities, numbered from south to north so that a band of latitude is a range of numbers."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

from referral.domain.facility import Facility, FacilityId

EARTH_RADIUS_KM = 6371.0088
HALF_AROUND_KM = math.pi * EARTH_RADIUS_KM


class Places:
    """Facilities by number. Distances are great circles on a sphere, in km."""

    def __init__(self, facilities: Iterable[Facility]) -> None:
        self.facilities = tuple(sorted(facilities, key=lambda facility: (facility.latitude, facility.id)))
        self.number = {facility.id: number for number, facility in enumerate(self.facilities)}
        self._latitudes = array("d", (facility.latitude for facility in self.facilities))
        self._x, self._y, self._z = array("d"), array("d"), array("d")
        for facility in self.facilities:
            latitude, longitude = math.radians(facility.latitude), math.radians(facility.longitude)
            self._x.append(math.cos(latitude) * math.cos(longitude))
            self._y.append(math.cos(latitude) * math.sin(longitude))
            self._z.append(math.sin(latitude))

    def id_of(self, place: int) -> FacilityId:
        """Give the id of the facility with this number."""
        return self.facilities[place].id

    def landmass(self, place: int) -> str:
        """Name the body of land that the place stands on."""
        return self.facilities[place].landmass

    def km(self, origin: int, destination: int) -> float:
        """Great-circle distance; by the chord, which stays exact for near places."""
        x = self._x[origin] - self._x[destination]
        y = self._y[origin] - self._y[destination]
        z = self._z[origin] - self._z[destination]
        return _km(x * x + y * y + z * z)

    def km_to(self, latitude: float, longitude: float, place: int) -> float:
        """Great-circle distance from a point in degrees."""
        parallel, meridian = math.radians(latitude), math.radians(longitude)
        x = math.cos(parallel) * math.cos(meridian) - self._x[place]
        y = math.cos(parallel) * math.sin(meridian) - self._y[place]
        z = math.sin(parallel) - self._z[place]
        return _km(x * x + y * y + z * z)

    def band(self, centre: int, km: float, among: array[int]) -> array[int]:
        """Those of `among` (ascending numbers) not farther than `km` to the north or south."""
        degrees = math.degrees(km / EARTH_RADIUS_KM) + 1e-9
        middle = self._latitudes[centre]
        south = bisect_left(self._latitudes, middle - degrees)
        north = bisect_right(self._latitudes, middle + degrees)
        return among[bisect_left(among, south) : bisect_left(among, north)]

    def within(self, centre: int, km: float, among: array[int]) -> Iterator[tuple[int, float]]:
        """Those of `among` (ascending numbers) on the centre's landmass up to `km` away, with their km."""
        chord = 2 * math.sin(min(km, HALF_AROUND_KM) / EARTH_RADIUS_KM / 2) + 1e-9
        farthest = chord * chord
        xs, ys, zs, facilities = self._x, self._y, self._z, self.facilities
        x, y, z, landmass = xs[centre], ys[centre], zs[centre], facilities[centre].landmass
        for place in self.band(centre, km, among):
            dx, dy, dz = xs[place] - x, ys[place] - y, zs[place] - z
            squared = dx * dx + dy * dy + dz * dz
            if squared <= farthest and facilities[place].landmass == landmass:
                yield place, _km(squared)


def _km(squared_chord: float) -> float:
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(squared_chord) / 2))
