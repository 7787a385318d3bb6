import dataclasses
from pathlib import Path

import pytest

from referral.settings import VARIABLES, Settings, SettingsError


def test_absent_and_empty_variables_give_the_defaults() -> None:
    plain = Settings.from_environment({})
    assert plain == Settings(None, None, None, "info", 10, 30, 12_000, None, None)
    assert Settings.from_environment(dict.fromkeys(VARIABLES, " ")) == plain


def test_every_variable_is_read() -> None:
    assert Settings.from_environment(
        {
            "DATABASE_URL": "postgresql://a:b@h/d",
            "DATABASE_OWNER_URL": "postgres:///d?host=/run",
            "REFERRAL_BASE_URL": "https://hub.example/referral/",
            "REFERRAL_LOG_LEVEL": "WARNING",
            "REFERRAL_POOL_SIZE": "3",
            "REFERRAL_STATEMENT_SECONDS": "5",
            "REFERRAL_MAX_CONNECTIONS": "700",
            "REFERRAL_METRICS_LISTEN": "[::1]:9100",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
            "REFERRAL_CORS_ORIGINS": "https://app.example, http://LOCALHOST:3000,",
            "REFERRAL_LARGEST_ATTACHMENT": "3",
            "REFERRAL_ATTACHMENT_TYPES": "image/PNG, application/vnd.health+json,",
            "REFERRAL_WORK": "Apart",
            "REFERRAL_REMEMBERED_MIB": "0",
        }
    ) == Settings(
        "postgresql://a:b@h/d",
        "postgres:///d?host=/run",
        "https://hub.example/referral",
        "warning",
        3,
        5,
        700,
        ("::1", 9100),
        "http://collector:4318",
        ("https://app.example", "http://localhost:3000"),
        3 * 1024 * 1024,
        frozenset({"image/png", "application/vnd.health+json"}),
        False,
        0,
    )
    assert Settings.from_environment({"REFERRAL_CORS_ORIGINS": "*"}).cors_origins == ("*",)
    assert len([name for name in VARIABLES if not name.endswith("_FILE")]) == len(
        dataclasses.fields(Settings)
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", "mysql://root:hunter2@h/d"),
        ("DATABASE_OWNER_URL", "hunter2"),
        ("REFERRAL_LARGEST_ATTACHMENT", "0"),
        ("REFERRAL_LARGEST_ATTACHMENT", "101"),
        ("REFERRAL_LARGEST_ATTACHMENT", "20 MB"),
        ("REFERRAL_ATTACHMENT_TYPES", "png"),
        ("REFERRAL_WORK", "elsewhere"),
        ("REFERRAL_REMEMBERED_MIB", "1025"),
        ("REFERRAL_REMEMBERED_MIB", "-1"),
        ("REFERRAL_ATTACHMENT_TYPES", "image/png image/jpeg"),
        ("REFERRAL_ATTACHMENT_TYPES", "text/plain;charset=utf-8"),
        ("REFERRAL_ATTACHMENT_TYPES", "image/*"),
        ("REFERRAL_ATTACHMENT_TYPES", ","),
        ("REFERRAL_CORS_ORIGINS", "app.example"),
        ("REFERRAL_CORS_ORIGINS", "https://app.example/"),
        ("REFERRAL_CORS_ORIGINS", "https://app.example/fhir"),
        ("REFERRAL_CORS_ORIGINS", "https://a.example https://b.example"),
        ("REFERRAL_CORS_ORIGINS", "https://user:hunter2@a"),
        ("REFERRAL_CORS_ORIGINS", "null"),
        ("REFERRAL_BASE_URL", "hub.example"),
        ("REFERRAL_BASE_URL", "https:///fhir"),
        ("REFERRAL_BASE_URL", "https://hub.example/?x=1"),
        ("REFERRAL_BASE_URL", "https://hub.example/?"),
        ("REFERRAL_BASE_URL", "https://hub.example/#top"),
        ("REFERRAL_BASE_URL", "http://a b"),
        ("REFERRAL_BASE_URL", "http://a/b\tc"),
        ("REFERRAL_BASE_URL", "http://a/b\nc"),
        ("REFERRAL_BASE_URL", "http://a/b\u00a0c"),
        ("REFERRAL_BASE_URL", "http://a:port"),
        ("REFERRAL_BASE_URL", "http://a:0"),
        ("REFERRAL_BASE_URL", "http://user:hunter2@a"),
        ("REFERRAL_BASE_URL", "http://hunter2@a/"),
        ("REFERRAL_BASE_URL", "http://user:hunter2@a/?x=1"),
        ("REFERRAL_BASE_URL", "http://user:hunter2@[a"),
        ("REFERRAL_BASE_URL", "ftp://user:hunter2@a"),
        ("REFERRAL_BASE_URL", "https://hub.example/fhir"),
        ("REFERRAL_BASE_URL", "https://hub.example/referral/fhir//"),
        ("REFERRAL_LOG_LEVEL", "loud"),
        ("REFERRAL_POOL_SIZE", "0"),
        ("REFERRAL_POOL_SIZE", "101"),
        ("REFERRAL_POOL_SIZE", "-1"),
        ("REFERRAL_POOL_SIZE", "ten"),
        ("REFERRAL_STATEMENT_SECONDS", "0.5"),
        ("REFERRAL_MAX_CONNECTIONS", "9"),
        ("REFERRAL_METRICS_LISTEN", "9100"),
        ("REFERRAL_METRICS_LISTEN", ":9100"),
        ("REFERRAL_METRICS_LISTEN", "localhost:65536"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[collector"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "user:hunter2@collector:4318"),
    ],
)
def test_a_wrong_value_is_refused_by_name_and_without_the_password(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable) as refused:
        Settings.from_environment({variable: value})
    assert "hunter2" not in str(refused.value)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:8000", "http://[::1]:8000", "https://hub.example/a/b", "https://hub.example/fhirside"],
)
def test_an_address_that_can_be_meant_is_taken_as_it_is(address: str) -> None:
    assert Settings.from_environment({"REFERRAL_BASE_URL": f"{address}/"}).base_url == address


@pytest.mark.parametrize("variable", ["DATABASE_URL", "DATABASE_OWNER_URL"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n", "  \n\n"])
def test_a_secret_in_a_file_counts_as_the_variable(variable: str, end: str, tmp_path: Path) -> None:
    address = "postgresql://a:b@h/d"
    file = tmp_path / "secret"
    file.write_bytes(f"{address}{end}".encode())
    told = Settings.from_environment({f"{variable}_FILE": str(file), variable: ""})
    assert told == Settings.from_environment({variable: address})


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"hunter2", "DATABASE_URL_FILE is not an address of the form postgresql://"),
        (b"postgresql://a:hunter2@h/d\npostgresql://a:hunter2@h/d\n", "holds more than one line"),
        (b"postgresql://a:hunter2\x00@h/d", "holds more than one line"),
        (b"postgresql://a:hunter2@h/" + b"d" * 5000, "holds more than one line"),
        (b"postgresql://a:hunter2\xff@h/d", "is not UTF-8 text"),
    ],
)
def test_a_file_without_a_secret_in_it_is_one_line(content: bytes, told: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=told) as refused:
        Settings.from_environment({"DATABASE_URL_FILE": str(file)})
    assert str(refused.value).startswith("DATABASE_URL_FILE")
    assert "hunter2" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path, told in ((tmp_path / "gone", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(SettingsError, match=f"^DATABASE_URL_FILE: {path}: {told}"):
            Settings.from_environment({"DATABASE_URL_FILE": str(path)})


@pytest.mark.parametrize("variable", ["DATABASE_URL", "DATABASE_OWNER_URL"])
def test_a_secret_and_its_file_together_are_refused(variable: str, tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=f"^{variable} and {variable}_FILE are both set: set one of them$"
    ):
        Settings.from_environment(
            {variable: "postgresql://a:b@h/d", f"{variable}_FILE": str(tmp_path / "secret")}
        )
