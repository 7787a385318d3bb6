"""What the environment says about how to run. Read by the command line and the composition root only.

An address of the database holds a password. It may stand in a file instead, as containers are given their
secrets: `DATABASE_URL_FILE` names the file that holds what `DATABASE_URL` would.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from referral.domain.attachment import MEBIBYTE, MEDIA_TYPES, AttachmentRules, is_media_type

_TYPES = ", ".join(sorted(MEDIA_TYPES))
# Variable and meaning; the documentation is made from this table. X_FILE is no field of Settings: X is.
VARIABLES: Mapping[str, str] = {
    "DATABASE_URL": "PostgreSQL 15 or newer, as the login role; absent: an own one in the data directory",
    "DATABASE_URL_FILE": "a file that holds DATABASE_URL, in place of it",
    "DATABASE_OWNER_URL": "the same database as the role that owns it; needed by migrate and audit only",
    "DATABASE_OWNER_URL_FILE": "a file that holds DATABASE_OWNER_URL, in place of it",
    "REFERRAL_BASE_URL": "the address others use, without /fhir; absent: host and port of serve",
    "REFERRAL_LOG_LEVEL": "debug, info, warning or error; absent: info",
    "REFERRAL_POOL_SIZE": "connections to the database, 1 to 100; absent: 10",
    "REFERRAL_STATEMENT_SECONDS": "time for one statement of the database, 1 to 600; absent: 30",
    "REFERRAL_REMEMBERED_MIB": "documents that a process remembers, in MiB, 0 to 1024; absent: 32",
    "REFERRAL_MAX_CONNECTIONS": "connections of clients, 10 to 100000; absent: 12000",
    "REFERRAL_METRICS_LISTEN": "host:port of /metrics, and of nothing else; absent: beside /fhir",
    "REFERRAL_WORK": "inside: serve runs the clocks too; apart: referral work alone does; absent: inside",
    "REFERRAL_LARGEST_ATTACHMENT": "size of one attachment in MiB, 1 to 100; absent: 20",
    "REFERRAL_ATTACHMENT_TYPES": f"media types of attachments, with commas; absent: {_TYPES}",
    "REFERRAL_CORS_ORIGINS": "origins whose web pages may call the service, with commas, or *; absent: none",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "collector of traces, OTLP over HTTP; needs the extra otel; absent: none",
}
_LONGEST_SECRET = 4096  # characters
_LOG_LEVELS = ("debug", "info", "warning", "error")


class SettingsError(Exception):
    """A variable has a value that cannot be meant; one line for a person."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting. An empty variable counts as absent."""

    database_url: str | None
    database_owner_url: str | None
    base_url: str | None  # without a slash at the end
    log_level: str
    pool_size: int
    statement_seconds: int
    max_connections: int
    metrics_listen: tuple[str, int] | None
    otlp_endpoint: str | None
    cors_origins: tuple[str, ...] = ()
    largest_attachment: int = 20 * MEBIBYTE  # bytes
    attachment_types: frozenset[str] = MEDIA_TYPES
    work_inside: bool = True
    remembered_bytes: int = 32 * MEBIBYTE

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Reads `environment` (os.environ), and the files that it names.

        Raises SettingsError, which names the variable; a database address is not quoted: it holds a password.
        """
        values = {name: environment.get(name, "").strip() or None for name in VARIABLES}
        return cls(
            database_url=_database(values, "DATABASE_URL"),
            database_owner_url=_database(values, "DATABASE_OWNER_URL"),
            base_url=_base_url(values),
            log_level=_log_level(values["REFERRAL_LOG_LEVEL"] or "info"),
            pool_size=_number(values, "REFERRAL_POOL_SIZE", 10, most=100),
            statement_seconds=_number(values, "REFERRAL_STATEMENT_SECONDS", 30, most=600),
            max_connections=_number(values, "REFERRAL_MAX_CONNECTIONS", 12_000, least=10, most=100_000),
            metrics_listen=_host_and_port(values, "REFERRAL_METRICS_LISTEN"),
            otlp_endpoint=_address(values, "OTEL_EXPORTER_OTLP_ENDPOINT"),
            cors_origins=_origins(values, "REFERRAL_CORS_ORIGINS"),
            largest_attachment=_number(values, "REFERRAL_LARGEST_ATTACHMENT", 20, most=100) * MEBIBYTE,
            attachment_types=_media_types(values, "REFERRAL_ATTACHMENT_TYPES"),
            work_inside=_work_inside(values, "REFERRAL_WORK"),
            remembered_bytes=_number(values, "REFERRAL_REMEMBERED_MIB", 32, least=0, most=1024) * MEBIBYTE,
        )

    @property
    def attachments(self) -> AttachmentRules:
        """What may be attached."""
        return AttachmentRules(self.largest_attachment, self.attachment_types)


def _database(values: Mapping[str, str | None], name: str) -> str | None:
    value, file = values[name], values[f"{name}_FILE"]
    if file is not None:
        if value is not None:
            raise SettingsError(f"{name} and {name}_FILE are both set: set one of them")
        name, value = f"{name}_FILE", _secret(f"{name}_FILE", Path(file))
    if value is not None and not value.startswith(("postgresql://", "postgres://")):
        raise SettingsError(f"{name} is not an address of the form postgresql://user:password@host/database")
    return value


def _secret(name: str, file: Path) -> str:
    """The one line of a file, which is never quoted: it is a secret."""
    try:
        with file.open(encoding="utf-8") as opened:
            text = opened.read(_LONGEST_SECRET + 1).strip()
    except OSError as error:
        raise SettingsError(f"{name}: {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{name}: {file} is not UTF-8 text") from error
    if not text:
        raise SettingsError(f"{name}: {file} is empty")
    if len(text) > _LONGEST_SECRET or not text.isprintable():
        raise SettingsError(f"{name}: {file} holds more than one line of text")
    return text


def _base_url(values: Mapping[str, str | None]) -> str | None:
    """The address that all links begin with: they are shown to everybody, and paths are put behind it."""
    name = "REFERRAL_BASE_URL"
    value = _address(values, name)
    if value is None:
        return None
    if "@" in urlsplit(value).netloc:
        raise SettingsError(f"{name} holds a user or password, which clients would be shown: leave it out")
    if value.endswith("/fhir"):
        raise SettingsError(f"{name} is the address without /fhir, which is put behind it: {value}")
    return value


def _address(values: Mapping[str, str | None], name: str) -> str | None:
    value = values[name]
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if not known or not value.isprintable() or any(mark in value for mark in " ?#"):
        quoted = repr(value) if "@" not in value else "it is not quoted, since it may hold a password"
        raise SettingsError(
            f"{name} is not an http or https address without spaces, query and fragment: {quoted}"
        )
    return value.rstrip("/")


def _origins(values: Mapping[str, str | None], name: str) -> tuple[str, ...]:
    """Origins as browsers send them (RFC 6454, section 6): scheme, host, and a port that is not usual."""
    found = []
    for value in (values[name] or "").split(","):
        origin = value.strip()
        if not origin:
            continue
        if origin != "*":
            address = _address({name: origin}, name) or ""
            parts = urlsplit(address)
            if origin.lower() != f"{parts.scheme}://{parts.netloc}".lower() or "@" in origin:
                quoted = repr(origin) if "@" not in origin else "it is not quoted"
                raise SettingsError(f"{name} holds no origin of the form https://app.example: {quoted}")
            origin = address.lower()
        found.append(origin)
    return tuple(found)


def _media_types(values: Mapping[str, str | None], name: str) -> frozenset[str]:
    value = values[name]
    if value is None:
        return MEDIA_TYPES
    found = [word.strip().lower() for word in value.split(",") if word.strip()]
    wrong = next((word for word in found if not is_media_type(word)), None)
    if wrong is not None or not found:
        raise SettingsError(f"{name} is no list of media types such as image/png, application/pdf: {value}")
    return frozenset(found)


def _host_and_port(values: Mapping[str, str | None], name: str) -> tuple[str, int] | None:
    value = values[name]
    if value is None:
        return None
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise SettingsError(f"{name} is not of the form host:port: {value}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _work_inside(values: Mapping[str, str | None], name: str) -> bool:
    value = (values[name] or "inside").lower()
    if value not in ("inside", "apart"):
        raise SettingsError(f"{name} is none of inside, apart: {value}")
    return value == "inside"


def _log_level(value: str) -> str:
    if value.lower() not in _LOG_LEVELS:
        raise SettingsError(f"REFERRAL_LOG_LEVEL is none of {', '.join(_LOG_LEVELS)}: {value}")
    return value.lower()


def _number(values: Mapping[str, str | None], name: str, otherwise: int, *, least: int = 1, most: int) -> int:
    value = values[name] or str(otherwise)
    if not value.isdecimal() or not least <= int(value) <= most:
        raise SettingsError(f"{name} is not a number from {least} to {most}: {value}")
    return int(value)
