"""Whatever the OpenAPI document allows, and what it does not, is answered as the document says.

Asked by schemathesis, the same requests in every run: of the addresses of each type those of a few.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.running_service import RunningService

# One with a place, one of bytes; at the addresses that all types share, all of them have their turn.
ASKED = r"^(?!/fhir/[A-Z]|/fhir/$)|^/fhir/(Location|Binary)(/|$)|^/fhir/ServiceRequest/.*suggest"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance]


@pytest.fixture(scope="module")
async def document(service: RunningService) -> dict[str, Any]:
    async with service.anonymous() as somebody:
        return dict((await somebody.get("/openapi.json")).json())


def ask(
    document: Mapping[str, Any],
    base_url: str,
    headers: Mapping[str, str],
    examples: int,
    modes: Iterable[GenerationMode],
) -> Counter[int]:
    """How often each status was answered. Fails at the first answer that is not as it is told."""
    statuses: Counter[int] = Counter()
    schema = schemathesis.openapi.from_dict(dict(document)).include(path_regex=ASKED)
    for found in schema.get_all_operations():
        operation = found.ok()
        takes_nothing = not operation.body.items and not list(operation.iter_parameters())
        for mode in modes:
            if takes_nothing and mode is GenerationMode.NEGATIVE:
                continue

            @seed(4)
            @settings(
                max_examples=examples,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def one(case: schemathesis.Case) -> None:
                answer = case.call(base_url=base_url, headers=dict(headers), timeout=60)
                statuses[answer.status_code] += 1
                # Some prefer an answer without a body.
                more = [response_schema_conformance] if answer.content else []
                case.validate_response(answer, checks=[*CHECKS, *more], headers=dict(headers))

            one()
    return statuses


async def test_to_the_system_of_a_station(service: RunningService, document: dict[str, Any]) -> None:
    # Of a station that no other test looks at: what it writes stays.
    system = await service.system("lai-khe-health-station")
    signed_in = (await system.get("Patient/none")).request.headers["Authorization"]
    statuses = await asyncio.to_thread(
        ask, document, service.base_url, {"Authorization": signed_in}, 2, list(GenerationMode)
    )
    # Something is asked for, written and refused.
    assert {200, 201, 204, 400, 404, 406} <= set(statuses), statuses


async def test_to_nobody(service: RunningService, document: dict[str, Any]) -> None:
    statuses = await asyncio.to_thread(ask, document, service.base_url, {}, 2, [GenerationMode.POSITIVE])
    # Besides what is public it is refused, some of it before it is asked who it is: another form than JSON,
    # or a form at the token endpoint that is none.
    assert {200, 401} <= set(statuses) <= {200, 400, 401, 406}, statuses
