"""What a viewer of a scene tries by a route, with the answer that the tables of `matrix` give."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.api.line import Answer
from tests.api.scenes import Resource, Scene

Route = tuple[str, str]

READ: Route = ("GET", "/fhir/{resource_type}/{resource_id}")
SEARCH: Route = ("GET", "/fhir/{resource_type}")
POSTED_SEARCH: Route = ("POST", "/fhir/{resource_type}/_search")
UPDATE: Route = ("PUT", "/fhir/{resource_type}/{resource_id}")
CREATE: Route = ("POST", "/fhir/{resource_type}")
BUNDLES: tuple[Route, ...] = (("POST", "/fhir"), ("POST", "/fhir/"))
SUGGEST: Route = ("GET", "/fhir/ServiceRequest/{resource_id}/$suggest-targets")
POSTED_SUGGEST: Route = ("POST", "/fhir/ServiceRequest/{resource_id}/$suggest-targets")
DRAFT_SUGGEST: Route = ("POST", "/fhir/ServiceRequest/$suggest-targets")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request, and how it is to be answered.

    answer: a word of the tables, or `found`, for which `found` looks at the body. nothing: the status where
    nothing is there of what it names.
    """

    label: str
    route: Route
    address: str
    answer: str
    nothing: int
    content: Resource | str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    found: Callable[[Answer], bool] = lambda _answer: True

    @property
    def body(self) -> bytes | None:
        """The body as it is sent."""
        if isinstance(self.content, dict):
            return json.dumps(self.content).encode()
        return None if self.content is None else self.content.encode()


Form = Callable[[Scene, str], Iterator[Attempt]]
"""All that a viewer tries of one kind."""
