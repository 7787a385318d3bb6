"""Bearer tokens: https://www.rfc-editor.org/rfc/rfc6750"""

from tests.api.issuer import Issuer


async def test_a_token_is_good_for_300_seconds(issuer: Issuer) -> None:
    bearer = f"bearer {await issuer.token()}"
    issuer.clock.forward(299)
    assert (await issuer.who_am_i(bearer)).status_code == 200
    issuer.clock.forward(1)
    assert (await issuer.who_am_i(bearer)).status_code == 401


async def test_a_token_is_remembered_for_less_than_5_seconds(issuer: Issuer) -> None:
    bearer = f"Bearer {await issuer.token()}"
    assert (await issuer.who_am_i(bearer)).status_code == 200
    async with issuer.store.writing(None) as connection:
        await connection.execute("DELETE FROM access_token")
    issuer.clock.forward(4.9)
    assert (await issuer.who_am_i(bearer)).status_code == 200
    issuer.clock.forward(0.1)
    assert (await issuer.who_am_i(bearer)).status_code == 401


async def test_other_credentials_are_no_token(issuer: Issuer) -> None:
    secret = await issuer.token()
    wrong = ["", secret, f"Basic {secret}", "Bearer", f"Bearer {secret}x", f"Bearer {secret} x"]
    wrong += ["Bearer " + "x" * 5000, f"Bearer {secret}, Bearer {secret}"]
    for credentials in wrong:
        assert (await issuer.who_am_i(credentials)).status_code == 401, credentials
    assert (await issuer.who_am_i()).status_code == 401
    assert (await issuer.who_am_i(f"Bearer {secret}", f"Bearer {secret}")).status_code == 401
    assert (await issuer.who_am_i(f"Bearer {secret}")).status_code == 200
