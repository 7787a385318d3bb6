"""How many patients are on their way to each facility of a network, as it was known a moment ago."""

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from referral.domain.facility import FacilityId, NetworkId


class Asked(NamedTuple):
    """The facility that has the open offer of a referral, and since when."""

    facility: FacilityId
    at: datetime


@dataclass(frozen=True, slots=True)
class PatientsSent:
    """Patients who were sent to a facility of a network and had not arrived at the moment `at`.

    counts: of the networks that go by it. at: None where nothing was counted.
    """

    counts: Mapping[NetworkId, dict[FacilityId, int]] = field(default_factory=dict)
    at: datetime | None = None

    def others(self, network: NetworkId, asked: Asked | None) -> Mapping[FacilityId, int]:
        """Give how many others than the patient of one referral are sent where; asked: its open offer.

        That counts where it was there already when the patients were counted.
        """
        counts = self.counts.get(network, {})
        if asked is None or self.at is None or asked.at > self.at or not counts.get(asked.facility):
            return counts
        return ChainMap({asked.facility: counts[asked.facility] - 1}, counts)
