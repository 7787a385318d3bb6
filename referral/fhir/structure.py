"""What the R4B models say of each type: its elements, what they hold, what is required.

The models are read as definitions and never filled: filling one takes several times as long as a walk
over the content, changes decimals, lets empty and null values pass and answers without a FHIRPath.
They are imported when a type is first met. Where R4B has more than R4
(https://hl7.org/fhir/R4B/history.html) R4 decides.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Annotated, Any, Final, get_args, get_origin

from referral.fhir.bindings import Binding, binding_of
from referral.fhir.invariants import Rule, rules_at, rules_of
from referral.fhir.primitives import CHECKS, Check

_NOT_IN_R4: Final = frozenset(
    [
        "AdministrableProductDefinition",
        "Citation",
        "ClinicalUseDefinition",
        "CodeableReference",
        "EvidenceReport",
        "Ingredient",
        "ManufacturedItemDefinition",
        "MedicinalProductDefinition",
        "NutritionProduct",
        "PackagedProductDefinition",
        "RatioRange",
        "RegulatedAuthorization",
        "SubscriptionStatus",
        "SubscriptionTopic",
        "SubstanceDefinition",
    ]
)
_ABSTRACT: Final = frozenset({"DomainResource", "Resource"})
# The base class of the models takes comments, which ended with DSTU2.
_COMMENTS: Final = "fhir_comments"
# Where R4B lets references be to more than R4 does, what R4 says.
_R4_TARGETS: Final = {
    "DiagnosticReport.subject": frozenset({"Patient", "Group", "Device", "Location"}),
    "GroupMember.entity": frozenset(
        {"Patient", "Practitioner", "PractitionerRole", "Device", "Medication", "Substance", "Group"}
    ),
    "Observation.subject": frozenset({"Patient", "Group", "Device", "Location"}),
}


@dataclass(frozen=True, slots=True)
class Element:
    """One JSON property of a type. Exactly one of `check`, `model` and `resource` is set."""

    segment: str
    """Its name in FHIRPath: `value` for `valueString`, `birthDate` for `_birthDate`."""
    sibling: str
    """The property beside a primitive that holds its extensions, or the reverse."""
    many: bool
    choice: bool
    """One of the types of a choice such as `value[x]`."""
    check: Check | None = None
    """Set for a primitive."""
    model: Any = None
    """Set for a complex type: what `structure_of_model` takes."""
    resource: bool = False
    """Set where a resource of any type may stand."""
    codes: Container[str] | None = None
    """The codes of `binding`, where it is of a code."""
    binding: Binding | None = None
    rules: tuple[Rule, ...] = ()
    """Invariants of what stands here, besides those of its type."""
    targets: frozenset[str] | None = None
    """Resource types that a Reference here may be to; None for any."""
    summary: bool = False
    """Whether R4 shows it in a summary (https://hl7.org/fhir/R4/search.html#summary)."""


@dataclass(frozen=True, slots=True)
class Structure:
    """A resource type, datatype or backbone element."""

    name: str
    elements: dict[str, Element]
    """By JSON property; the extensions of a primitive `x` under `_x`."""
    required: dict[str, tuple[str, ...]]
    """FHIRPath name of each required element, with the properties of which one must be there."""
    rules: tuple[Rule, ...] = ()


_TYPE: Final = Element("resourceType", "_resourceType", many=False, choice=False, check=CHECKS["code"])


@lru_cache(maxsize=256)  # bounded, because whoever sends content chooses the names
def structure_of_type(resource_type: str) -> Structure | None:
    """Structure of an R4 resource type; None when R4 has none of that name."""
    from fhir.resources.R4B import get_fhir_model_class  # noqa: PLC0415 - slow, so not before it is needed

    if resource_type in _NOT_IN_R4 or resource_type in _ABSTRACT:
        return None
    try:
        model = get_fhir_model_class(resource_type)
    except (ValueError, AttributeError):
        return None
    if not model.has_resource_base():
        return None
    structure = _structure(model)
    structure.elements[_TYPE.segment] = _TYPE
    return structure


@cache
def structure_of_model(model: Any) -> Structure:
    """Structure behind `Element.model`."""
    return _structure(model.get_model_klass())


def _structure(model: Any) -> Structure:
    from fhir.resources.R4B.fhirtypes import FHIRPrimitiveExtensionType, MetaType  # noqa: PLC0415 - as above

    elements: dict[str, Element] = {}
    required: dict[str, list[str]] = {}
    for field in model.model_fields.values():
        name: str = field.alias
        # The models leave `_x` out of Extension, so it is made here for every primitive.
        if name == _COMMENTS or name.startswith("_"):
            continue
        kind, many = _kind(field.annotation)
        held = "" if isinstance(kind, str) else kind._model_klass.rpartition(".")[2]  # noqa: SLF001
        if held in _NOT_IN_R4:
            continue
        known = field.json_schema_extra or {}
        choice = known.get("one_of_many")
        segment = choice or name
        where = f"{model.__name__}.{segment}"
        binding = binding_of(where)
        elements[name] = Element(
            segment,
            f"_{name}",
            many,
            choice=choice is not None,
            check=CHECKS[kind] if isinstance(kind, str) else None,
            model=kind if held not in ("", "Resource") else None,
            resource=held == "Resource",
            codes=binding.codes if binding is not None and kind == "code" else None,
            binding=binding,
            rules=rules_at(where),
            targets=_R4_TARGETS.get(where) or _targets(known.get("enum_reference_types", ())),
            summary=bool(known.get("summary_element_property")),
        )
        names = [name]
        if elements[name].check and (model.__name__, name) != ("Extension", "url") and name != "id":
            names.append(f"_{name}")
            elements[f"_{name}"] = Element(
                segment,
                name,
                many,
                choice=choice is not None,
                model=FHIRPrimitiveExtensionType,
                summary=elements[name].summary,
            )
        if known.get("one_of_many_required") or known.get("element_required") or field.is_required():
            required.setdefault(segment, []).extend(names)
    if model.__name__ == "Extension":
        # https://hl7.org/fhir/R4/extensibility.html: R4B has no Meta here, R4 has.
        elements["valueMeta"] = Element("value", "_valueMeta", False, choice=True, model=MetaType)
    return Structure(
        model.__resource_type__,
        elements,
        {name: tuple(found) for name, found in required.items()},
        # An Age is a Quantity, too.
        tuple(rule for base in model.__mro__ for rule in rules_of(base.__name__)),
    )


def _targets(listed: Sequence[str]) -> frozenset[str] | None:
    return frozenset(listed) if listed and "Resource" not in listed else None


def _kind(annotation: Any) -> tuple[Any, bool]:
    """FHIR name of a primitive, or the type that stands for a model; and whether it is a list."""
    many = False
    while (origin := get_origin(annotation)) is not None and origin is not Annotated:
        many = many or origin is list
        annotation = get_args(annotation)[0]
    if origin is Annotated:
        named = (getattr(about, "__visit_name__", None) for about in annotation.__metadata__)
        # The only primitive without a name of its own is pydantic's UUID.
        return next(filter(None, named), "uuid"), many
    return ("boolean" if annotation is bool else annotation), many
