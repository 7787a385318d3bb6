"""What is said in a Communication about an offer: a question of the receiver, the sender's answer to it."""

from referral.actions.carry_out import carry_out, settle
from referral.actions.draft import Draft
from referral.actions.question import QUESTION_OPEN, open_question
from referral.actions.same_person import is_same_person
from referral.actions.workspace import Workspace
from referral.domain.codes import AccessScope
from referral.domain.errors import BrokenRule, IllegalMove
from referral.domain.lifecycle import OfferMove, OfferState, Party
from referral.domain.next_step import check_possible, possible_offer_moves
from referral.domain.referral import Demand, DemandKind, Offer
from referral.fhir.communication import is_said, words_of
from referral.fhir.content import reread_content
from referral.fhir.references import references_at, target_of
from referral.fhir.resources import CLINICAL

_RECEIVER, _SENDER = frozenset({Party.RECEIVER}), frozenset({Party.SENDER})


def plan_said(workspace: Workspace, draft: Draft) -> None:
    """Carry out the move that a Communication is, where it is one: it is partOf the Task of an offer.

    It is one once, as it is said: a draft moves nothing, nor does what was said before.

    Words of the receiver that answer nothing ask, where it may ask now; what the sender says inResponseTo a
    question answers it, and so does whatever it says while the offer waits for that. All else is only said.
    Raises IllegalMove for an answer to a question that is answered or whose offer has ended, BrokenRule for
    a question or an answer about another patient.
    """
    before = workspace.loaded.documents.get(draft.key)
    was_said = before is not None and is_said(reread_content(before.content))
    if was_said and not is_said(draft.content):
        _check_taken_back(workspace, draft)
    if was_said or not is_said(draft.content):
        return
    actor, questions = workspace.actor.facility, _answered(workspace, draft)
    offer = workspace.offer(questions[0].offer) if questions else _offer_of(workspace, draft)
    if offer is None:
        return
    if actor == offer.requester:
        if not questions and offer.state is OfferState.AWAITING_INFORMATION:
            questions = [one for one in _questions(workspace, offer) if one.is_open]
        elif not questions:
            return
        _answer(workspace, draft, offer, questions)
    elif actor == offer.owner and "inResponseTo" not in draft.content:
        _ask(workspace, draft, offer)


def _check_taken_back(workspace: Workspace, draft: Draft) -> None:
    """A question that is open is not unsaid: its sender owes the answer, and is reminded of it."""
    question = (workspace.loaded.demands | workspace.demands).get((DemandKind.QUESTION, draft.id))
    if question is not None and question.is_open:
        raise IllegalMove(
            "This question waits for its answer: correct its words, or go on without one.",
            (),
            draft.at("status"),
        )


def _ask(workspace: Workspace, draft: Draft, offer: Offer) -> None:
    standing = workspace.stands(offer)
    possible = {rule.move: rule for rule in possible_offer_moves(standing, _RECEIVER)}
    asked_already = any(one.id == draft.id for one in _questions(workspace, offer))
    if not words_of(draft.content) or asked_already or OfferMove.ASK not in possible:
        return
    _check_patient(workspace, draft, offer)
    after = carry_out(
        workspace,
        offer,
        OfferMove.ASK,
        possible[OfferMove.ASK].target or offer.state,
        party=Party.RECEIVER,
        status_reason=QUESTION_OPEN,
    )
    open_question(workspace, after, draft.id)
    _hand_on(workspace, draft, offer, offer.requester)


def _answer(workspace: Workspace, draft: Draft, offer: Offer, questions: list[Demand]) -> None:
    """Settle these questions. There may be none: what was asked before questions were kept."""
    standing = workspace.stands(offer)
    if any(not one.is_open for one in questions):
        possible = [rule.move for rule in possible_offer_moves(standing, _SENDER)]
        raise IllegalMove(
            "This question is answered already, or its offer has ended.", possible, draft.at("inResponseTo")
        )
    rule = check_possible(standing, OfferMove.ANSWER, _SENDER)
    _check_patient(workspace, draft, offer)
    for question in questions:
        settle(workspace, question, by=draft.id)
    # The offer waits until the last of them is answered.
    left = any(one.is_open for one in _questions(workspace, offer))
    after = offer.state if left else rule.target or offer.state
    reason = QUESTION_OPEN if left else None
    carry_out(workspace, offer, OfferMove.ANSWER, after, party=Party.SENDER, status_reason=reason)
    workspace.grant(offer.owner, *draft.key, AccessScope.REFERRAL, via=offer.referral)
    _hand_on(workspace, draft, offer, offer.owner)


def _hand_on(workspace: Workspace, draft: Draft, offer: Offer, to: str) -> None:
    """Let the other party read what the words name in their payload, for as long as it has the package."""
    for position, part in enumerate(draft.content.get("payload", ())):
        key = target_of(part.get("contentReference"), workspace.base, workspace.resolve)
        known = workspace.known(*key) if key is not None and key[0] in CLINICAL else None
        if key is None or known is None or known.owner == to:
            continue
        about = known.patient or offer.patient
        if not is_same_person(workspace, about, offer.patient):
            place = draft.at(f"payload[{position}].content")
            raise BrokenRule("What words name is about the patient of the offer, as they are.", place)
        workspace.changes.given.append((offer.id, to, workspace.actor.facility, about, workspace.now, *key))


def _check_patient(workspace: Workspace, draft: Draft, offer: Offer) -> None:
    """What asks or answers is about the patient of the offer, where it says whom it is about."""
    known = workspace.known(*draft.key)
    about = known.patient if known is not None else None
    if about is not None and not is_same_person(workspace, about, offer.patient):
        raise BrokenRule("A question and its answer are about the patient of the offer.", draft.at("subject"))


def _offer_of(workspace: Workspace, draft: Draft) -> Offer | None:
    """The offer whose Task the Communication is part of."""
    for _, reference in references_at(draft.content, "partOf"):
        key = target_of(reference, workspace.base, workspace.resolve)
        if key is not None and key[0] == "Task" and workspace.known(*key) is not None:
            offer = workspace.offer(key[1])
            if offer is not None:
                return offer
    return None


def _answered(workspace: Workspace, draft: Draft) -> list[Demand]:
    """The questions that the Communication says it answers, of whichever offer of its referral."""
    questions = workspace.loaded.demands | workspace.demands
    found = []
    for _, reference in references_at(draft.content, "inResponseTo"):
        key = target_of(reference, workspace.base, workspace.resolve)
        if key is not None and key[0] == "Communication":
            question = questions.get((DemandKind.QUESTION, key[1]))
            found += [question] if question is not None else []
    return found


def _questions(workspace: Workspace, offer: Offer) -> list[Demand]:
    return [one for one in workspace.demands_of(offer.id) if one.kind is DemandKind.QUESTION]
