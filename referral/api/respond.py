"""Answers to writes: ETag, Location and what `Prefer` asks for. https://hl7.org/fhir/R4/http.html#return"""

from collections.abc import Callable
from email.utils import format_datetime

from starlette.requests import Request

from referral.actions.draft import Written
from referral.api.errors import MEDIA_TYPE
from referral.fhir.content import write_content
from referral.fhir.outcome import operation_outcome
from referral.store.replay import Answer


def preference(request: Request, name: str) -> str | None:
    """One preference of the `Prefer` header, such as `return`; None where absent."""
    for word in ",".join(request.headers.getlist("prefer")).replace(";", ",").split(","):
        key, _, value = word.strip().partition("=")
        if key == name:
            return value.strip().strip('"')
    return None


def outcome_of(written: Written) -> bytes:
    """What the hub did with a write, as an OperationOutcome."""
    plain = "It is not there any more." if written.deleted else "It is stored as it was sent."
    notes = written.notes or (plain,)
    return write_content(operation_outcome(("information", "informational", note, None) for note in notes))


def location(fhir_base: str, written: Written) -> str:
    """Address of the version that a write made."""
    return f"{fhir_base}/{written.type}/{written.id}/_history/{written.version}"


def answer_for_delete(request: Request) -> Callable[[list[Written]], Answer]:
    """Renders the delete of one resource: 204, or 200 with an OperationOutcome where that is preferred."""
    wanted = preference(request, "return")

    def render(results: list[Written]) -> Answer:
        (written,) = results
        headers = {"ETag": f'W/"{written.version}"'} if written.version else {}
        if wanted == "OperationOutcome":
            return Answer(200, {**headers, "Content-Type": MEDIA_TYPE}, outcome_of(written))
        return Answer(204, headers, b"")

    return render


def answer_for_one(request: Request, fhir_base: str) -> Callable[[list[Written]], Answer]:
    """Renders a write of one resource: 201 where it is new, else 200; Location; the body by preference."""
    wanted = preference(request, "return")

    def render(results: list[Written]) -> Answer:
        (written,) = results
        headers = {
            "ETag": f'W/"{written.version}"',
            "Last-Modified": format_datetime(written.at, usegmt=True),
            "Location": location(fhir_base, written),
            "Content-Type": MEDIA_TYPE,
        }
        match wanted:
            case "minimal":
                body = b""
            case "OperationOutcome":
                body = outcome_of(written)
            case _:
                body = written.content
        return Answer(201 if written.created else 200, headers, body)

    return render
