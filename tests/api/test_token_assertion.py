"""Which assertions give a token.

https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html
"""

import asyncio
import hmac
from collections.abc import Callable

import pytest
from joserfc.jwk import ECKey

from tests.api.issuer import (
    EC_KEY,
    OTHER_CLIENT_KEY,
    RSA_KEY,
    Issuer,
    assert_oauth_error,
    nothing_issued,
    segment,
)

ACCEPTED: dict[str, Callable[[Issuer], str]] = {
    "audience in a list": lambda issuer: issuer.signed(
        aud=["https://elsewhere.example", issuer.claims()["aud"]]
    ),
    "exp as a decimal number": lambda issuer: issuer.signed(exp=issuer.claims()["exp"] - 0.5),
    "exp 29 s ago, clocks differ": lambda issuer: issuer.signed(exp=issuer.claims()["exp"] - 329),
    "exp 5 minutes and 30 s ahead, clocks differ": lambda issuer: issuer.signed(
        exp=issuer.claims()["exp"] + 30
    ),
    "nbf and iat 30 s ahead, clocks differ": lambda issuer: issuer.signed(
        nbf=issuer.claims()["exp"] - 270, iat=issuer.claims()["exp"] - 270
    ),
    "jti of 255 characters": lambda issuer: issuer.signed(jti="ộ" * 255),
    "unknown header parameter": lambda issuer: issuer.signed(header={"x-tool": "1"}),
    "unknown claim": lambda issuer: issuer.signed(extra={"a": [1]}),
}


@pytest.mark.parametrize("case", ACCEPTED)
async def test_accepted(issuer: Issuer, case: str) -> None:
    answer = await issuer.ask(ACCEPTED[case](issuer))
    assert answer.status_code == 200, answer.text


def unsigned(issuer: Issuer) -> str:
    return f"{segment({'alg': 'none', 'kid': EC_KEY.kid})}.{segment(issuer.claims())}."


def signed_with_the_public_key_as_secret(issuer: Issuer) -> str:
    signing_input = f"{segment({'alg': 'HS256', 'kid': EC_KEY.kid})}.{segment(issuer.claims())}"
    secret = EC_KEY.as_pem(private=False)
    return f"{signing_input}.{segment(hmac.digest(secret, signing_input.encode(), 'sha256'))}"


def tampered(issuer: Issuer) -> str:
    header, _, signature = issuer.signed(iss="ehr-2", sub="ehr-2", key=OTHER_CLIENT_KEY).split(".")
    return f"{header}.{segment(issuer.claims(iss='ehr-2', sub='ehr-2', jti='forged'))}.{signature}"


def with_header(issuer: Issuer, content: bytes) -> str:
    return f"{segment(content)}.{segment(issuer.claims())}.{segment(b'x' * 96)}"


def with_payload(content: bytes) -> str:
    return f"{segment({'alg': 'ES384', 'kid': EC_KEY.kid})}.{segment(content)}.{segment(b'x' * 96)}"


REFUSED: dict[str, Callable[[Issuer], str]] = {
    "alg none": unsigned,
    "HS256 with the public key": signed_with_the_public_key_as_secret,
    "RS256": lambda issuer: issuer.signed(RSA_KEY, {"alg": "RS256"}),
    "foreign key under our kid": lambda issuer: issuer.signed(
        ECKey.generate_key("P-384", {"kid": EC_KEY.kid})
    ),
    "key of another client": lambda issuer: issuer.signed(OTHER_CLIENT_KEY),
    "kid of the other kind of key": lambda issuer: issuer.signed(EC_KEY, {"kid": "rsa"}),
    "unknown kid": lambda issuer: issuer.signed(header={"kid": "another"}),
    "no kid": lambda issuer: with_header(issuer, b'{"alg": "ES384"}'),
    "kid is a number": lambda issuer: with_header(issuer, b'{"alg": "ES384", "kid": 1}'),
    "alg is a list": lambda issuer: with_header(issuer, b'{"alg": ["ES384"], "kid": "a"}'),
    "alg missing": lambda issuer: with_header(issuer, b'{"kid": "a"}'),
    "header a list": lambda issuer: with_header(issuer, b'["alg", "b64"]'),
    "header a text": lambda issuer: with_header(issuer, b'"alg"'),
    "header not JSON": lambda issuer: with_header(issuer, b"{"),
    "header not UTF-8": lambda issuer: with_header(issuer, b"\xff\xfe{"),
    "unknown critical header": lambda issuer: with_header(
        issuer, b'{"alg": "ES384", "kid": "a", "crit": ["b"], "b": 1}'
    ),
    "payload not encoded": lambda issuer: with_header(issuer, b'{"alg": "ES384", "kid": "a", "b64": false}'),
    "keys from elsewhere": lambda issuer: issuer.signed(header={"jku": "https://elsewhere.example/jwks"}),
    "tampered": tampered,
    "no signature": lambda issuer: issuer.signed().rpartition(".")[0] + ".",
    "two segments": lambda issuer: issuer.signed().rpartition(".")[0],
    "four segments": lambda issuer: issuer.signed() + ".a",
    "not base64": lambda issuer: "é.#.=",
    "payload a list": lambda issuer: with_payload(b"[]"),
    "payload deeper than a parser goes": lambda issuer: with_payload(b"[" * 10_000),
    "payload with a number of 5000 digits": lambda issuer: with_payload(b'{"exp": ' + b"9" * 5000 + b"}"),
    "giant": lambda issuer: issuer.signed(extra="x" * 20_000),
    "unknown client": lambda issuer: issuer.signed(iss="ehr-3", sub="ehr-3"),
    "client with a NUL": lambda issuer: issuer.signed(iss="ehr-1\0", sub="ehr-1\0"),
    "client is a number": lambda issuer: issuer.signed(iss=1, sub=1),
    "no iss": lambda issuer: issuer.signed(iss=None),
    "no sub": lambda issuer: issuer.signed(sub=None),
    "sub is not iss": lambda issuer: issuer.signed(sub="ehr-2"),
    "no aud": lambda issuer: issuer.signed(aud=None),
    "aud is the FHIR base": lambda issuer: issuer.signed(aud=issuer.base_url + "/fhir"),
    "aud of another host": lambda issuer: issuer.signed(aud="http://elsewhere.example/oauth/token"),
    "aud contains the URL as a part": lambda issuer: issuer.signed(aud=issuer.claims()["aud"] + "/"),
    "aud is an object": lambda issuer: issuer.signed(aud={issuer.claims()["aud"]: 1}),
    "aud is an empty list": lambda issuer: issuer.signed(aud=[]),
    "no exp": lambda issuer: issuer.signed(exp=None),
    "exp is a text": lambda issuer: issuer.signed(exp=str(issuer.claims()["exp"])),
    "exp is true": lambda issuer: issuer.signed(exp=True),
    "exp is not a number": lambda issuer: issuer.signed(exp=float("nan")),
    "exp is infinite": lambda issuer: issuer.signed(exp=float("inf")),
    "exp is negative": lambda issuer: issuer.signed(exp=-1),
    "exp beyond all years": lambda issuer: issuer.signed(exp=10**300),
    "expired 30 s ago": lambda issuer: issuer.signed(exp=issuer.claims()["exp"] - 330),
    "exp 5 minutes and 31 s ahead": lambda issuer: issuer.signed(exp=issuer.claims()["exp"] + 31),
    "nbf 31 s ahead": lambda issuer: issuer.signed(nbf=issuer.claims()["exp"] - 269),
    "iat 31 s ahead": lambda issuer: issuer.signed(iat=issuer.claims()["exp"] - 269),
    "iat is a text": lambda issuer: issuer.signed(iat="now"),
    "no jti": lambda issuer: issuer.signed(jti=None),
    "jti is empty": lambda issuer: issuer.signed(jti=""),
    "jti is a number": lambda issuer: issuer.signed(jti=7),
    "jti of 256 characters": lambda issuer: issuer.signed(jti="x" * 256),
    "jti with a NUL": lambda issuer: issuer.signed(jti="a\0"),
    "jti with half a surrogate": lambda issuer: issuer.signed(jti="\ud800"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_refused(issuer: Issuer, case: str) -> None:
    answer = await issuer.ask(REFUSED[case](issuer))
    assert_oauth_error(answer, 401, "invalid_client")
    await nothing_issued(issuer)


async def test_an_assertion_is_used_once(issuer: Issuer) -> None:
    assertion = issuer.signed()
    assert (await issuer.ask(assertion)).status_code == 200
    assert_oauth_error(await issuer.ask(assertion), 401, "invalid_client")
    issuer.clock.forward(329)
    assert_oauth_error(await issuer.ask(assertion), 401, "invalid_client")
    assert await issuer.count("access_token") == 1


async def test_an_assertion_stays_used_while_others_clean_up(issuer: Issuer) -> None:
    assertion = issuer.signed()
    assert (await issuer.ask(assertion)).status_code == 200
    issuer.clock.forward(329)
    await issuer.token()
    assert_oauth_error(await issuer.ask(assertion), 401, "invalid_client")


async def test_of_twins_at_the_same_moment_one_gets_a_token(issuer: Issuer) -> None:
    assertion = issuer.signed()
    answers = await asyncio.gather(*(issuer.ask(assertion) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7
    assert await issuer.count("access_token") == 1


async def test_a_jti_belongs_to_its_client(issuer: Issuer) -> None:
    assert (await issuer.ask(issuer.signed(jti="same"))).status_code == 200
    other = issuer.signed(OTHER_CLIENT_KEY, iss="ehr-2", sub="ehr-2", jti="same")
    assert (await issuer.ask(other)).status_code == 200


async def test_a_refused_request_does_not_use_up_the_assertion(issuer: Issuer) -> None:
    assertion = issuer.signed(OTHER_CLIENT_KEY, iss="ehr-2", sub="ehr-2")
    assert (await issuer.ask(assertion, scope="system/Patient.rs")).status_code == 400
    assert (await issuer.ask(assertion, scope="system/Task.rs")).status_code == 200


async def test_a_client_switched_off_gets_no_token(issuer: Issuer) -> None:
    async with issuer.store.writing(None) as connection:
        await connection.execute("UPDATE client SET active = false WHERE id = 'ehr-1'")
    assert_oauth_error(await issuer.ask(), 401, "invalid_client")


async def test_refusals_say_nothing_of_which_clients_exist(issuer: Issuer) -> None:
    unknown = await issuer.ask(issuer.signed(iss="ehr-3", sub="ehr-3"))
    forged = await issuer.ask(issuer.signed(OTHER_CLIENT_KEY))
    assert unknown.json() == forged.json()
