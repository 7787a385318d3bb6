"""Invariants of R4 with severity error, as functions by hand; a FHIRPath engine is too slow for each write.

https://hl7.org/fhir/R4/conformance-rules.html#constraints. Those of every element, extension and resource
(ele-1, ext-1, dom-2 to dom-5, ref-1) and of narratives are part of the walk in `fhir/validation.py` and of
`fhir/primitives.py`. docs/validation.md lists all of them, also what is not checked.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from referral.fhir.bindings import INVARIANTS, SIMPLE_QUANTITIES
from referral.fhir.invariants import clinical, conformance, datatypes, messages, questionnaire
from referral.fhir.invariants.rule import Content, Rule

__all__ = ["RULES", "UNCHECKED", "WALKED", "Content", "Rule", "rules_at", "rules_of"]

_AT_ELEMENTS: Final = (datatypes.SIMPLE_QUANTITY, *clinical.AT_ELEMENTS.values())
RULES: Final[tuple[Rule, ...]] = (
    *datatypes.RULES,
    *clinical.RULES,
    *_AT_ELEMENTS,
    *questionnaire.RULES,
    *messages.RULES,
    *conformance.RULES,
)
WALKED: Final[Mapping[tuple[str, str], str]] = {
    ("Reference", "ref-1"): "fhir/validation.py",
    ("Narrative.div", "txt-1"): "fhir/primitives.py",
    ("Narrative.div", "txt-2"): "fhir/primitives.py",
}
"""Invariants that the walk checks by itself, and where."""

_PLACEHOLDER: Final = "names a code system `something`, which no consent has"
_PUBLISHED: Final = "of definitions, which are stored and not acted on; what publishes them checks them"
UNCHECKED: Final[Mapping[tuple[str, str], str]] = {
    ("CareTeam.participant", "ctm-1"): "depends on another resource",
    **{("Consent", key): _PLACEHOLDER for key in ("ppc-2", "ppc-3", "ppc-4", "ppc-5")},
    **{
        (path, key): _PUBLISHED
        for path, keys in INVARIANTS.items()
        for key in keys
        if path.partition(".")[0]
        in {
            "ElementDefinition",
            "ImplementationGuide",
            "MessageDefinition",
            "StructureDefinition",
            "StructureMap",
            "TerminologyCapabilities",
        }
    },
}
"""Invariants of types that are stored, or could be, which nothing here checks, and why."""

_BY_MODEL: Final[Mapping[str, list[Rule]]] = defaultdict(list)
for _rule in RULES:
    if _rule not in _AT_ELEMENTS:
        _BY_MODEL["".join(step[:1].upper() + step[1:] for step in _rule.path.split("."))].append(_rule)


def rules_of(model: str) -> tuple[Rule, ...]:
    """The invariants of a type or backbone element, named as its R4B model."""
    return tuple(_BY_MODEL.get(model, ()))


def rules_at(element: str) -> tuple[Rule, ...]:
    """The invariants of what stands in `Model.element` alone."""
    if element in SIMPLE_QUANTITIES:
        return (datatypes.SIMPLE_QUANTITY,)
    found = clinical.AT_ELEMENTS.get(element)
    return () if found is None else (found,)
