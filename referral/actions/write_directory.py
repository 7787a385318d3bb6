"""Write a resource of the directory over FHIR: who may, and what it says in typed rows.

An own facility writes its places, services and people, and of its Organization the contact; the office of a
network writes everything of its members. A facility in no network yet belongs to the office that made it.
An approval is the right of a facility to do a technique: the office alone gives and withdraws it.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final

from referral.actions.draft import Draft
from referral.actions.name_facility import require_known
from referral.actions.stands_already import stands_already
from referral.actions.workspace import Workspace
from referral.domain.errors import BrokenRule, Duplicate, Forbidden, MissingElement
from referral.domain.facility import AffiliationKind
from referral.fhir.directory_rows import (
    affiliation_kind,
    capacity_of,
    is_network,
    location_row,
    member_code,
    needs_of,
    organization_row,
    period_of,
    service_of,
    techniques_of,
    tier_of,
)
from referral.fhir.references import Key, references_at, target_of

OWN_CONTACT: Final = frozenset({"telecom", "address", "contact"})
"""What a facility may change of its own Organization."""

NOT_APPROVED: Final = (
    "HealthcareService.type is kept as sent, and changes no approval: approvals are given and withdrawn by"
    " the network's office."
)
"""Told to a facility that changes the techniques of its own service."""

# The elements whose references must name something known, by type, with the types that they may name.
_NAMED: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "Endpoint": {"managingOrganization": ("Organization",)},
    "HealthcareService": {"providedBy": ("Organization",)},
    "Location": {"managingOrganization": ("Organization",), "partOf": ("Location",)},
    "Organization": {"partOf": ("Organization",)},
    "OrganizationAffiliation": {
        "organization": ("Organization",),
        "participatingOrganization": ("Organization",),
        "network": ("Organization",),
    },
    "Practitioner": {},
    "PractitionerRole": {"practitioner": ("Practitioner",), "organization": ("Organization",)},
    "Questionnaire": {},
    # Never of a patient: all members of the network read the directory.
    "Schedule": {"actor": ("HealthcareService", "Location", "Practitioner", "PractitionerRole")},
    "Slot": {"schedule": ("Schedule",)},
}
# The element that tells whose it is: the facility itself, or what is of that facility.
_OWNER_ELEMENT: Final[Mapping[str, str]] = {
    "Endpoint": "managingOrganization",
    "HealthcareService": "providedBy",
    "Location": "managingOrganization",
    "PractitionerRole": "organization",
    "Schedule": "actor",
    "Slot": "schedule",
}
_UNTOUCHED: Final = frozenset({"resourceType", "id", "meta"})


def directory_references(draft: Draft) -> list[Key]:
    """Type and id of what has to be loaded to decide about a draft: what its literal references name."""
    found = (
        target_of(reference, "", lambda _system, _value: None)
        for element in _NAMED[draft.type]
        for _, reference in references_at(draft.content, element)
    )
    return [key for key in found if key is not None]


def plan_directory(workspace: Workspace, draft: Draft) -> None:
    """Decide one create or update and leave its document, rows and event in the workspace.

    Raises Forbidden naming the rule, BrokenRule for a reference to what is not known here and for values
    that break a rule of the network, MissingElement, UnknownCode, Duplicate for a second membership.
    """
    plan = DirectoryPlan(workspace, draft)
    plan.check_references()
    match draft.type:
        case "Organization":
            plan.organization()
        case "OrganizationAffiliation":
            plan.affiliation()
        case "Location":
            plan.location()
        case "HealthcareService":
            plan.service()
        case _:
            plan.write(plan.owner())


class DirectoryPlan:
    """One draft in its workspace."""

    def __init__(self, workspace: Workspace, draft: Draft) -> None:
        self.workspace = workspace
        self.draft = draft
        self.content = draft.content
        self.actor = workspace.actor.facility
        facility = workspace.facility(self.actor)
        self.office_of = facility.office_of if facility is not None else None
        self.before = workspace.current(*draft.key)
        self.is_of_now = False

    def check_references(self) -> None:
        for element, types in _NAMED[self.draft.type].items():
            for path, reference in references_at(self.content, element):
                key, _ = require_known(self.workspace, reference, self.draft.at(path))
                if key[0] not in types:
                    raise BrokenRule(
                        f"This reference must name a resource of type {' or '.join(types)}.",
                        self.draft.at(path),
                    )

    def named(self, element: str) -> str | None:
        """Id behind a reference that was checked; None where the element is absent."""
        key = target_of(self.content.get(element), self.workspace.base, self.workspace.resolve)
        return key[1] if key is not None else None

    def owner(self) -> str:
        """The facility that the draft describes, after making sure that the actor may write for it."""
        element = _OWNER_ELEMENT.get(self.draft.type)
        described = self.facility_behind(element) if element else None
        stored = self.workspace.loaded.documents.get(self.draft.key)
        owner = described or (stored.owner if stored is not None else self.actor)
        for facility in {owner, stored.owner if stored is not None else owner}:
            if not self.may_write_for(facility):
                raise Forbidden(
                    f"A {self.draft.type} is written by its own facility or by the office of its network.",
                    self.draft.at(element) if described and element else None,
                )
        return owner

    def facility_behind(self, element: str) -> str | None:
        """The facility that an element names, or whose the first is that it names; None: it names none.

        A Practitioner may work in several: who writes a Schedule of one alone is whose it is.
        """
        for _, reference in references_at(self.content, element):
            key = target_of(reference, self.workspace.base, self.workspace.resolve)
            if key is None or key[0] == "Practitioner":
                continue
            known = self.workspace.known(*key)
            return key[1] if key[0] == "Organization" else known.owner if known is not None else None
        return None

    def may_write_for(self, facility: str) -> bool:
        return facility == self.actor or (self.office_of is not None and self.is_ours(facility))

    def is_ours(self, facility: str) -> bool:
        """Whether this office speaks for the facility: its member, or seen by it and in no network yet."""
        stored = self.workspace.facility(facility)
        if stored is not None and stored.networks:
            return self.office_of in stored.networks
        return self.workspace.known("Organization", facility) is not None

    def networks(self, owner: str) -> set[str]:
        """The networks in whose directory the resource stands."""
        stored = self.workspace.facility(owner)
        found = set(stored.networks) if stored is not None else set()
        return found | ({self.office_of} if self.office_of is not None else set())

    def write(self, owner: str, **rows: list[Any]) -> None:
        """Put the document, its typed rows and its event, where it says anything new."""
        draft, workspace = self.draft, self.workspace
        if not self.is_of_now and stands_already(workspace, draft):
            return
        workspace.put(*draft.key, self.content, owner)
        workspace.tell(draft.key, "create" if self.before is None else "update")
        workspace.changes.directory += [(network, *draft.key) for network in sorted(self.networks(owner))]
        for name, values in rows.items():
            if values:
                workspace.changes.typed.setdefault(name, []).extend(values)

    # Organization: the facility itself, or the network.

    def organization(self) -> None:
        draft, network = self.draft, self.workspace.facility(self.draft.id)
        if network is not None and network.office_of is not None:
            self.network_organization()
            return
        if is_network(self.content):
            raise Forbidden("A network is made by an import, not over FHIR.", draft.at("type"))
        if self.before is None and self.office_of is None:
            raise Forbidden("Only the office of a network may create an Organization.")
        if self.before is not None and (self.office_of is None or not self.is_ours(draft.id)):
            self.check_own_contact()
        row = organization_row(self.content, draft.at)
        if not row["name"]:
            raise MissingElement("A facility needs a name.", draft.at("name"))
        self.write(draft.id, organizations=[{"id": draft.id} | row])

    def network_organization(self) -> None:
        if self.office_of != self.draft.id:
            raise Forbidden("The Organization of a network is written by its own office.")
        name = self.content.get("name")
        if not name:
            raise MissingElement("A network needs a name.", self.draft.at("name"))
        if not is_network(self.content):
            raise BrokenRule("The Organization of a network keeps its type.", self.draft.at("type"))
        self.write(self.draft.id, network_names=[{"id": self.draft.id, "name": name}])

    def check_own_contact(self) -> None:
        if self.draft.id != self.actor:
            raise Forbidden("An Organization is written by the office of its network.")
        before = self.before or {}
        for name in sorted(before.keys() | self.content.keys()):
            element = name.removeprefix("_")
            if element in OWN_CONTACT or element in _UNTOUCHED or before.get(name) == self.content.get(name):
                continue
            raise Forbidden(
                f"A facility may change {', '.join(sorted(OWN_CONTACT))} of its own Organization;"
                f" {element} is written by the office of its network.",
                self.draft.at(element),
            )

    # Location and HealthcareService: the place, and what is done there.

    def location(self) -> None:
        owner = self.owner()
        row = location_row(self.content, self.draft.at)
        if row is None or owner == self.office_of:
            self.write(owner)
            return
        self.write(owner, locations=[{"id": self.draft.id, "facility": owner} | row])

    def service(self) -> None:
        owner, draft = self.owner(), self.draft
        if owner == self.office_of:
            self.write(owner, retired_services=[] if self.before is None else [draft.id])
            return
        service = service_of(draft.id, owner, self.content, draft.at)
        capacity = capacity_of(self.content, draft.at)
        techniques = techniques_of(self.content)
        before, capacity_before = None, None
        had: frozenset[tuple[str, str]] = frozenset()
        if self.before is not None:
            house = self.workspace.loaded.documents[draft.key].owner
            before = service_of(draft.id, house, self.before, draft.at)
            capacity_before, had = capacity_of(self.before, draft.at), techniques_of(self.before)
        rows: dict[str, list[Any]] = {"services": [] if before == service else [asdict(service)]}
        # What can be taken is then as of now.
        self.is_of_now = capacity is not None and capacity.as_of is None
        if capacity is not None:
            stated = asdict(capacity) | {"as_of": capacity.as_of or self.workspace.now}
            rows["capacities"] = [{"service": draft.id} | stated]
        elif capacity_before is not None:
            rows["dropped_capacities"] = [draft.id]
        if self.office_of is not None:
            rows |= self.approvals(owner, added=techniques - had, dropped=had - techniques)
        elif techniques != had:
            self.workspace.note(draft.key, NOT_APPROVED)
        self.write(owner, **rows)

    def approvals(
        self, owner: str, *, added: frozenset[tuple[str, str]], dropped: frozenset[tuple[str, str]]
    ) -> dict[str, list[Any]]:
        """What the office gives and takes by writing techniques into a service and out of it."""
        service = self.draft.id
        return {
            "withdrawn_approvals": [
                {"service": service, "list": name, "technique": code} for name, code in sorted(dropped)
            ],
            "approvals": [
                {"facility": owner, "service": service, "list": name, "technique": code, "state": "approved"}
                for name, code in sorted(added)
            ],
        }

    # OrganizationAffiliation: who belongs to the network, and what ties its members.

    def affiliation(self) -> None:
        if self.office_of is None:
            raise Forbidden("An OrganizationAffiliation is written by the office of a network.")
        stored = self.workspace.loaded.documents.get(self.draft.key)
        if stored is not None and stored.owner != self.office_of:
            raise Forbidden("This OrganizationAffiliation is of another network.")
        for path, reference in references_at(self.content, "network"):
            key = target_of(reference, self.workspace.base, self.workspace.resolve)
            if key != ("Organization", self.office_of):
                raise Forbidden("An office writes affiliations of its own network only.", self.draft.at(path))
        kind = affiliation_kind(self.content, self.draft.at)
        rows = self.unmade(kind)
        if kind is AffiliationKind.MEMBER:
            rows |= self.membership()
        elif kind is not None:
            rows |= self.tie(kind)
        self.write(self.office_of, **rows)

    def required(self, element: str) -> str:
        found = self.named(element)
        if found is None:
            raise MissingElement(f"An affiliation of this kind needs {element}.", self.draft.at(element))
        return found

    def facility_at(self, element: str) -> str:
        """A facility of this network that the element names."""
        found = self.required(element)
        stored = self.workspace.facility(found)
        if found == self.office_of or (stored is not None and stored.office_of is not None):
            raise BrokenRule("A network is not a facility.", self.draft.at(element))
        return found

    def unmade(self, kind: AffiliationKind | None) -> dict[str, list[Any]]:
        """What the content before said and the new one does not say again."""
        before = affiliation_kind(self.before, self.draft.at) if self.before is not None else None
        if before is None or self.before is None:
            return {}
        if before is AffiliationKind.MEMBER:
            element = "participatingOrganization"
            named = target_of(self.before.get(element), self.workspace.base, self.workspace.resolve)
            if kind is not before or named is None or named[1] != self.named(element):
                raise BrokenRule(
                    "A membership keeps its kind and facility: end it with active false, then make another.",
                    self.draft.at("code" if kind is not before else element),
                )
            return {}
        gone = kind in {None, AffiliationKind.MEMBER} or self.content.get("active") is False
        return {"dropped_affiliations": [self.draft.id]} if gone else {}

    def membership(self) -> dict[str, list[Any]]:
        draft = self.draft
        facility = self.facility_at("participatingOrganization")
        primary = self.named("organization")
        if primary not in {None, self.office_of}:
            raise BrokenRule("The organization of a member is its network.", draft.at("organization"))
        tier = tier_of(self.content, draft.at)
        if tier is None:
            raise BrokenRule("A member needs its tier, as a second code.", draft.at("code"))
        stored = self.workspace.facility(facility)
        is_member = stored is not None and self.office_of in stored.memberships
        joins = any(
            row["facility"] == facility for row in self.workspace.changes.typed.get("memberships", ())
        )
        if (self.before is None and is_member) or joins:
            raise Duplicate(
                "This facility is a member of the network already.", draft.at("participatingOrganization")
            )
        first, last = period_of(self.content, draft.at)
        if self.content.get("active") is False:
            yesterday = self.workspace.now.date() - timedelta(days=1)
            last = yesterday if last is None else min(last, yesterday)
        row = {
            "network": self.office_of,
            "facility": facility,
            "tier": tier,
            "code": member_code(self.content, draft.at) or facility,
            "valid_from": first,
            "valid_to": last,
            "document": draft.id,
        }
        return {"memberships": [row]}

    def tie(self, kind: AffiliationKind) -> dict[str, list[Any]]:
        draft = self.draft
        organization = self.facility_at("organization")
        participating = self.facility_at("participatingOrganization")
        if organization == participating:
            raise BrokenRule("A tie needs two facilities.", draft.at("participatingOrganization"))
        if self.content.get("active") is False:
            return {}
        first, last = period_of(self.content, draft.at)
        row = {
            "network": self.office_of,
            "kind": kind,
            "organization": organization,
            "participating": participating,
            "needs": list(needs_of(self.content)),
            "valid_from": first,
            "valid_to": last,
            "document": draft.id,
        }
        return {"affiliations": [row]}
