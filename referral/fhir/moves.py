"""The answer of `$moves` as Parameters: what the caller may do now, and who owes the next step."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from referral.domain.advice import Advice
from referral.domain.lifecycle import Need, Party
from referral.fhir.reasons import reasons_of


@dataclass(frozen=True, slots=True)
class PossibleMove:
    """One move: its word, the party that the caller is by it, the state it leads to, and what it needs."""

    code: str
    party: Party
    to: str
    needs: tuple[Need, ...] = ()


def write_moves(
    moves: Iterable[PossibleMove],
    owes: Party | None,
    *,
    due: datetime | None = None,
    missing: Mapping[str, Sequence[str]] | None = None,
    form: tuple[str, str | None] | None = None,
    advice: Iterable[Advice] = (),
) -> dict[str, Any]:
    """Give the Parameters: `move` in their order, then `owes` and, where a clock runs, until when.

    missing: by the code of a move what the package of the referral still lacks for it. form: of the transfer,
    with the source of the rule. advice: what the lists of the network say of the referral.
    """
    parameters: list[dict[str, Any]] = [
        {"name": "move", "part": [*_parts(move), *_codes("missing", (missing or {}).get(move.code, ()))]}
        for move in moves
    ]
    if owes is not None:
        parameters.append({"name": "owes", "valueCode": owes.value})
    if due is not None:
        parameters.append({"name": "due", "valueDateTime": due.isoformat(timespec="seconds")})
    if form is not None:
        parameters.append({"name": "form", "part": [_code(form[0]), *_source(form[1])]})
    for one in advice:
        text = {"name": "text", "valueString": one.text}
        parameters.append({"name": "advice", "part": [_code(one.code), text, *_source(one.source)]})
    # FHIR has no empty arrays.
    return {"resourceType": "Parameters"} | ({"parameter": parameters} if parameters else {})


def _parts(move: PossibleMove) -> list[dict[str, Any]]:
    return [
        {"name": "code", "valueCode": move.code},
        {"name": "party", "valueCode": move.party.value},
        {"name": "to", "valueCode": move.to},
        *_codes("needs", [need.value for need in move.needs]),
        *(
            {"name": "reason", "valueCoding": {"system": system, "code": code}}
            for system, code in reasons_of(move.code)
        ),
    ]


def _code(code: str) -> dict[str, Any]:
    return {"name": "code", "valueCode": code}


def _source(source: str | None) -> list[dict[str, Any]]:
    return [] if source is None else [{"name": "source", "valueString": source}]


def _codes(name: str, codes: Iterable[str]) -> list[dict[str, Any]]:
    return [{"name": name, "valueCode": code} for code in codes]
