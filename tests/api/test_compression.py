"""Answers in gzip for who asks for it: https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3"""

import gzip

import httpx
import pytest

from tests.api.test_transaction import bundle, post
from tests.factories import created, patient

MANY = "Organization?_count=20"


async def raw(client: httpx.AsyncClient, address: str, coding: str) -> tuple[httpx.Response, bytes]:
    """An answer with the bytes as they came over the line."""
    asked = client.build_request("GET", address, headers={"Accept-Encoding": coding})
    answer = await client.send(asked, stream=True)
    body = b"".join([part async for part in answer.aiter_raw()])
    await answer.aclose()
    return answer, body


@pytest.mark.parametrize("coding", ["gzip", "deflate, gzip;q=0.5, br", "GZIP, gzip", "gzip;q=1.0", "br,gzip"])
async def test_who_asks_for_gzip_gets_the_same_in_gzip(station: httpx.AsyncClient, coding: str) -> None:
    answer, body = await raw(station, MANY, coding)
    plain, whole = await raw(station, MANY, "identity")
    assert (answer.status_code, answer.headers["content-encoding"]) == (200, "gzip")
    assert answer.headers["vary"] == "Accept-Encoding"
    assert gzip.decompress(body) == whole
    assert int(answer.headers["content-length"]) == len(body) < len(whole) // 3
    assert "content-encoding" not in plain.headers


@pytest.mark.parametrize("coding", ["identity", "", "br", "gzip;q=0", "gzip; q=0.000", "x-gzipped", "*;q=0"])
async def test_who_does_not_gets_it_plain(station: httpx.AsyncClient, coding: str) -> None:
    answer, body = await raw(station, MANY, coding)
    assert "content-encoding" not in answer.headers
    assert int(answer.headers["content-length"]) == len(body)


async def test_what_is_small_or_empty_goes_as_it_is(station: httpx.AsyncClient, who: str) -> None:
    answer, body = await raw(station, f"Patient/{who}", "gzip")
    assert "content-encoding" not in answer.headers
    assert int(answer.headers["content-length"]) == len(body)
    known = await station.get(f"Patient/{who}", headers={"If-None-Match": 'W/"1"'})
    assert (known.status_code, known.content) == (304, b"")
    assert (await station.delete(f"Patient/{who}")).status_code == 204


async def test_writes_and_replays_are_compressed_too(station: httpx.AsyncClient) -> None:
    made = await created(station, patient())
    content = bundle(*(post(patient()) for _ in range(5)))
    headers = {"X-Request-ID": f"gzip-{made['id']}"}
    first = await station.post("", json=content, headers=headers)
    again = await station.post("", json=content, headers=headers | {"Accept-Encoding": "identity"})
    assert first.headers["content-encoding"] == "gzip"
    assert (again.headers["x-replayed"], "content-encoding" in again.headers) == ("true", False)
    assert again.content == first.content
