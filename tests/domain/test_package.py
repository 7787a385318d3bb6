"""What the package of a referral lacks."""

from referral.domain.package import missing_items
from referral.domain.policy_rules import Item


def test_what_is_required_and_not_there_is_missing_in_the_order_of_the_policy() -> None:
    required = (Item.VITAL_SIGNS, Item.DIAGNOSIS, Item.CONSENT)
    assert missing_items(required, {Item.DIAGNOSIS}) == (Item.VITAL_SIGNS, Item.CONSENT)
    assert missing_items(required, set(Item)) == ()
    assert missing_items((), ()) == ()
