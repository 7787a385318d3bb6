"""The rules of our own profiles and extensions, by hand: fhir_profiles/input/fsh has them in FSH.

They hold for resources that declare a profile in meta.profile, and those of `referral` for whatever is a
referral. Of a Task that fulfils something they hold as far as it need not be an offer; whether it is one, and
then lacks something, the actions say. What depends on who asks, or on what is stored, they decide, too:
the statuses and words of a move, parties, positions, approvals. Codes without a system are taken as ours.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from referral.domain.codes import ReferralGround
from referral.domain.errors import BrokenRule, DomainError, MissingElement, UnknownCode
from referral.domain.facility import AffiliationKind, Level, Tier
from referral.fhir import systems
from referral.fhir.elements import code_of, codings
from referral.fhir.offer import is_offer
from referral.fhir.referral import is_referral

Content = Mapping[str, Any]
Fault = tuple[type[DomainError], str, str]
"""What it is, in words, and the path below the resource or extension, such as `.category`."""
_Rule = Callable[[Content], Iterator[Fault]]

_DEFINITIONS: Final = f"{systems.BASE}/StructureDefinition/"
_TIES: Final = frozenset(AffiliationKind) - {AffiliationKind.MEMBER}
_INPUTS: Final = {
    "means": frozenset({"valueCodeableConcept", "valueString"}),
    "escort": frozenset({"valueString"}),
    "eta": frozenset({"valueDateTime"}),
}

_OWNERS: Final = ("Organization", "HealthcareService", "Practitioner", "PractitionerRole")

# The value of each of our extensions, and its codes where they are ours. What the hub writes over what is
# sent (journey, network, direction) is read by the actions.
_VALUES: Final[Mapping[str, tuple[str, frozenset[str] | None]]] = {
    "age-range": ("Range", None),
    "died-at": ("DateTime", None),
    "former-level": ("Code", None),
    "hours": ("String", None),
    "landmass": ("Code", None),
    "level": ("Code", frozenset(Level)),
    "points": ("Integer", None),
    "position-source": ("String", None),
    "referral-ground": ("Code", frozenset(ReferralGround)),
}
_ONCE: Final = frozenset({*_VALUES, "capacity", "direction", "journey", "network"})
_CAPACITY: Final = {"status": "Code", "free": "Integer", "asOf": "DateTime"}


def profile_faults(content: Content) -> Iterator[Fault]:
    """What is wrong with a resource whose structure is sound, by the profiles that it has to meet."""
    kind, meant = content["resourceType"], set()
    if "meta" in content:
        for position, address in enumerate(content["meta"].get("profile", ())):
            if isinstance(address, str) and address.startswith(_DEFINITIONS):
                name = address.removeprefix(_DEFINITIONS).partition("|")[0]
                if name in _PROFILES and _PROFILES[name][0] != kind:
                    text = f"The profile {name} is one of {_PROFILES[name][0]}."
                    yield BrokenRule, text, f".meta.profile[{position}]"
                elif name in _PROFILES:
                    meant.add(name)
    if kind == "ServiceRequest" and is_referral(content):
        meant.add("referral")
    elif kind == "Task" and is_offer(content) and "offer" not in meant:
        # What it fulfils may be a plain order: only who looks that up knows whether it is an offer.
        yield from _repeated(content, "")
        yield from _inputs(content)
    if meant:
        yield from _repeated(content, "")
        for name in sorted(meant):
            yield from _PROFILES[name][1](content)


def extension_faults(extension: Content) -> Iterator[Fault]:
    """What is wrong with an extension, if it is one of ours, by its definition."""
    name = extension.get("url", "").removeprefix(_DEFINITIONS)
    if name in _VALUES:
        kind, codes = _VALUES[name]
        yield from _wrong_value(extension, kind, name)
        code = extension.get("valueCode")
        if codes is not None and code is not None and code not in codes:
            yield UnknownCode, f"The extension {name} is one of: {', '.join(sorted(codes))}.", ".value"
    elif name == "capacity":
        for position, part in enumerate(extension.get("extension", ())):
            part_kind = _CAPACITY.get(part.get("url", ""))
            if part_kind is not None:
                for fault, text, below in _wrong_value(part, part_kind, part["url"]):
                    yield fault, text, f".extension[{position}]{below}"


def _wrong_value(extension: Content, kind: str, name: str) -> Iterator[Fault]:
    # Where there is none at all, ext-1 tells so.
    given = {found.lstrip("_") for found in extension if found.lstrip("_").startswith("value")}
    if given - {f"value{kind}"}:
        yield BrokenRule, f"The extension {name} is a value{kind}.", ".value"


def _repeated(content: Content, place: str) -> Iterator[Fault]:
    """Each of our extensions stands once."""
    seen: set[str] = set()
    for position, found in enumerate(content.get("extension", ())):
        name = found.get("url", "").removeprefix(_DEFINITIONS)
        if name in _ONCE and name in seen:
            yield BrokenRule, f"The extension {name} stands here once.", f"{place}.extension[{position}]"
        seen.add(name)


def _needed(content: Content, *names: str) -> Iterator[Fault]:
    for name in names:
        if name not in content:
            yield MissingElement, f"The profile needs the element {name}.", f".{name}"


def _refers(content: Content, element: str, types: tuple[str, ...]) -> Iterator[Fault]:
    """A reference, where it tells its type, is to one of these."""
    if element in content:
        found = content[element]
        kind = found.get("type") or _type_of(found.get("reference", ""))
        if kind is not None and kind not in types:
            yield BrokenRule, f"The {element} must be of: {', '.join(types)}.", f".{element}"


def _type_of(literal: str) -> str | None:
    """The type in a literal reference by its form; None where it does not say."""
    name, slash, _ = literal.partition("/")
    if slash and not name[:1].isupper():
        name = literal.partition("/_history/")[0].rpartition("/")[0].rpartition("/")[2]
    return name if slash and name[:1].isupper() else None


def _coded(content: Content, element: str, system: str) -> list[str]:
    """The codes of one system in an element of CodeableConcepts."""
    return [code for concept in content.get(element, ()) for its, code in codings(concept) if its == system]


def _referral(content: Content) -> Iterator[Fault]:
    if content.get("intent") != "order":
        yield BrokenRule, "The intent of a referral is order.", ".intent"
    elif not is_referral(content):
        yield BrokenRule, "A referral has the category SNOMED CT 3457005, or referral.", ".category"
    yield from _refers(content, "subject", ("Patient",))


def _offer(content: Content) -> Iterator[Fault]:
    yield from _needed(content, "code", "focus", "owner")
    if content.get("intent") != "order":
        yield BrokenRule, "The intent of an offer is order.", ".intent"
    if "code" in content and code_of(content["code"], systems.TASK_CODE) != "fulfill":
        yield BrokenRule, "The code of an offer is fulfill of task-code.", ".code"
    yield from _refers(content, "focus", ("ServiceRequest",))
    yield from _refers(content, "for", ("Patient",))
    yield from _refers(content, "owner", _OWNERS)
    yield from _inputs(content)


def _inputs(content: Content) -> Iterator[Fault]:
    for position, part in enumerate(content.get("input", ())):
        wanted = _INPUTS.get(code_of(part.get("type"), systems.TASK_INPUT) or "")
        if wanted is not None and wanted.isdisjoint(name.removeprefix("_") for name in part):
            yield BrokenRule, f"This input is a {' or '.join(sorted(wanted))}.", f".input[{position}].value"


def _summary(content: Content) -> Iterator[Fault]:
    yield from _needed(content, "subject")
    yield from _refers(content, "subject", ("Patient",))
    for position, part in enumerate(content.get("content", ())):
        attachment, place = part.get("attachment", {}), f".content[{position}].attachment"
        if "contentType" not in attachment:
            yield MissingElement, "A summary says the media type of its document.", f"{place}.contentType"
        if "data" not in attachment and "url" not in attachment:
            yield BrokenRule, "A summary has its document, as data or at a url.", place


def _referral_summary(content: Content) -> Iterator[Fault]:
    yield from _needed(content, "subject")
    yield from _refers(content, "subject", ("Patient",))
    about = [code_of(section.get("code"), systems.SUMMARY_SECTION) for section in content.get("section", ())]
    for code in SUMMARY_SECTIONS:
        if code not in about:
            yield MissingElement, f"A summary has a section {code} of summary-section.", ".section"
        elif about.count(code) > 1:
            yield BrokenRule, f"A summary has one section {code}.", ".section"


def _facility(content: Content) -> Iterator[Fault]:
    yield from _needed(content, "name")
    yield from _mcsd_type(content, "facility")
    if sum(found.get("system") == systems.INSURER_IDENTIFIER for found in content.get("identifier", ())) > 1:
        yield BrokenRule, "A facility has one code with the insurer.", ".identifier"


def _location(content: Content) -> Iterator[Fault]:
    yield from _needed(content, "position", "managingOrganization")
    yield from _mcsd_type(content, "location of a facility")


def _mcsd_type(content: Content, what: str) -> Iterator[Fault]:
    if systems.MCSD_FACILITY not in _coded(content, "type", systems.MCSD_TYPE):
        yield BrokenRule, f"One type of a {what} is facility of IHE mCSD.", ".type"


def _membership(content: Content) -> Iterator[Fault]:
    yield from _needed(content, "network", "participatingOrganization")
    if "member" not in _coded(content, "code", systems.AFFILIATION_KIND):
        yield BrokenRule, "One code of a membership is member of affiliation-kind.", ".code"
    tiers = _coded(content, "code", systems.TIER)
    if len(tiers) != 1 or tiers[0] not in set(Tier):
        yield BrokenRule, f"A member has one tier, of: {', '.join(Tier)}.", ".code"


def _affiliation(content: Content) -> Iterator[Fault]:
    yield from _needed(content, "network", "organization", "participatingOrganization")
    kinds = _coded(content, "code", systems.AFFILIATION_KIND)
    if len(kinds) != 1 or kinds[0] not in _TIES:
        yield BrokenRule, f"An affiliation has one code, of: {', '.join(sorted(_TIES))}.", ".code"


def _service(content: Content) -> Iterator[Fault]:
    for position, entry in enumerate(content.get("eligibility", ())):
        yield from _repeated(entry, f".eligibility[{position}]")


SUMMARY_SECTIONS: Final = ("diagnosis", "done", "medicines", "community", "next-visit")
"""What a summary in its parts tells, in this order."""


def _nothing_more(_content: Content) -> Iterator[Fault]:
    return iter(())


_PROFILES: Final[Mapping[str, tuple[str, _Rule]]] = {
    "affiliation": ("OrganizationAffiliation", _affiliation),
    "facility": ("Organization", _facility),
    "location": ("Location", _location),
    "membership": ("OrganizationAffiliation", _membership),
    "offer": ("Task", _offer),
    "referral-summary": ("Composition", _referral_summary),
    "referral": ("ServiceRequest", _referral),
    "service": ("HealthcareService", _service),
    "suggestion": ("Parameters", _nothing_more),
    "summary": ("DocumentReference", _summary),
}
"""Our profiles: their type, and what they ask besides what their extensions ask."""


def summary_faults(content: Content) -> Iterator[Fault]:
    """What is wrong with a Composition or DocumentReference as the summary of an offer."""
    yield from (_referral_summary if content["resourceType"] == "Composition" else _summary)(content)


def declaring(content: Content, profile: str) -> dict[str, Any]:
    """The resource as it would be if it declared this profile, too."""
    meta = content.get("meta", {})
    profiles = meta.get("profile", []) if isinstance(meta, dict) else None
    if not isinstance(profiles, list):
        # It is no sound resource, and no profile is asked of it.
        return dict(content)
    return {**content, "meta": {**meta, "profile": [*profiles, profile]}}


KNOWN: Final = frozenset(f"{_DEFINITIONS}{name}" for name in _PROFILES)
"""The canonical addresses of our profiles."""
