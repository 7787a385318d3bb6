"""The reads of a transaction see its outcome: https://hl7.org/fhir/R4/http.html#trules"""

from base64 import b64encode

import httpx
import pytest

from referral.api import transaction_reads
from tests.api.audited import audited
from tests.api.audited import named as request_named
from tests.api.refusals import refused, rows
from tests.api.test_batch import ask
from tests.api.test_transaction import bundle, named, post, put, sent, urn
from tests.api.test_transaction_parts import delete, number, statuses, with_number
from tests.factories import KIEN_AN, LE_CHAN, created, observation, offered, patient, request
from tests.running_service import RunningService


async def test_reads_see_what_is_written_with_them(station: httpx.AsyncClient, who: str) -> None:
    new, seen, asked, old = urn(), urn(), urn(), await created(station, observation(who))
    found = await sent(
        station,
        bundle(
            ask("GET", new),
            ask("GET", f"{new}/_history/1"),
            ask("GET", f"Observation?subject={new}&_include=Observation:subject"),
            ask("HEAD", f"{asked}"),
            ask("GET", f"{asked}/$everything"),
            ask("GET", f"Task?focus={asked}"),
            ask("GET", f"Patient?_id={new},nobody"),
            ask("GET", f"Patient?_has:Observation:subject:_id={seen.replace(':', '%3A')}"),
            ask("GET", f"Observation?subject:Patient={new}"),
            ask("GET", f"Patient/{who}", ifNoneMatch='W/"1"'),
            ask("GET", f"Patient/{who}", ifNoneMatch='W/"2"'),
            ask("GET", f"Observation?patient={who}"),
            post(patient(), new),
            post(observation("x", subject=named(new)), seen),
            post(request("x", KIEN_AN, subject=named(new)), asked),
            put(patient(id=who, birthDate="1990")),
            delete(f"Observation/{old['id']}"),
            ask("GET", "metadata"),
        ),
    )
    assert statuses(found) == [*["200 OK"] * 10, "304 Not Modified", "200 OK", *["201 Created"] * 3,
                               "200 OK", "204 No Content", "200 OK"]  # fmt: skip
    made, observed, referral = (found[place]["resource"] for place in (12, 13, 14))
    assert found[0]["resource"] == found[1]["resource"] == made
    assert found[0]["response"]["etag"] == 'W/"1"'
    brought = [entry["resource"] for entry in found[2]["resource"]["entry"]]
    assert brought == [observed, made]
    assert "resource" not in found[3]
    assert {entry["resource"]["id"] for entry in found[4]["resource"]["entry"]} >= {
        referral["id"],
        made["id"],
    }
    (task,) = found[5]["resource"]["entry"]
    assert task["resource"]["focus"] == named(f"ServiceRequest/{referral['id']}")
    for place in (6, 7):
        assert [entry["resource"] for entry in found[place]["resource"]["entry"]] == [made]
    assert [entry["resource"] for entry in found[8]["resource"]["entry"]] == [observed]
    assert (found[9]["resource"]["birthDate"], found[9]["response"]["etag"]) == ("1990", 'W/"2"')
    assert "entry" not in found[11]["resource"]


async def test_what_is_found_in_place_of_a_create_is_what_is_read(station: httpx.AsyncClient) -> None:
    value, meant = number(), urn()
    known = await created(station, with_number(value))
    entry = post(with_number(value), meant)
    entry["request"]["ifNoneExist"] = f"identifier={value}"
    found = await sent(station, bundle(entry, ask("GET", meant)))
    assert statuses(found) == ["200 OK", "200 OK"]
    assert found[1]["resource"] == known


async def test_a_page_leads_on(station: httpx.AsyncClient, who: str) -> None:
    seen = [post(observation(who)) for _ in range(3)]
    (*_, page) = await sent(station, bundle(*seen, ask("GET", f"Observation?patient={who}&_count=2")))
    links = {link["relation"]: link["url"] for link in page["resource"]["link"]}
    following = (await station.get(links["next"])).json()
    assert (len(page["resource"]["entry"]), len(following["entry"])) == (2, 1)


async def test_bytes_are_read_as_a_resource(station: httpx.AsyncClient) -> None:
    meant, data = urn(), b64encode(b"x" * 3_000_000).decode()
    binary = {"resourceType": "Binary", "contentType": "application/pdf", "data": data}
    found = await sent(station, bundle(post(binary, meant), ask("GET", meant)))
    assert found[1]["resource"]["data"] == data


async def test_what_cannot_be_read_undoes_all(service: RunningService, station: httpx.AsyncClient) -> None:
    case = await offered(service)
    gone = await created(station, patient())
    assert (await station.delete(f"Patient/{gone['id']}")).status_code == 204
    other = await service.system("vinh-bao-medical-centre")
    hidden = f"Patient/{case.patient['id']}"
    limited = await service.system(LE_CHAN, "system/Patient.cud system/Observation.s")
    before = await rows(service)
    for client, url, status, code, types in (
        (other, hidden, 404, "not-found", ["Patient"]),
        (other, f"{hidden}/_history/1", 404, "not-found", ["Patient"]),
        (other, f"ServiceRequest/{case.request['id']}/$everything", 404, "not-found", ["ServiceRequest"]),
        (station, f"Patient/{gone['id']}", 410, "deleted", ["Patient"]),
        (station, "Observation?_cursor=x", 400, "invalid", ["Observation"]),
        (station, "_history", 404, "not-supported", [None]),
        (station, "/", 404, "not-found", []),
        (limited, "Observation/x", 403, "forbidden", ["Observation"]),
        (limited, urn(), 404, "not-supported", [None]),
    ):
        headers = request_named()
        content = bundle(post(patient()), ask("GET", "Observation?_count=1"), ask("GET", url))
        answer = await client.post("", json=content, headers=headers)
        refused(answer, status, code, "Bundle.entry[2].request.url")
        # Who tried what is known; of what nobody was told nothing is said.
        told = await audited(service.store, headers, 1 + len(types))
        assert {row["outcome"] for row in told} == {status}
        assert [row["type"] for row in told] == [*types, None]
    assert await rows(service) == before
    # Nobody sees more by it than by reading alone.
    (found,) = await sent(other, bundle(ask("GET", f"Patient?_id={case.patient['id']}")))
    assert "entry" not in found["resource"]


async def test_what_was_read_is_recorded_and_told_again(service: RunningService, who: str) -> None:
    station, headers, new = await service.system(LE_CHAN), request_named(), urn()
    content = bundle(post(patient(), new), ask("GET", new), ask("GET", f"Observation?patient={who}"))
    first = await station.post("", json=content, headers=headers)
    made = first.json()["entry"][0]["resource"]["id"]
    told = await audited(service.store, headers, 3)
    assert [(row["action"], row["type"], row["id"], row["patient"]) for row in told] == [
        ("create", "Patient", made, made),
        ("read", "Patient", made, made),
        ("search", "Observation", None, who),
    ]
    again = await station.post("", json=content, headers=headers)
    assert (again.content, again.headers["x-replayed"]) == (first.content, "true")
    assert (await audited(service.store, headers, 4))[3]["action"] == "replay"


async def test_reads_alone_are_a_transaction_too(station: httpx.AsyncClient, who: str) -> None:
    found = await sent(
        station,
        bundle(*[ask("GET", f"Patient/{who}")] * 100),
    )
    assert statuses(found) == ["200 OK"] * 100
    answer = await station.post("", json=bundle(*[ask("GET", f"Patient/{who}")] * 101))
    refused(answer, 400, "invalid", "Bundle.entry[100].request")


@pytest.mark.usefixtures("nothing_stored")
async def test_answers_that_are_too_large(
    station: httpx.AsyncClient, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction_reads, "_LARGEST_ANSWERS", 1000)
    content = bundle(post(patient()), *[ask("GET", f"Patient/{who}")] * 10)
    answer = await station.post("", json=content)
    assert answer.status_code == 413, answer.text
