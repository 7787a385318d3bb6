"""How long facilities took to answer in a network, and what is to be expected of one with few answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from referral.domain.facility import FacilityId, NetworkId

FEW = 5
"""With so many answers a facility's own median counts as much as the network's."""


@dataclass(frozen=True, slots=True)
class AnswerTimes:
    """Medians in minutes. facilities: with the number of answers; networks: of all answers in each."""

    facilities: Mapping[tuple[NetworkId, FacilityId], tuple[int, float]] = field(default_factory=dict)
    networks: Mapping[NetworkId, float] = field(default_factory=dict)

    def expected(self, network: NetworkId, facility: FacilityId) -> float | None:
        """Give the minutes until an answer: the facility's median, drawn to the network's where it has few.

        None where nobody in the network has answered yet.
        """
        usual = self.networks.get(network)
        if usual is None:
            return None
        count, own = self.facilities.get((network, facility), (0, 0.0))
        return (count * own + FEW * usual) / (count + FEW)

    def answers(self, network: NetworkId, facility: FacilityId) -> int:
        """Give how many answers of a facility are known."""
        return self.facilities.get((network, facility), (0, 0.0))[0]
