"""What the package of a referral has to hold, and lacks."""

from collections.abc import Collection, Sequence

from referral.domain.policy_rules import Item


def missing_items(required: Sequence[Item], there: Collection[Item]) -> tuple[Item, ...]:
    """The items that a policy requires and the package lacks, in the order of the policy."""
    return tuple(item for item in required if item not in there)
