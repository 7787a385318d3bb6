import dataclasses

import pytest

from referral.settings import VARIABLES, Settings, SettingsError


def test_absent_and_empty_variables_give_the_defaults() -> None:
    plain = Settings.from_environment({})
    assert plain == Settings(None, None, None, "info", 10)
    assert Settings.from_environment(dict.fromkeys(VARIABLES, " ")) == plain


def test_every_variable_is_read() -> None:
    assert Settings.from_environment(
        {
            "DATABASE_URL": "postgresql://a:b@h/d",
            "DATABASE_OWNER_URL": "postgres:///d?host=/run",
            "REFERRAL_BASE_URL": "https://hub.example/referral/",
            "REFERRAL_LOG_LEVEL": "WARNING",
            "REFERRAL_POOL_SIZE": "3",
        }
    ) == Settings(
        "postgresql://a:b@h/d", "postgres:///d?host=/run", "https://hub.example/referral", "warning", 3
    )
    assert len(VARIABLES) == len(dataclasses.fields(Settings))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", "mysql://root:hunter2@h/d"),
        ("DATABASE_OWNER_URL", "hunter2"),
        ("REFERRAL_BASE_URL", "hub.example"),
        ("REFERRAL_BASE_URL", "https:///fhir"),
        ("REFERRAL_BASE_URL", "https://hub.example/?x=1"),
        ("REFERRAL_LOG_LEVEL", "loud"),
        ("REFERRAL_POOL_SIZE", "0"),
        ("REFERRAL_POOL_SIZE", "101"),
        ("REFERRAL_POOL_SIZE", "-1"),
        ("REFERRAL_POOL_SIZE", "ten"),
    ],
)
def test_a_wrong_value_is_refused_by_name_and_without_the_password(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable) as refused:
        Settings.from_environment({variable: value})
    assert "hunter2" not in str(refused.value)
