"""The room in which one transaction is decided: what was loaded, what is going to be written."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from referral.actions.draft import Written, instant, standing
from referral.actions.index_document import index_document
from referral.actions.keep_deadlines import kept_deadlines
from referral.actions.referral_rules import RulesOf, program_rules
from referral.actions.settle_journey import settled
from referral.domain.actor import Actor
from referral.domain.codes import AccessScope
from referral.domain.lifecycle import OfferState, ReferralMove, ReferralState
from referral.domain.next_step import OfferStanding
from referral.domain.referral import Demand, DemandKind, Offer, Referral
from referral.fhir.attachment import attached
from referral.fhir.content import reread_content, write_content
from referral.fhir.package import HANDED_ON, package_links, patient_of
from referral.fhir.references import target_of
from referral.fhir.referral import own_numbers
from referral.fhir.resources import CLINICAL
from referral.network.snapshot import Snapshot
from referral.store.change_set import ChangeSet, Key, Loaded, StoredDocument, StoredFacility


@dataclass(frozen=True, slots=True)
class Known:
    """A resource that a draft may name: stored and visible, or written by the same transaction."""

    owner: str
    patient: str | None
    organization: str | None


@dataclass(slots=True)
class Pending:
    """A resource as it will stand after the transaction; `text` is its JSON, once that is final.

    deleted: it is not there any more; the content is what it was.
    """

    version: int
    owner: str
    content: dict[str, Any]
    text: bytes = b""
    deleted: bool = False


@dataclass(slots=True)
class Workspace:
    """Facts and changes of one transaction. Nothing here talks to the store.

    base: address of the FHIR endpoint, for references written in full. address: where the request came from.
    now: when all of it is done; never before what it changes. clock: what the host's clock says, where it
    was set back since; the audit tells that. absent: the versions that answer deletes. brought: what the
    transaction writes itself, by its business identifiers. overdue: referrals that nobody closed in time.
    snapshot: the network as the process knows it; None where nothing is told by it.
    rules: gives the policy and the calendar of a referral.
    """

    actor: Actor
    now: datetime
    request_id: str | None
    base: str
    new_id: Callable[[], str]
    loaded: Loaded
    address: str | None = None
    clock: datetime | None = None
    changes: ChangeSet = field(default_factory=ChangeSet)
    pending: dict[Key, Pending] = field(default_factory=dict)
    referrals: dict[str, Referral] = field(default_factory=dict)
    offers: dict[str, Offer] = field(default_factory=dict)
    demands: dict[tuple[DemandKind, str], Demand] = field(default_factory=dict)
    notes: dict[Key, list[str]] = field(default_factory=dict)
    absent: dict[Key, int] = field(default_factory=dict)
    brought: Mapping[tuple[str, str], Key] = field(default_factory=dict)
    overdue: frozenset[str] = frozenset()
    snapshot: Snapshot | None = None
    rules: RulesOf = program_rules
    # What identifiers in a resource stand for, whatever they would stand for now.
    standing: dict[Key, dict[tuple[str, str], Key]] = field(default_factory=dict)

    def current(self, resource_type: str, resource_id: str) -> dict[str, Any] | None:
        """Content as it stands now, with the changes of this transaction; a copy. None: no such."""
        key = (resource_type, resource_id)
        if key in self.pending:
            entry = self.pending[key]
            return None if entry.deleted else entry.content
        stored = self.loaded.documents.get(key)
        return None if stored is None or stored.deleted else reread_content(stored.content)

    def tombstone(self, key: Key) -> StoredDocument | None:
        """What stands in the place of a resource that is deleted; None: no such."""
        stored = self.loaded.documents.get(key)
        return stored if stored is not None and stored.deleted else None

    def known(self, resource_type: str, resource_id: str) -> Known | None:
        """What the actor may name: None both for what is unknown and for what it does not see."""
        key = (resource_type, resource_id)
        if key in self.pending:
            entry = self.pending[key]
            if entry.deleted:
                return None
            organization = None
            if resource_type == "PractitionerRole":
                organization = target_of(entry.content.get("organization"), self.base, self.resolve)
            return Known(
                entry.owner,
                patient_of(resource_type, entry.content, self.base, self.resolve),
                organization[1] if organization is not None else None,
            )
        found = self.loaded.references.get(key)
        if found is None or not found.visible:
            return None
        return Known(found.owner, found.patient, found.organization)

    def facility(self, facility_id: str) -> StoredFacility | None:
        """A facility or office that exists; None otherwise."""
        found = self.loaded.facilities.get(facility_id)
        return found if found is not None and found.exists else None

    def resolve(self, system: str, value: str) -> Key | None:
        """The one resource that a business identifier stands for; None where none or several do.

        One's own comes before that of another facility: both may know a patient by the same number.
        """
        if (system, value) in self.brought:
            return self.brought[system, value]
        found = set(self.loaded.identifiers.get((system, value), []))
        stored = self.loaded.references
        own = {key for key in found if key in stored and stored[key].owner == self.actor.facility}
        meant = own or found
        return meant.pop() if len(meant) == 1 else None

    def referral(self, referral_id: str) -> Referral | None:
        """The referral as it stands now, with the changes of this transaction."""
        if referral_id in self.referrals:
            return self.referrals[referral_id]
        stored = self.loaded.referrals.get(referral_id)
        return stored.row if stored else None

    def look_at(self, referral: Referral) -> None:
        """Have `finish` see whether what is owed of a referral is still as it stands; it stays as it is."""
        self.referrals[referral.id] = referral

    def offer(self, offer_id: str) -> Offer | None:
        """The offer as it stands now, with the changes of this transaction."""
        return self.offers.get(offer_id) or self.loaded.offers.get(offer_id)

    def offers_of(self, referral_id: str) -> Iterator[Offer]:
        """All offers of a referral as they stand now."""
        for offer in (self.loaded.offers | self.offers).values():
            if offer.referral == referral_id:
                yield offer

    def demands_of(self, offer_id: str) -> list[Demand]:
        """What the parties of an offer asked of each other, as it stands now, the first asked first."""
        found = (self.loaded.demands | self.demands).values()
        return sorted((one for one in found if one.offer == offer_id), key=lambda one: one.asked_at)

    def stands(self, offer: Offer) -> OfferStanding:
        """How the offer stands between its parties."""
        wanted = {one.kind for one in self.demands_of(offer.id) if one.is_open}
        return OfferStanding(offer.state, DemandKind.QUESTION in wanted, DemandKind.ABORT in wanted)

    def is_replaced(self, referral_id: str) -> bool:
        """Whether a new referral has taken the place of this one, which lapsed; also in this transaction."""
        stored = self.loaded.referrals.get(referral_id)
        told = {event["id"] for event in self.changes.events if event["move"] == ReferralMove.REPLACE}
        return referral_id in told or (stored is not None and stored.replaced)

    def journey_senders(self, referral: Referral) -> frozenset[str]:
        """The senders of the referrals before this one in its journey, without its own."""
        stored = self.loaded.referrals.get(referral.id)
        # A draft may be submitted as the continuation of another than before.
        if stored is None or stored.row.based_on != referral.based_on:
            stored = self.loaded.referrals.get(referral.based_on or "")
        senders = stored.journey_senders if stored else frozenset()
        # What it continues may be new too, in the same transaction.
        before = self.referrals.get(referral.based_on or "")
        if before is not None:
            senders |= {before.sender} | self.journey_senders(before)
        return senders - {referral.sender}

    def take_number(self) -> int:
        """The next number of the sequence that was loaded with this command."""
        return self.loaded.numbers.pop(0)

    def put(self, resource_type: str, resource_id: str, content: dict[str, Any], owner: str) -> int:
        """Write a resource (again, within the transaction, in place); returns its version.

        Sets id, meta.versionId and meta.lastUpdated, the author's access to what is new and clinical,
        and leaves one audit row.
        """
        key = (resource_type, resource_id)
        before = self.loaded.documents.get(key)
        version = before.version + 1 if before else 1
        meta = {**content.get("meta", {}), "versionId": str(version), "lastUpdated": instant(self.now)}
        first = {"resourceType": resource_type, "id": resource_id, "meta": meta}
        content = {**first, **content, **first}
        if key not in self.pending:
            if before is None and resource_type in CLINICAL:
                self.grant(owner, resource_type, resource_id, AccessScope.OWNER)
            self.audit("update" if before else "create", key, version)
        self.pending[key] = Pending(version, owner, content)
        return version

    def remove(self, resource_type: str, resource_id: str, owner: str) -> None:
        """Delete a resource: its next version is a tombstone, which keeps what it was."""
        key = (resource_type, resource_id)
        version = self.loaded.documents[key].version + 1
        content = dict(self.current(*key) or {})
        meta = {**content.get("meta", {}), "versionId": str(version), "lastUpdated": instant(self.now)}
        content["meta"] = meta
        self.pending[key] = Pending(version, owner, content, deleted=True)
        self.absent[key] = version
        self.audit("delete", key, version)

    def gone(self, key: Key, version: int) -> None:
        """Answer a delete of what is not there with this version, 0 where there was none to be seen."""
        self.absent[key] = version
        # It is answered as done; nothing was.
        self.audit("delete", key, None, outcome=404)

    def audit(self, action: str, key: Key, version: int | None, outcome: int = 200) -> None:
        """Leave an audit row: what was done with this version of a resource, by the status that says it."""
        self.changes.audits.append(
            {
                "at": self.clock or self.now,
                "actor": self.actor.facility,
                "client": self.actor.client,
                "action": action,
                "type": key[0],
                "id": key[1] or None,
                "version": version,
                "outcome": outcome,
                "request_id": self.request_id,
                "address": self.address,
            }
        )

    def grant(
        self, facility: str, resource_type: str, resource_id: str, scope: AccessScope, via: str = ""
    ) -> None:
        """Let a facility see a resource from now on."""
        self.changes.access.append((facility, resource_type, resource_id, scope.value, via, self.now))
        if resource_type in HANDED_ON and scope is not AccessScope.OWNER:
            self.changes.attachments.append((resource_type, resource_id, self.now))

    def give_package(self, referral: Referral, offer: Offer) -> None:
        """Let the owner of an offer see the patient of its referral, and what the referral brings along."""
        self.changes.packages.append(
            (referral.id, offer.id, offer.owner, referral.sender, referral.patient, self.now)
        )
        # The patient may have a photo.
        self.changes.attachments.append(("Patient", referral.patient, self.now))

    def end_access(self, offer: Offer) -> None:
        """An offer that ended without care takes the package back, and from both what words gave them.

        One made in error takes the request back too: that house was never meant to follow it. Its Task stays
        readable, for it says so.
        """
        in_error = offer.state is OfferState.ENTERED_IN_ERROR
        self.changes.ended.append((offer.owner, offer.id, self.now, in_error))
        self.changes.ended.append((offer.requester, offer.id, self.now, False))

    def tell(
        self,
        key: Key,
        move: str,
        *,
        before: str | None = None,
        after: str | None = None,
        party: str | None = None,
        referral: Referral | None = None,
        reason: tuple[str | None, str | None] = (None, None),
    ) -> None:
        """Leave an event: what was done to a resource of this transaction, by whom."""
        self.changes.events.append(
            {
                "at": self.now,
                "type": key[0],
                "id": key[1],
                "version": self._version(key),
                "move": move,
                "from_state": before,
                "to_state": after,
                "party": party,
                "facility": self.actor.facility,
                "client": self.actor.client,
                "network": referral.network if referral else None,
                "referral": referral.id if referral else None,
                "reason_code": reason[0],
                "reason_text": reason[1],
            }
        )

    def _version(self, key: Key) -> int:
        entry = self.pending.get(key)
        return entry.version if entry else self.loaded.documents[key].version

    def note(self, key: Key, text: str) -> None:
        """Remember something to tell the client with severity information."""
        self.notes.setdefault(key, []).append(text)

    def finish(self) -> ChangeSet:
        """The change set with every document and its index rows. Called once."""
        changes = self.changes
        identifiers = (*self.loaded.identifiers, *self.brought)
        known = {found: key for found in identifiers if (key := self.resolve(*found))}
        # In one order for all commands, so that two of them never wait for each other.
        for (resource_type, resource_id), entry in sorted(self.pending.items(), key=lambda item: item[0]):
            entry.text = write_content(entry.content)
            changes.documents.append(
                {
                    "type": resource_type,
                    "id": resource_id,
                    "version": entry.version,
                    "at": self.now,
                    "deleted": entry.deleted,
                    "owner": entry.owner,
                    "content": entry.text,
                }
            )
            own = (resource_type, resource_id)
            # What an identifier stood for it still stands for, whoever changes something else.
            before = self.loaded.documents.get(own)
            resolved = known
            if before is not None and (before.resolved or own in self.standing):
                resolved = {**known, **before.resolved, **self.standing.get(own, {})}
            index_document(
                changes,
                own,
                entry.content,
                base=self.base,
                resolved=resolved,
                parties=self._parties(*own),
                is_new=entry.version == 1,
                is_deleted=entry.deleted,
            )
            if self._hands_on(resource_type, entry):
                changes.attachments.append((*own, self.now))
            referral = self.referral(resource_id) if resource_type == "ServiceRequest" else None
            if referral is not None:
                ended = referral.state is ReferralState.ENTERED_IN_ERROR
                numbers = [] if ended else own_numbers(entry.content)
                changes.identifiers.append((referral.id, referral.sender, numbers))
        changes.referrals = list(self.referrals.values())
        changes.offers = list(self.offers.values())
        changes.journeys = settled(
            self.loaded.journeys, changes.referrals, changes.events, self.now, self.overdue
        )
        changes.demands = list(self.demands.values())
        changes.deadlines += kept_deadlines(self, self.rules)
        return changes

    def _hands_on(self, resource_type: str, entry: Pending) -> bool:
        """Whether it may name what is to be given to those who were given the resource itself."""
        if next(attached(resource_type, entry.content, self.base), None) is not None:
            return True
        if entry.version == 1 or resource_type not in HANDED_ON:
            return False
        return next(package_links(resource_type, entry.content, self.base, self.resolve), None) is not None

    def _parties(self, resource_type: str, resource_id: str) -> list[tuple[str, str]]:
        """The facilities that a referral or an offer is found by."""
        offer = self.offer(resource_id) if resource_type == "Task" else None
        if offer is not None:
            return [("owner", offer.owner), ("requester", offer.requester)]
        referral = self.referral(resource_id) if resource_type == "ServiceRequest" else None
        return [("requester", referral.sender)] if referral is not None else []

    def written(self, key: Key) -> Written:
        """The answer, once finished, for a resource that was put or that stood already as it was asked."""
        if key in self.absent:
            return Written(*key, self.absent[key], self.now, b"", created=False, deleted=True)
        entry = self.pending.get(key)
        if entry is None:
            found = standing(key, self.loaded.documents[key].content, tuple(self.notes.get(key, ())))
            return replace(found, unchanged=True)
        return Written(
            *key,
            entry.version,
            self.now,
            entry.text,
            # Also what is brought back: https://hl7.org/fhir/R4/http.html#update
            entry.version == 1 or self.tombstone(key) is not None,
            tuple(self.notes.get(key, ())),
        )


def same_content(content: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether two contents say the same, whatever their version."""
    aside = {"meta", "id", "resourceType"}
    one, other = ({k: v for k, v in said.items() if k not in aside} for said in (content, before))
    return one == other
