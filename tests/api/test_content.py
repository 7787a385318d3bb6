"""What is sent comes back: element for element, decimals digit for digit."""

import json
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from referral.fhir.content import RawNumber, number_text, read_content, write_content
from tests.factories import KIEN_AN, B, Resource, observation, patient, request

# What the hub writes into content of its own accord, beside `id`.
HUB = {"id", "meta"}


def plain(value: Any) -> Any:
    """Content with its numbers as they may come back: every digit, without an exponent."""
    match value:
        case dict():
            return {name: plain(inner) for name, inner in value.items()}
        case list():
            return [plain(inner) for inner in value]
        case RawNumber() if "e" in value.text.lower():
            return Decimal(format(value.decimal, "f")).as_tuple()
        case bool() | str() | None:
            return value
        case _:
            return Decimal(number_text(value)).as_tuple()


def without_hub(content: Resource) -> Resource:
    """Content but for what the hub writes; what a client put into `meta` stays."""
    meta = {
        name: value
        for name, value in content.get("meta", {}).items()
        if name not in {"versionId", "lastUpdated"}
    }
    kept = {name: value for name, value in content.items() if name not in HUB}
    return kept | ({"meta": meta} if meta else {})


async def written(client: httpx.AsyncClient, resource_type: str, body: bytes) -> Resource:
    """The resource as it is read after it was created; the answer to the create says the same."""
    answer = await client.post(resource_type, content=body)
    assert answer.status_code == 201, answer.text
    answered = read_content(answer.content)
    read = await client.get(f"{resource_type}/{answered['id']}")
    assert read.status_code == 200, read.text
    assert plain(read_content(read.content)) == plain(answered)
    return read_content(read.content)


def extended(value: str) -> Resource:
    return {"extension": [{"url": "urn:test:inner", "valueString": value}]}


RICH: Resource = patient(
    language="vi",
    implicitRules="urn:test:rules",
    meta={"profile": ["urn:test:profile"], "tag": [{"system": "urn:t", "code": "x"}], "source": "urn:ehr"},
    text={
        "status": "generated",
        "div": '<div xmlns="http://www.w3.org/1999/xhtml">Bà &amp; <b>con</b> &#160;</div>',
    },
    contained=[{"resourceType": "Organization", "id": "o", "name": "Trạm", **extended("contained")}],
    extension=[
        {"url": "urn:test:outer", "extension": [{"url": "urn:test:nested", **extended("deep")}]},
        {"url": "urn:test:number", "valueDecimal": 1},
        {"url": "urn:test:number", "valueInteger": -3},
        {"url": "urn:test:boolean", "valueBoolean": False},
    ],
    active=False,
    name=[
        {"family": "Nguyễn", "given": ["Thị", None], "_given": [None, {"id": "g", **extended("no name")}]},
        {"text": '名前 𝒳 👩🏽‍⚕️ e\u0301 \u200b \ufeff \u2028 " \\ / \u007f \uffff é'},
        {"family": "Tab\tand\nnewline  two blanks "},
    ],
    _birthDate=extended("in the morning"),
    deceasedBoolean=False,
    multipleBirthInteger=2,
    photo=[{"contentType": "image/png", "data": "iVBORw0K Ggo=\n", "size": 0}],
    managingOrganization={"reference": "#o"},
    link=[{"other": {"display": "Somebody"}, "type": "seealso"}],
)


async def test_every_kind_of_element_comes_back(station: httpx.AsyncClient) -> None:
    read = await written(station, "Patient", json.dumps(RICH, ensure_ascii=False).encode())
    assert without_hub(read) == without_hub(RICH)
    escaped = await written(station, "Patient", json.dumps(RICH, ensure_ascii=True).encode())
    assert without_hub(escaped) == without_hub(RICH)


async def test_a_byte_order_mark_and_white_space_are_no_content(station: httpx.AsyncClient) -> None:
    body = b"\xef\xbb\xbf \r\n\t" + json.dumps(RICH, indent=3).encode() + b"\n\n"
    assert without_hub(await written(station, "Patient", body)) == without_hub(RICH)


async def test_only_what_belongs_to_the_hub_is_added(station: httpx.AsyncClient) -> None:
    sent = RICH | {
        "id": "mine",
        "meta": RICH["meta"] | {"versionId": "7", "lastUpdated": "2001-01-01T00:00:00Z"},
    }
    read = await written(station, "Patient", json.dumps(sent).encode())
    assert read["id"] != "mine"
    assert read["meta"]["versionId"] == "1"
    assert not read["meta"]["lastUpdated"].startswith("2001")
    assert {name: read["meta"][name] for name in RICH["meta"]} == RICH["meta"]


DECIMALS = """0 1 -1 1.5 1.50 0.010 -0.5 100 100.00 100000000000000000000.5 0.000000000000000000001
12345678901234567890 123456789012345678901234567890.123456789012345678901234567890
9007199254740993 0.1 0.30000000000000004 38.70
1E2 1e-2 2.50E+1 1.0e5 -7E-3""".split()


@pytest.mark.parametrize("digits", DECIMALS)
async def test_a_decimal_keeps_its_digits(station: httpx.AsyncClient, who: str, digits: str) -> None:
    await keeps(station, who, digits)


async def keeps(client: httpx.AsyncClient, who: str, digits: str) -> None:
    body = json.dumps(observation(who)).replace("38.5", digits)
    assert digits in body
    read = await written(client, "Observation", body.encode())
    back = read["valueQuantity"]["value"]
    text = back.text if isinstance(back, RawNumber) else str(back)
    assert text == (format(Decimal(digits), "f") if "e" in digits.lower() else digits)


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(number=st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?", fullmatch=True))
async def test_any_decimal_keeps_its_digits(station: httpx.AsyncClient, who: str, number: str) -> None:
    value = Decimal(number)
    if value.is_zero() and value.is_signed():
        body = json.dumps(observation(who)).replace("38.5", number)
        assert (await station.post("Observation", content=body.encode())).status_code == 422
    else:
        await keeps(station, who, number)


async def test_an_update_keeps_the_digits_of_both_versions(station: httpx.AsyncClient, who: str) -> None:
    first = await written(
        station, "Observation", json.dumps(observation(who)).replace("38.5", "38.50").encode()
    )
    body = write_content(first).replace(b"38.50", b"38.500")
    answer = await station.put(f"Observation/{first['id']}", content=body)
    assert answer.status_code == 200, answer.text
    assert b"38.500" in (await station.get(f"Observation/{first['id']}")).content


async def test_a_search_and_a_transaction_give_the_same_content(station: httpx.AsyncClient, who: str) -> None:
    body = json.dumps(observation(who, note=[{"text": "Đo lại"}])).replace("38.5", "38.500")
    entry = '{"request":{"method":"POST","url":"Observation"},"resource":%s}'
    bundle = '{"resourceType":"Bundle","type":"transaction","entry":[' + entry + "]}"
    answer = read_content((await station.post("", content=(bundle % body).encode())).content)
    stored = answer["entry"][0]["resource"]
    found = read_content((await station.get("Observation", params={"_id": stored["id"]})).content)
    read = read_content((await station.get(f"Observation/{stored['id']}")).content)
    assert stored == found["entry"][0]["resource"] == read
    assert without_hub(read) == read_content(body.encode())


async def test_a_referral_gets_what_the_hub_owns_and_keeps_the_rest(
    station: httpx.AsyncClient, who: str
) -> None:
    sent = request(
        who,
        KIEN_AN,
        identifier=[{"use": "usual", "system": "urn:test:order", "value": f"O-{who}"}],
        extension=[{"url": "urn:test:own", "valueDecimal": 1}],
        quantityQuantity={"value": 1, "unit": "operation"},
        _authoredOn={"extension": [{"url": "urn:test:why", "valueCode": "unknown"}]},
        note=[{"text": "Sốt từ đêm qua"}],
        reasonCode=[{"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "K35.8"}]}],
    )
    read = await written(station, "ServiceRequest", json.dumps(sent).encode())
    ours = [part for part in read["extension"] if part["url"].startswith(B)]
    assert {part["url"].rpartition("/")[2] for part in ours} == {"journey", "direction", "network"}
    read["extension"] = [part for part in read["extension"] if part not in ours]
    read["identifier"] = read["identifier"][:1]
    assert without_hub(read) == sent
