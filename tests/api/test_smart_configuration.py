"""How a client finds the token endpoint: https://hl7.org/fhir/smart-app-launch/conformance.html"""

import pytest

from tests.api.issuer import Issuer


@pytest.mark.parametrize("base", ["", "/fhir"])
async def test_the_smart_configuration_leads_to_a_token(issuer: Issuer, base: str) -> None:
    answer = await issuer.http.get(
        f"{base}/.well-known/smart-configuration", headers={"Accept": "application/fhir+json"}
    )
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    found = answer.json()
    assert found["token_endpoint"] == f"{issuer.base_url}/oauth/token"
    assert found["grant_types_supported"] == ["client_credentials"]
    assert found["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert set(found["token_endpoint_auth_signing_alg_values_supported"]) == {"ES384", "RS384"}
    assert {"client-confidential-asymmetric", "permission-v2"} <= set(found["capabilities"])
    assert found["code_challenge_methods_supported"] == ["S256"]
    assertion = issuer.signed(aud=found["token_endpoint"])
    issued = await issuer.http.post(found["token_endpoint"], data=issuer.form(assertion))
    assert issued.status_code == 200
