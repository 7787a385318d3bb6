"""Tokens over HTTP: https://hl7.org/fhir/smart-app-launch/backend-services.html"""

import hashlib
from typing import Any
from urllib.parse import urlencode

import pytest
from joserfc.jwk import Key

from referral.api.services import Services
from referral.store.pool import Store
from tests.api.issuer import (
    EC_KEY,
    OTHER_CLIENT_KEY,
    RSA_KEY,
    START,
    Issuer,
    IssuerServer,
    assert_oauth_error,
    nothing_issued,
)
from tests.owner import behind_the_wall

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("key", [EC_KEY, RSA_KEY], ids=["ES384", "RS384"])
async def test_a_signed_assertion_gives_a_token_that_works(issuer: Issuer, key: Key) -> None:
    answer = await issuer.ask(issuer.signed(key), scope="system/ServiceRequest.rs")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    issued = answer.json()
    secret = issued.pop("access_token")
    assert issued == {"token_type": "bearer", "expires_in": 300, "scope": "system/ServiceRequest.rs"}
    me = await issuer.who_am_i(f"Bearer {secret}")
    assert me.json() == {"facility": "station-1", "client": "ehr-1", "scope": "system/ServiceRequest.rs"}


async def test_the_store_keeps_the_hash_of_a_token_and_an_audit_row(issuer: Issuer) -> None:
    secret = await issuer.token()
    async with behind_the_wall(issuer.store) as connection:
        row = await connection.fetchrow("SELECT hash, access_token::text AS all FROM access_token")
        audit = await connection.fetchrow(
            "SELECT at, actor, client, audit::text AS all FROM audit WHERE action = 'token'"
        )
    assert row is not None
    assert audit is not None
    assert row["hash"] == hashlib.sha256(secret.encode()).digest()
    assert (audit["at"], audit["actor"], audit["client"]) == (START, "station-1", "ehr-1")
    assert secret not in row["all"] + audit["all"]


async def test_issuing_takes_four_messages_to_the_database(
    issuer: Issuer, issuer_server: IssuerServer, database: Any
) -> None:
    single = await Store.open(database.dsn, size=1)
    try:
        seen: list[str] = []
        async with single.reading(None) as connection:
            connection.add_query_logger(lambda record: seen.append(record.query))
        issuer_server.app.state.services = Services(store=single, base_url=issuer.base_url, now=issuer.clock)
        assert (await issuer.ask()).status_code == 200
    finally:
        await single.close()
    assert len(seen) == 4
    assert (seen[0][:5], seen[3]) == ("BEGIN", "COMMIT")


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        (None, "system/Task.rs"),
        ("", "system/Task.rs"),
        ("system/*.cruds", "system/Task.rs"),
        ("system/Task.read", "system/Task.rs"),
        ("openid system/Task.s system/Patient.rs", "system/Task.s"),
    ],
)
async def test_granted_is_what_is_asked_and_registered(
    issuer: Issuer, asked: str | None, granted: str
) -> None:
    answer = await issuer.ask(issuer.signed(OTHER_CLIENT_KEY, iss="ehr-2", sub="ehr-2"), scope=asked)
    assert (answer.status_code, answer.json()["scope"]) == (200, granted)


@pytest.mark.parametrize("asked", ["system/Patient.rs", "system/Task.cud", "openid", "system/Task.sr", "é"])
async def test_nothing_in_common_is_an_invalid_scope(issuer: Issuer, asked: str) -> None:
    answer = await issuer.ask(issuer.signed(OTHER_CLIENT_KEY, iss="ehr-2", sub="ehr-2"), scope=asked)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
    await nothing_issued(issuer)


FORMS: dict[str, tuple[dict[str, str | None], int, str]] = {
    "no grant type": ({"grant_type": None}, 400, "invalid_request"),
    "empty grant type": ({"grant_type": ""}, 400, "invalid_request"),
    "another grant type": ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    "no assertion type": ({"client_assertion_type": None}, 401, "invalid_client"),
    "another assertion type": ({"client_assertion_type": "jwt"}, 401, "invalid_client"),
    "no assertion": ({"client_assertion": None}, 401, "invalid_client"),
    "client_id of another": ({"client_id": "ehr-2"}, 401, "invalid_client"),
    "NUL in a value": ({"scope": "system/*.rs\0"}, 400, "invalid_request"),
    "NUL in a name": ({"a\0": "b"}, 400, "invalid_request"),
    "larger than 64 KiB": ({"extra": "x" * 70_000}, 400, "invalid_request"),
    "10 MB": ({"extra": "x" * 10_000_000}, 400, "invalid_request"),
    "too many parameters": ({f"p{number}": "x" for number in range(30)}, 400, "invalid_request"),
}


@pytest.mark.parametrize("case", FORMS)
async def test_form_refused(issuer: Issuer, case: str) -> None:
    changes, status, error = FORMS[case]
    assert_oauth_error(await issuer.ask(**changes), status, error)
    await nothing_issued(issuer)


@pytest.mark.parametrize("name", ["scope", "grant_type", "client_assertion", "unknown"])
async def test_a_parameter_twice_is_refused(issuer: Issuer, name: str) -> None:
    form = {"unknown": "x", **issuer.form()}
    body = urlencode([*form.items(), (name, form[name])])
    answer = await issuer.http.post("/oauth/token", content=body, headers={"Content-Type": FORM})
    assert_oauth_error(answer, 400, "invalid_request")
    await nothing_issued(issuer)


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("application/json", b'{"grant_type": "client_credentials"}'),
        ("multipart/form-data; boundary=x", b"--x--"),
        ("", b"grant_type=client_credentials"),
        (FORM, b"grant_type=\xff"),
        (FORM, b"grant_type=%ff%fe"),
        (FORM, b'{"grant_type": "client_credentials"}'),
        (FORM, b""),
        (FORM, b"&&&="),
    ],
)
async def test_another_body_is_an_invalid_request(issuer: Issuer, media_type: str, body: bytes) -> None:
    answer = await issuer.http.post("/oauth/token", content=body, headers={"Content-Type": media_type})
    assert_oauth_error(answer, 400, "invalid_request")


async def test_the_media_type_of_a_form_may_have_a_charset(issuer: Issuer) -> None:
    headers = {"Content-Type": "Application/X-WWW-Form-Urlencoded; charset=UTF-8"}
    answer = await issuer.http.post("/oauth/token", content=urlencode(issuer.form()), headers=headers)
    assert answer.status_code == 200
