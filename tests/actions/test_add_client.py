"""Which keys a client may bring."""

import json
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey
from joserfc.util import int_to_base64

from referral.actions.add_client import add_client, generate_keys, public_keys
from referral.domain.errors import BrokenRule

PRIVATE, PUBLIC = generate_keys()
RSA_PUBLIC = RSAKey.generate_key(2048, {"kid": "rsa"}).as_dict(private=False)
P256_PUBLIC = ECKey.generate_key("P-256", {"kid": "p256"}).as_dict(private=False)


def test_generated_keys_are_a_pair_with_one_kid() -> None:
    assert {**PUBLIC, "d": PRIVATE["d"]} == PRIVATE
    assert PUBLIC["kid"]
    assert (PUBLIC["kty"], PUBLIC["crv"], PUBLIC["alg"]) == ("EC", "P-384", "ES384")
    assert generate_keys()[1]["kid"] != PUBLIC["kid"]


def test_public_keys_are_kept_without_what_verifying_does_not_need() -> None:
    keys = [{**PUBLIC, "x5c": ["..."], "key_ops": ["verify"]}, RSA_PUBLIC]
    assert public_keys({"keys": keys}) == (PUBLIC, RSA_PUBLIC)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        (None, "JWK Set"),
        ([], "JWK Set"),
        ({"kid": "1"}, "JWK Set"),
        ([PUBLIC] * 21, "JWK Set"),
        (["text"], "Key 1 is not a JSON object"),
        ([RSA_PUBLIC, PRIVATE], "Key 2 is a private key"),
        ([RSAKey.generate_key(2048, {"kid": "rsa"}).as_dict(private=True)], "Key 1 is a private key"),
        ([OctKey.generate_key(384, {"kid": "oct"}).as_dict(private=True)], "Key 1 is a private key"),
        ([{"kty": "oct", "kid": "oct"}], "neither EC nor RSA"),
        ([{"kty": ["EC"], "kid": "1"}], "not printable text"),
        ([{**PUBLIC, "kid": 7}], "not printable text"),
        ([{**PUBLIC, "kid": "a\0"}], "not printable text"),
        ([{**PUBLIC, "kid": ""}], "no kid"),
        ([{name: PUBLIC[name] for name in ("kty", "crv", "x", "y")}], "no kid"),
        ([PUBLIC, {**RSA_PUBLIC, "kid": PUBLIC["kid"]}], "same kid"),
        ([{**PUBLIC, "use": "enc"}], "not for signatures"),
        ([P256_PUBLIC], "P-384"),
        ([{**PUBLIC, "alg": "ES256"}], "ES384"),
        ([{**PUBLIC, "x": PUBLIC["y"]}], "no point of P-384"),
        ([{**PUBLIC, "x": "é"}], "no point of P-384"),
        ([{name: PUBLIC[name] for name in ("kty", "kid", "crv", "x")}], "no point of P-384"),
        ([{**RSA_PUBLIC, "n": int_to_base64(2**1023 + 1)}], "1024 bits"),
        ([{**RSA_PUBLIC, "n": int_to_base64(2**8191 + 1)}], "8192 bits"),
        ([{**RSA_PUBLIC, "e": "AQ"}], "no RSA public key"),
        ([{**RSA_PUBLIC, "e": ""}], "no RSA public key"),
        ([{**RSA_PUBLIC, "alg": "RS256"}], "RS384"),
    ],
)
def test_other_keys_are_refused_without_showing_them(keys: Any, reason: str) -> None:
    with pytest.raises(BrokenRule, match=reason) as refusal:
        public_keys(json.loads(json.dumps({"keys": keys})))
    assert str(PRIVATE["d"]) not in str(refusal.value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"client_id": ""}, "client id"),
        ({"client_id": "with space"}, "client id"),
        ({"client_id": "nul\0"}, "client id"),
        ({"client_id": "x" * 129}, "client id"),
        ({"name": "  "}, "name"),
        ({"name": "a\0"}, "name"),
        ({"scope": "system/*.rs openid"}, "openid"),
        ({"scope": ""}, "scope"),
    ],
)
async def test_what_is_wrong_is_said_before_the_store_is_asked(changes: dict[str, Any], reason: str) -> None:
    good = {
        "client_id": "a",
        "facility": "f",
        "name": "A",
        "scope": "system/*.rs",
        "jwks": {"keys": [PUBLIC]},
    }
    with pytest.raises(BrokenRule, match=reason):
        # No store: reaching it would be another error than BrokenRule.
        await add_client(None, **{**good, **changes, "now": None})  # type: ignore[arg-type]
