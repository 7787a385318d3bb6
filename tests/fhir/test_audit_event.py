"""Rows of the audit as AuditEvents. https://profiles.ihe.net/ITI/BALP/content.html"""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from fhir.resources.R4B.auditevent import AuditEvent

from referral.domain.audit import AuditAction, AuditRecord, AuditRow
from referral.fhir.audit_event import audit_event
from referral.fhir.content import read_content, write_content
from referral.fhir.opaque_id import AUDIT_ROW, opaque_id
from referral.fhir.validation import check_resource

AT = datetime(2026, 3, 1, 8, 0, 0, 123456, tzinfo=timezone(timedelta(hours=7)))
SITE = "https://hub.example/referral"


def event(action: str, patient: str | None = None, site: str = SITE, **more: Any) -> dict[str, Any]:
    """The event of one row, which is valid R4."""
    given: dict[str, Any] = {"actor": "station", "client": "ehr", "address": "10.0.0.7", "request_id": "r-1"}
    record = AuditRecord(AT, action=action, **(given | more))
    written = write_content(audit_event(AuditRow(7, record, patient), site, bytes(32)))
    check_resource("AuditEvent", read_content(written))
    AuditEvent.model_validate(json.loads(written))
    return dict(json.loads(written))


def agents(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By the code of their type."""
    return {agent["type"]["coding"][0]["code"]: agent for agent in found["agent"]}


def test_a_read_of_a_patient_record_has_every_part_of_its_pattern():
    found = event("read", "p1", type="Observation", id="o1", version=3)
    assert found == {
        "resourceType": "AuditEvent",
        "id": opaque_id(bytes(32), AUDIT_ROW, 7),
        "meta": {
            "profile": ["https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientRead"]
        },
        "type": {
            "system": "http://terminology.hl7.org/CodeSystem/audit-event-type",
            "code": "rest",
            "display": "RESTful Operation",
        },
        "subtype": [{"system": "http://hl7.org/fhir/restful-interaction", "code": "read", "display": "read"}],
        "action": "R",
        "recorded": "2026-03-01T01:00:00.123456Z",
        "outcome": "0",
        "agent": found["agent"],
        "source": {
            "site": SITE,
            "observer": {"display": SITE},
            "type": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/security-source-type",
                    "code": "4",
                    "display": "Application Server",
                }
            ],
        },
        "entity": found["entity"],
    }
    reader, server, facility = agents(found)["110152"], agents(found)["110153"], agents(found)["IRCP"]
    assert reader["who"]["identifier"] == {
        "system": "http://referral.example/fhir/sid/client",
        "value": "ehr",
    }
    assert (reader["network"], reader["requestor"]) == ({"address": "10.0.0.7", "type": "2"}, False)
    assert (server["network"], server["requestor"]) == ({"address": SITE, "type": "5"}, False)
    assert (facility["who"], facility["requestor"]) == ({"reference": "Organization/station"}, True)
    parts = [(entity["type"]["code"], entity.get("role", {}).get("code")) for entity in found["entity"]]
    assert parts == [("1", "1"), ("2", "4"), ("XrequestId", None)]
    what = [entity["what"] for entity in found["entity"]]
    assert what[:2] == [{"reference": "Patient/p1"}, {"reference": "Observation/o1/_history/3"}]
    assert what[2] == {"identifier": {"value": "r-1"}}


@pytest.mark.parametrize(
    ("action", "patient", "more", "told"),
    [
        ("create", "p1", {"type": "Patient", "id": "p1", "version": 1}, ("PatientCreate", "C", "create")),
        ("create", None, {"type": "Location", "id": "l1", "version": 1}, ("Create", "C", "create")),
        ("update", "p1", {"type": "Task", "id": "t1", "version": 2}, ("PatientUpdate", "U", "update")),
        ("update", None, {"type": "Location", "id": "l1", "version": 2}, ("Update", "U", "update")),
        ("read", None, {"type": "Location", "id": "l1", "version": 2}, ("Read", "R", "read")),
        ("search", None, {"type": "Location", "query": ""}, ("Query", "E", "search-type")),
        (
            "search",
            None,
            {"type": "Task", "query": "patient=Patient/p1"},
            ("PatientQuery", "E", "search-type"),
        ),
        ("execute", "p1", {"type": "ServiceRequest", "id": "s1", "query": "$x"}, (None, "E", "operation")),
        ("transaction", None, {"outcome": 422}, (None, "E", "transaction")),
        ("replay", None, {}, (None, "R", None)),
        ("of-tomorrow", None, {}, (None, "E", None)),
    ],
)
def test_the_pattern_is_that_of_what_was_done(
    action: str, patient: str | None, more: dict[str, Any], told: tuple[str | None, str, str | None]
):
    found = event(action, patient, **more)
    profile, code, subtype = told
    assert found.get("meta", {}).get("profile", [""])[0].rpartition(".")[2] == (profile or "")
    assert found["action"] == code
    assert found.get("subtype", [{}])[0].get("code") == subtype
    assert found["type"]["code"] == "rest"


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("token", "110114"),
        ("client-add", "110113"),
        ("import", "110107"),
        ("activate-policy", "110113"),
        ("export", "110106"),
        ("refused", "110113"),
    ],
)
def test_what_is_no_interaction_has_a_type_of_dicom(action: str, code: str):
    found = event(action, actor=None, client=None, address=None, request_id=None)
    assert found["type"]["code"] == code
    assert "meta" not in found
    assert "entity" not in found


@pytest.mark.parametrize("lacking", [{"client": None}, {"address": None}, {"id": None}, {"outcome": 404}])
def test_no_pattern_is_claimed_that_is_not_followed(lacking: dict[str, Any]):
    whole = {"type": "Patient", "id": "p1", "version": 1}
    assert "meta" in event("read", "p1", **whole)
    assert "meta" not in event("read", "p1", **(whole | lacking))


def test_a_refusal_says_its_status_and_a_stranger_asks_for_himself():
    found = event("read", "p1", type="Patient", id="p1", actor=None, client=None, outcome=401)
    assert (found["outcome"], found["outcomeDesc"]) == ("4", "HTTP 401")
    stranger = agents(found)["110152"]
    assert (stranger["who"], stranger["requestor"]) == ({"display": "unknown"}, True)
    many = event("refused", actor=None, client=None, outcome=401, details={"more": 150})
    assert many["outcomeDesc"] == "150 more requests without a valid token"


@pytest.mark.parametrize(
    ("resource_type", "query", "patient"),
    [
        ("Observation", "subject=Patient/p1&code=x", "p1"),
        ("Observation", "subject:Patient=p1", "p1"),
        ("Task", "patient=p1&patient=Patient/p1", "p1"),
        ("Patient", "_id=p1", "p1"),
        ("Coverage", "beneficiary=Patient/p1", "p1"),
        ("Observation", "_id=p1", None),
        ("Observation", "subject=Patient/p1,Patient/p2", None),
        ("Observation", "subject=p1&subject=p2", None),
        ("Observation", "subject=http://elsewhere/Patient/p1", None),
        ("Patient", "name=p1", None),
    ],
)
def test_a_search_is_about_the_one_patient_that_it_names(resource_type: str, query: str, patient: str | None):
    found = event("search", type=resource_type, query=query)
    about = [entity["what"]["reference"] for entity in found["entity"] if entity["type"]["code"] == "1"]
    assert about == ([f"Patient/{patient}"] if patient else [])
    (sought,) = [entity["query"] for entity in found["entity"] if "query" in entity]
    assert base64.b64decode(sought).decode() == f"{resource_type}?{query}"


def test_a_site_without_an_address_is_a_machine():
    assert agents(event("read", site="hub-1"))["110153"]["network"] == {"address": "hub-1", "type": "1"}


def test_every_action_can_be_told():
    for action in AuditAction:
        assert event(action)["recorded"].endswith("Z")
    assert event("read", request_id="x" * 128)["entity"][-1]["what"]["identifier"]["value"] == "x" * 128
    assert AT.astimezone(UTC).hour == 1


def test_a_refused_search_of_no_type_and_without_parameters_tells_no_query():
    found = event("search", type=None, id=None, query="", outcome=404)
    assert not [entity for entity in found.get("entity", []) if "query" in entity]


def test_what_is_not_supported_is_told_as_it_was_asked():
    found = event("unsupported", type="Patient", id="p1", query="DELETE /fhir/Patient/p1", outcome=405)
    assert (found["outcome"], found["outcomeDesc"], found["action"]) == ("4", "HTTP 405", "E")
    assert "subtype" not in found
    (asked,) = [entity["query"] for entity in found["entity"] if "query" in entity]
    assert base64.b64decode(asked).decode() == "DELETE /fhir/Patient/p1"
