"""What a viewer of a scene tries by a route, with the answer that the tables of `matrix` give."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.api.line import Answer
from tests.api.scenes import Resource, Scene

Route = tuple[str, str]

READ: Route = ("GET", "/fhir/{resource_type}/{resource_id}")
VREAD: Route = ("GET", "/fhir/{resource_type}/{resource_id}/_history/{version}")
HISTORY: Route = ("GET", "/fhir/{resource_type}/{resource_id}/_history")
TYPE_HISTORY: Route = ("GET", "/fhir/{resource_type}/_history")
SEARCH: Route = ("GET", "/fhir/{resource_type}")
POSTED_SEARCH: Route = ("POST", "/fhir/{resource_type}/_search")
UPDATE: Route = ("PUT", "/fhir/{resource_type}/{resource_id}")
PATCH: Route = ("PATCH", "/fhir/{resource_type}/{resource_id}")
DELETE: Route = ("DELETE", "/fhir/{resource_type}/{resource_id}")
CREATE: Route = ("POST", "/fhir/{resource_type}")
UPDATE_FOUND: Route = ("PUT", "/fhir/{resource_type}")
PATCH_FOUND: Route = ("PATCH", "/fhir/{resource_type}")
DELETE_FOUND: Route = ("DELETE", "/fhir/{resource_type}")
VALIDATE: Route = ("POST", "/fhir/{resource_type}/$validate")
VALIDATE_STORED: Route = ("POST", "/fhir/{resource_type}/{resource_id}/$validate")
BUNDLES: tuple[Route, ...] = (("POST", "/fhir"), ("POST", "/fhir/"))
EVERYTHING: Route = ("GET", "/fhir/ServiceRequest/{resource_id}/$everything")
MOVES: tuple[Route, ...] = tuple(
    (method, f"/fhir/{kind}/{{resource_id}}/$moves")
    for kind in ("ServiceRequest", "Task")
    for method in ("GET", "POST")
)
CLAIM: Route = ("POST", "/fhir/ServiceRequest/$claim")
SUGGEST: Route = ("GET", "/fhir/ServiceRequest/{resource_id}/$suggest-targets")
POSTED_SUGGEST: Route = ("POST", "/fhir/ServiceRequest/{resource_id}/$suggest-targets")
DRAFT_SUGGEST: Route = ("POST", "/fhir/ServiceRequest/$suggest-targets")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request, and how it is to be answered.

    answer: a word of the tables, or `found`, for which `found` looks at the body. nothing: the status where
    nothing is there of what it names. in_batch: the answer that counts is that to the one entry. waits: it is
    told a little later.
    """

    label: str
    route: Route
    address: str
    answer: str
    nothing: int
    content: Resource | list[Resource] | str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    found: Callable[[Answer], bool] = lambda _answer: True
    in_batch: bool = False
    waits: bool = False

    @property
    def body(self) -> bytes | None:
        """The body as it is sent."""
        if isinstance(self.content, dict | list):
            return json.dumps(self.content).encode()
        return None if self.content is None else self.content.encode()


Form = Callable[[Scene, str], Iterator[Attempt]]
"""All that a viewer tries of one kind."""
