"""What a search parameter is, and how those of the registry are written down."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from referral.domain.lifecycle import Party
from referral.domain.search import OWED_OF_OFFER, OWED_OF_REFERRAL, Kind, Owed
from referral.fhir.systems import BOOLEAN, PARTY

_HL7: Final = "http://hl7.org/fhir/"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter of one resource type.

    `paths` lead from the resource to the elements, separated by dots. `stem[x]` is any of its date forms,
    `stem[Quantity]` the one of that type, `name[phone]` an element whose `system` is that code. `targets`
    are the types that a reference may have (none: any). `system` is what plain codes and booleans imply.
    `rows` is the parameter under which the index rows stand: `patient` reads those of `subject` that are of
    the first of its targets.

    `phonetic`: the strings are compared by `sound`. `presence`: a boolean, whether there is such an element
    that is not false. `parts`: of a composite the code and the reference below its one path. `told`: of a
    parameter of the hub's own, which looks at no element: what it looks at; `codes`: of one, all there are.
    """

    name: str
    kind: Kind
    paths: tuple[str, ...]
    targets: tuple[str, ...] = ()
    system: str | None = None
    rows: str = ""
    phonetic: bool = False
    presence: bool = False
    parts: tuple[str, str] | None = None
    told: str = ""
    codes: tuple[str, ...] = ()

    @property
    def owed(self) -> bool:
        """Whether it looks at what is owed of a referral."""
        return self.rows in {OWED_OF_OFFER, OWED_OF_REFERRAL}

    @property
    def indexed(self) -> bool:
        """Whether the parameter has index rows of its own."""
        return self.rows == self.name

    @property
    def refers(self) -> bool:
        """Whether it is a reference of the resource itself, which can be followed."""
        return self.kind is Kind.REFERENCE and not self.told

    def may_target(self, resource_type: str) -> bool:
        """Whether a reference of this parameter may name that type."""
        return self.refers and (not self.targets or resource_type in self.targets)

    def expression(self, resource_type: str) -> str:
        """FHIRPath of the elements, for docs and the CapabilityStatement; in words where there are none."""
        if self.told:
            return self.told
        if self.presence:
            element = f"{resource_type}.{self.paths[0].partition('[')[0]}"
            return f"{element}.exists() and {element} != false"
        return " | ".join(f"{resource_type}.{_fhirpath(path)}" for path in self.paths) + (
            "" if self.indexed else f".where(resolve() is {self.targets[0]})"
        )


def _fhirpath(path: str) -> str:
    path = re.sub(r"\[([A-Z])(\w+)\]", _of_type, path.replace("[x]", ""))
    return re.sub(r"\[(\w+)\]", r".where(system = '\1')", path)


def _of_type(form: re.Match[str]) -> str:
    name = form[1] + form[2]
    return f".as({name[0].lower() + name[1:] if name in _PRIMITIVES else name})"


_PRIMITIVES: Final = frozenset({"Boolean", "DateTime", "String"})


def token(name: str, *paths: str) -> Parameter:
    """Of Codings, CodeableConcepts, Identifiers and texts."""
    return Parameter(name, Kind.TOKEN, paths, rows=name)


def code(name: str, path: str, system: str) -> Parameter:
    """Of plain codes of one system, which is HL7's unless it is a whole address."""
    whole = system if ":" in system else _HL7 + system
    return Parameter(name, Kind.TOKEN, (path,), system=whole, rows=name)


def boolean(name: str, path: str) -> Parameter:
    """Of a boolean."""
    return Parameter(name, Kind.TOKEN, (path,), system=BOOLEAN, rows=name)


def presence(name: str, *paths: str) -> Parameter:
    """Whether there is such an element, and it is not false."""
    return Parameter(name, Kind.TOKEN, paths, system=BOOLEAN, rows=name, presence=True)


def string(name: str, *paths: str) -> Parameter:
    """Of texts, HumanNames and Addresses, compared without case and marks."""
    return Parameter(name, Kind.STRING, paths, rows=name)


def phonetic(name: str, *paths: str) -> Parameter:
    """Of texts and HumanNames, compared by their sound."""
    return Parameter(name, Kind.STRING, paths, rows=name, phonetic=True)


def date(name: str, *paths: str) -> Parameter:
    """Of dates, moments, Periods and Timings."""
    return Parameter(name, Kind.DATE, paths, rows=name)


def quantity(name: str, *paths: str) -> Parameter:
    """Of Quantities and Ranges."""
    return Parameter(name, Kind.QUANTITY, paths, rows=name)


def uri(name: str, *paths: str) -> Parameter:
    """Of addresses, compared as they are written."""
    return Parameter(name, Kind.URI, paths, rows=name)


def reference(name: str, path: str | tuple[str, ...], *targets: str) -> Parameter:
    """Of References, and of canonical addresses, to these types (none: to any)."""
    paths = (path,) if isinstance(path, str) else path
    return Parameter(name, Kind.REFERENCE, paths, targets, rows=name)


def narrowed(name: str, rows: str, path: str, target: str) -> Parameter:
    """Those of the reference parameter `rows` that are of one type."""
    return Parameter(name, Kind.REFERENCE, (path,), (target,), rows=rows)


def hub(name: str, system: str, codes: Iterable[str], told: str) -> Parameter:
    """Of codes of ours that the hub keeps beside the resources."""
    return Parameter(name, Kind.TOKEN, (), system=system, told=told, codes=tuple(codes))


def owed(rows: str) -> tuple[Parameter, ...]:
    """What looks at the step that is owed of a referral: who owes it, who waits for it, until when."""
    facility = ("Organization",)
    return (
        Parameter(
            Owed.WAITING_FOR.value,
            Kind.REFERENCE,
            (),
            facility,
            rows=rows,
            told="The facility that owes the next step; and the office, once that is escalated",
        ),
        Parameter(
            Owed.AWAITED_BY.value,
            Kind.REFERENCE,
            (),
            facility,
            rows=rows,
            told="The facility of the other side, which waits for the next step",
        ),
        Parameter(
            Owed.OWES.value,
            Kind.TOKEN,
            (),
            system=PARTY,
            rows=rows,
            codes=(Party.SENDER, Party.RECEIVER, Party.OFFICE),
            told="The party that owes the next step: sender or receiver; and office, once that is escalated",
        ),
        Parameter(
            Owed.OVERDUE.value,
            Kind.TOKEN,
            (),
            system=BOOLEAN,
            rows=rows,
            told="Whether the time for the next step is over",
        ),
        Parameter(
            Owed.ESCALATED.value,
            Kind.TOKEN,
            (),
            system=BOOLEAN,
            rows=rows,
            told="Whether the office was told, as twice that time is over",
        ),
        Parameter(Owed.DUE.value, Kind.DATE, (), rows=rows, told="Until when the next step is owed"),
    )


def composite(name: str, path: str, coded: str, referring: str) -> Parameter:
    """Pairs of a code and a reference that stand together; found under `<name>:<code>` as references."""
    return Parameter(name, Kind.COMPOSITE, (path,), rows=name, parts=(coded, referring))


def position(name: str, path: str) -> Parameter:
    """Of points on Earth, found by their distance."""
    return Parameter(name, Kind.SPECIAL, (path,), rows=name)


ACTORS: Final = ("Device", "Organization", "Patient", "Practitioner", "PractitionerRole", "RelatedPerson")
PERFORMERS: Final = (*ACTORS, "CareTeam", "HealthcareService")
IDENTIFIER: Final = token("identifier", "identifier")
ACTIVE: Final = boolean("active", "active")
COMMON: Final = (
    uri("_profile", "meta.profile"),
    token("_security", "meta.security"),
    uri("_source", "meta.source"),
    token("_tag", "meta.tag"),
)
"""Of every type (https://hl7.org/fhir/R4/resource.html#search)."""
