"""Which party of a referral an actor is."""

from referral.domain.lifecycle import Party


def parties_of(
    actor: str | None,
    *,
    sender: str,
    receiver: str | None = None,
    office: str | None = None,
    member: bool = False,
) -> frozenset[Party]:
    """The parties that the actor speaks for: several, one or (a stranger) none.

    actor: facility id of the token; None is the clock.
    sender: facility of the requester. receiver: facility of the offer's owner, where there is an offer.
    office: the id of the referral's network. member: the actor is a facility of that network today.
    """
    if actor is None:
        return frozenset({Party.SYSTEM})
    facts = {
        Party.SENDER: actor == sender,
        Party.RECEIVER: actor == receiver,
        Party.OFFICE: actor == office,
        Party.MEMBER: member,
    }
    return frozenset(party for party, is_so in facts.items() if is_so)
