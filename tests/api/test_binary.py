"""Attachments: https://hl7.org/fhir/R4/binary.html"""

import asyncio
import hashlib
import uuid
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from referral.domain.attachment import LARGEST_INLINE, MEBIBYTE, AttachmentRules
from tests.api.doors import bundle
from tests.api.refusals import rows
from tests.conftest import Database, serve
from tests.factories import (
    KIEN_AN,
    LE_CHAN,
    Resource,
    created,
    patient,
    summary,
)
from tests.owner import behind_the_wall
from tests.running_service import RunningService

STRANGER = "nam-sach-medical-centre"
PDF = {"Content-Type": "application/pdf"}
TEXT = {"Content-Type": "text/plain; charset=utf-8"}
ADD_DATA: Resource = {"op": "add", "path": "/data", "value": b64encode(b"other").decode()}
AS_JSON = {"Accept": "application/fhir+json"}


def bytes_of(length: int = 2000) -> bytes:
    """Bytes that nobody has sent before."""
    start = b"%PDF-1.7 " + uuid.uuid4().bytes
    return (start * (length // len(start) + 1))[:length]


def sha1(content: bytes) -> str:
    return b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode()


async def sent(client: httpx.AsyncClient, content: bytes, **headers: str) -> str:
    """Id of a new Binary."""
    answer = await client.post("Binary", content=content, headers=PDF | headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def document(patient_id: str, binary_id: str, **more: Any) -> Resource:
    attachment = {"contentType": "application/pdf", "url": f"Binary/{binary_id}"} | more
    return summary(patient_id, content=[{"attachment": attachment}])


def refused(answer: httpx.Response, status: int, code: str) -> Resource:
    """The first issue of a refusal."""
    assert answer.status_code == status, answer.text
    issue: Resource = answer.json()["issue"][0]
    assert issue["code"] == code
    return issue


async def test_bytes_come_back_as_they_were_sent(station: httpx.AsyncClient, who: str) -> None:
    content = bytes_of()
    made = await station.post(
        "Binary", content=content, headers=TEXT | {"X-Security-Context": f"Patient/{who}"}
    )
    assert made.status_code == 201, made.text
    address = made.headers["Location"]
    assert "data" not in made.json()
    for url in (f"Binary/{made.json()['id']}", address):
        read = await station.get(url, headers={"Accept": "application/pdf"})
        assert (read.status_code, read.content) == (200, content)
        assert read.headers["content-type"] == TEXT["Content-Type"]
        assert read.headers["content-length"] == str(len(content))
        assert read.headers["etag"] == made.headers["etag"] == 'W/"1"'
        assert read.headers["last-modified"] == made.headers["last-modified"]
        assert read.headers["x-content-type-options"] == "nosniff"
        assert read.headers["content-disposition"] == "attachment"
        assert read.headers["x-security-context"] == f"Patient/{who}"
        head = await station.head(url)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(content))
        known = await station.get(url, headers={"If-None-Match": 'W/"1"'})
        assert (known.status_code, known.content) == (304, b"")


@pytest.mark.parametrize("length", [1, 2, 3, 1000, 3 * 128 * 1024, 3 * 128 * 1024 + 1, 2_500_000])
async def test_bytes_of_every_length_come_in_both_forms(station: httpx.AsyncClient, length: int) -> None:
    content = bytes_of(length)
    name = await sent(station, content)
    assert (await station.get(f"Binary/{name}")).content == content
    for asked in ({"headers": AS_JSON}, {"params": {"_format": "application/fhir+json"}}):
        read = await station.get(f"Binary/{name}", **asked)
        assert read.headers["content-length"] == str(len(read.content))
        assert read.headers["content-type"] == "application/fhir+json; charset=utf-8"
        resource = read.json()
        assert b64decode(resource["data"], validate=True) == content
        assert (resource["resourceType"], resource["contentType"]) == ("Binary", "application/pdf")


async def test_a_binary_is_a_resource_too(station: httpx.AsyncClient) -> None:
    content = bytes_of()
    sent_as = {
        "resourceType": "Binary",
        "language": "vi",
        "contentType": "image/png",
        "data": b64encode(content).decode(),
    }
    made = await created(station, sent_as)
    read = await station.get(f"Binary/{made['id']}", headers=AS_JSON)
    assert read.json() == {**sent_as, "id": made["id"], "meta": made["meta"]}
    raw = await station.get(f"Binary/{made['id']}")
    assert (raw.headers["content-type"], raw.content) == ("image/png", content)


async def test_versions_keep_their_bytes(station: httpx.AsyncClient) -> None:
    first, second, name = bytes_of(), bytes_of(), str(uuid.uuid4())
    assert (await station.put(f"Binary/{name}", content=first, headers=PDF)).status_code == 201
    changed = await station.put(f"Binary/{name}", content=second, headers=TEXT | {"If-Match": 'W/"1"'})
    assert (changed.status_code, changed.headers["etag"]) == (200, 'W/"2"')
    stale = await station.put(f"Binary/{name}", content=first, headers=PDF | {"If-Match": 'W/"1"'})
    refused(stale, 412, "conflict")
    assert (await station.get(f"Binary/{name}/_history/1")).content == first
    assert (await station.get(f"Binary/{name}")).content == second
    listed = (await station.get(f"Binary/{name}/_history")).json()
    assert ["data" in entry["resource"] for entry in listed["entry"]] == [False, False]
    found = (await station.get("Binary", params={"_id": name})).json()["entry"][0]["resource"]
    refused(await station.put(f"Binary/{name}", json=found), 422, "required")
    renamed = [{"op": "replace", "path": "/contentType", "value": "image/png"}]
    patch = {"Content-Type": "application/json-patch+json"}
    refused(await station.patch(f"Binary/{name}", json=renamed, headers=patch), 422, "required")
    assert (await station.delete(f"Binary/{name}")).status_code == 204
    refused(await station.get(f"Binary/{name}"), 410, "deleted")
    assert (await station.get(f"Binary/{name}/_history/2")).content == second


async def test_equal_bytes_stand_once(service: RunningService, station: httpx.AsyncClient) -> None:
    content = bytes_of()
    await sent(station, content)
    await sent(await service.system(KIEN_AN), content)
    async with behind_the_wall(service.store) as owner:
        hashed = hashlib.sha256(content).digest()
        row = await owner.fetchrow("SELECT size, media_type, content FROM blob WHERE sha256 = $1", hashed)
        used = await owner.fetchval("SELECT count(*) FROM attachment WHERE sha256 = $1", hashed)
    assert row is not None
    assert (row["size"], row["media_type"], row["content"], used) == (2000, "application/pdf", content, 2)


async def test_what_is_sent_again_is_stored_once(station: httpx.AsyncClient) -> None:
    content, once = bytes_of(), {"X-Request-ID": str(uuid.uuid4())}
    name = await sent(station, content, **once)
    again = await station.post("Binary", content=content, headers=PDF | once)
    assert (again.json()["id"], again.headers["x-replayed"]) == (name, "true")
    # Other bytes, or another kind of them, are another write.
    other_kind = (await station.post("Binary", content=content, headers=TEXT | once)).json()["id"]
    assert len({await sent(station, bytes_of(), **once), other_kind, name}) == 3
    key = {"Idempotency-Key": str(uuid.uuid4())}
    await sent(station, content, **key)
    refused(await station.post("Binary", content=content, headers=TEXT | key), 422, "business-rule")


def _wrong() -> Iterator[tuple[str, bytes, dict[str, str], int, str]]:
    yield "no media type", b"x", {"Content-Type": ""}, 415, "not-supported"
    yield "a page", b"<html>", {"Content-Type": "text/html"}, 415, "not-supported"
    yield "a drawing that runs", b"<svg/>", {"Content-Type": "image/svg+xml"}, 415, "not-supported"
    yield "no media type at all", b"x", {"Content-Type": "pdf"}, 415, "not-supported"
    yield "a split header", b"x", {"Content-Type": 'text/plain; a="\\"'}, 415, "not-supported"
    yield "nothing", b"", PDF, 422, "business-rule"
    yield "an unknown patient", b"x", PDF | {"X-Security-Context": "Patient/none"}, 422, "business-rule"
    yield "an empty context", b"x", PDF | {"X-Security-Context": ""}, 400, "invalid"
    yield (
        "JSON that is no Binary",
        b'{"resourceType": "Patient"}',
        {"Content-Type": "application/json"},
        400,
        "invalid",
    )


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [each[1:] for each in _wrong()],
    ids=[each[0] for each in _wrong()],
)
@pytest.mark.usefixtures("nothing_stored")
async def test_what_is_no_attachment_is_refused(
    station: httpx.AsyncClient, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    refused(await station.post("Binary", content=content, headers=headers), status, code)


@pytest.mark.usefixtures("nothing_stored")
async def test_a_binary_in_json_is_held_by_the_same_rules(station: httpx.AsyncClient) -> None:
    for more, status, place in (
        ({"contentType": "text/html", "data": "eA=="}, 415, "Binary.contentType"),
        ({"contentType": "text/plain\nX-Evil: 1", "data": "eA=="}, 400, "Binary.contentType"),
        ({"contentType": "text/plain"}, 422, "Binary.data"),
        ({"data": "eA=="}, 422, "Binary.contentType"),
        ({"contentType": "text/plain", "data": "?"}, 400, "Binary.data"),
    ):
        resource = {"resourceType": "Binary"} | more
        answer = await station.post("Binary", json=resource)
        assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (status, [place]), answer.text
        whole = await station.post("", json=bundle(("POST", "Binary", resource)))
        assert whole.status_code == status, whole.text
        assert whole.json()["issue"][0]["expression"][0].startswith("Bundle.entry[0].resource")


@pytest.fixture(scope="module")
async def narrow(demo_database: Database) -> AsyncIterator[RunningService]:
    """A service that takes pictures of one MiB."""
    async with serve(
        demo_database.dsn, attachments=AttachmentRules(MEBIBYTE, frozenset({"image/png"}))
    ) as running:
        yield running


async def answered(service: RunningService, bearer: str, begun: bytes) -> bytes:
    """The first line of the answer to a request that is never ended."""
    address = urlsplit(service.base_url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = (
        f"POST /fhir/Binary HTTP/1.1\r\nHost: hub\r\nAuthorization: {bearer}\r\nContent-Type: image/png\r\n"
    )
    writer.write(head.encode() + begun)
    line = await reader.readline()
    writer.close()
    return line


async def test_the_size_and_the_kinds_are_settings(narrow: RunningService) -> None:
    client, picture = await narrow.system(LE_CHAN), {"Content-Type": "image/png"}
    before = await rows(narrow)
    fits = await client.post("Binary", content=bytes(MEBIBYTE), headers=picture)
    assert fits.status_code == 201, fits.text
    stored = await rows(narrow)
    assert stored != before
    refused(await client.post("Binary", content=b"x", headers=PDF), 415, "not-supported")
    refused(await client.post("Binary", content=bytes(MEBIBYTE + 1), headers=picture), 413, "too-long")
    # Before all of it is there: at once where its length is told, else as soon as it is too much.
    bearer = (await client.get("metadata")).request.headers["Authorization"]
    whole = b"Content-Length: 100000000\r\n\r\n"
    parts = b"Transfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + bytes(65536) + b"\r\n") * 17
    for begun in (whole, parts):
        assert (await answered(narrow, bearer, begun)).startswith(b"HTTP/1.1 413 ")
    large = {
        "resourceType": "Binary",
        "contentType": "image/png",
        "data": b64encode(bytes(MEBIBYTE + 1)).decode(),
    }
    refused(await client.post("Binary", json=large), 413, "too-long")
    assert await rows(narrow) == stored


async def test_a_small_attachment_may_stand_in_its_document(station: httpx.AsyncClient, who: str) -> None:
    def inline(size: int) -> Resource:
        data = b64encode(bytes(size)).decode()
        return summary(who, content=[{"attachment": {"contentType": "image/png", "data": data}}])

    assert (await created(station, inline(LARGEST_INLINE)))["id"]
    over = inline(LARGEST_INLINE + 1)
    issue = refused(await station.post("DocumentReference", json=over), 413, "too-long")
    assert issue["expression"] == ["DocumentReference.content[0].attachment.data"]
    assert "POST the bytes to Binary" in issue["diagnostics"]
    extended = patient(
        extension=[{"url": "urn:test:scan", "valueAttachment": over["content"][0]["attachment"]}]
    )
    refused(await station.post("Patient", json=extended), 413, "too-long")


async def test_a_document_says_of_a_binary_what_is_so(station: httpx.AsyncClient, who: str) -> None:
    content = bytes_of()
    name = await sent(station, content)
    for more in (
        {},
        {"size": len(content)},
        {"hash": sha1(content)},
        {"size": len(content), "hash": sha1(content)},
    ):
        assert (await created(station, document(who, name, **more)))["id"]
    for more, element in (({"size": 1}, "size"), ({"hash": sha1(b"other")}, "hash")):
        issue = refused(
            await station.post("DocumentReference", json=document(who, name, **more)), 422, "business-rule"
        )
        assert issue["expression"] == [f"DocumentReference.content[0].attachment.{element}"]
    issue = refused(await station.post("DocumentReference", json=document(who, "none")), 422, "business-rule")
    assert issue["expression"] == ["DocumentReference.content[0].attachment.url"]
    elsewhere = document(who, name, url="https://archive.example/Binary/1", hash=sha1(b"other"))
    assert (await created(station, elsewhere))["id"]


async def test_a_document_comes_with_its_attachment_in_one_transaction(
    station: httpx.AsyncClient, who: str
) -> None:
    content = bytes_of()
    binary = {"resourceType": "Binary", "contentType": "application/pdf", "data": b64encode(content).decode()}
    entries = bundle(("POST", "Binary", binary), ("POST", "DocumentReference", document(who, "x")))
    entries["entry"][0]["fullUrl"] = "urn:uuid:3fdc72f4-a11d-4a9d-9260-a9f745779e1d"
    attachment = entries["entry"][1]["resource"]["content"][0]["attachment"]
    attachment["url"] = entries["entry"][0]["fullUrl"]
    attachment["hash"] = sha1(b"other")
    refused(await station.post("", json=entries), 422, "business-rule")
    attachment["hash"] = sha1(content)
    answer = await station.post("", json=entries)
    assert answer.status_code == 200, answer.text
    stored = answer.json()["entry"][1]["resource"]["content"][0]["attachment"]["url"]
    assert (await station.get(stored)).content == content


async def test_the_scope_is_asked_for_before_anything_is_read(service: RunningService) -> None:
    limited = await service.system(LE_CHAN, "system/Binary.r")
    refused(await limited.post("Binary", content=b"x", headers=PDF), 403, "forbidden")
    refused(await limited.put("Binary/a", content=b"x", headers=PDF), 403, "forbidden")


async def test_a_patch_of_a_binary_is_held_by_the_same_rules(station: httpx.AsyncClient) -> None:
    name = await sent(station, b"0123456789")
    patches: list[tuple[list[Resource], int, str]] = [
        ([{"op": "replace", "path": "/contentType", "value": "text/html"}, ADD_DATA], 415, "not-supported"),
        ([{"op": "replace", "path": "/contentType", "value": "image/png"}], 422, "required"),
    ]
    as_patch = {"Content-Type": "application/json-patch+json"}
    for patch, status, code in patches:
        answer = await station.patch(f"Binary/{name}", json=patch, headers=as_patch)
        refused(answer, status, code)
    assert (await station.get(f"Binary/{name}")).content == b"0123456789"
    written = await station.patch(f"Binary/{name}", json=[ADD_DATA], headers=as_patch)
    assert written.status_code == 200, written.text
    assert "data" not in (await station.get(f"Binary?_id={name}")).json()["entry"][0]["resource"]
    assert (await station.get(f"Binary/{name}")).content == b"other"


async def test_a_batch_reads_it_as_a_resource(station: httpx.AsyncClient) -> None:
    content = bytes_of(700_000)
    name = await sent(station, content)
    entry = {"request": {"method": "GET", "url": f"Binary/{name}"}}
    answer = await station.post("", json={"resourceType": "Bundle", "type": "batch", "entry": [entry]})
    assert b64decode(answer.json()["entry"][0]["resource"]["data"]) == content


async def test_where_there_is_no_room_it_is_to_be_sent_again(
    station: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    answer = await station.post("Binary", content=bytes_of(300_000), headers=PDF)
    refused(answer, 503, "transient")
    assert answer.headers["retry-after"]
    assert await sent(station, bytes_of(1000))


async def test_validation_knows_what_may_be_attached(narrow: RunningService) -> None:
    client = await narrow.system(LE_CHAN)
    binary = {"resourceType": "Binary", "contentType": "application/pdf", "data": "eA=="}
    asked = {
        "resourceType": "Parameters",
        "parameter": [{"name": "resource", "resource": binary}, {"name": "mode", "valueCode": "create"}],
    }
    issues = (await client.post("Binary/$validate", json=asked)).json()["issue"]
    assert [(each["code"], each["expression"]) for each in issues] == [
        ("not-supported", ["Binary.contentType"])
    ]
    binary["contentType"] = "image/png"
    issues = (await client.post("Binary/$validate", json=asked)).json()["issue"]
    assert [each["severity"] for each in issues] == ["information"]
