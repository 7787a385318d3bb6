"""The docs are true: links, commands, settings, files and tables, and all that the README tells to do."""

import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import click
import pytest

from referral.cli import cli
from referral.domain.policy_rules import ClockKind, CodeSet, InsuranceCase, Item, ListKind, Skipping
from referral.domain.policy_tables import KEYS
from referral.embedded import EmbeddedPostgres
from referral.exchange.network_files import COLUMNS
from referral.exchange.policy_file import read_policy
from referral.fhir import directory
from referral.fhir.content import read_content
from referral.fhir.systems import BASE
from referral.fhir.validation import check_resource
from referral.settings import VARIABLES
from scripts.superuser import superuser_dsn

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "fhir_profiles" / "README.md",
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(ROOT.glob("referral/**/*.md")),
]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKE_FHIR_DOCS = ROOT / "scripts" / "make_fhir_docs.py"


def chapter(title: str, page: str = README) -> str:
    return page.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def rows(text: str) -> list[list[str]]:
    """The cells of every table row below a head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells[2:] if not row[0].startswith("---")]


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} of {page.name}"
        assert not anchor or anchor in anchors(target), f"{link} of {page.name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_is_named_is_there(page):
    named = re.findall(r"`([\w.-]+/[\w./-]+|\w+\.py)`", page.read_text(encoding="utf-8"))
    known = ("referral/", "scripts/", "tests/", "docs/", "fhir/", "store/", "network/", "api/", "domain/")
    for name in named:
        if name.startswith(known) and "$" not in name:
            assert (ROOT / name).exists() or (ROOT / "referral" / name).exists(), f"{name} of {page.name}"


def commands(group: click.Group = cli, prefix: str = "") -> Iterator[str]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}"


def test_the_readme_lists_the_commands_that_exist():
    assert {row[0].strip("`") for row in rows(chapter("The command line"))} == set(commands())


def command_lines() -> list[str]:
    pages = [page.read_text(encoding="utf-8") for page in PAGES]
    found = [line for page in pages for line in re.findall(r"scripts/referral ([^\n`#]+)", page)]
    return [line.strip() for line in found if not line.startswith("COMMAND")]


@pytest.mark.parametrize("line", command_lines())
def test_every_command_line_can_be_given(line):
    command: click.Command = cli
    words = shlex.split(line)
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None, line
        command = found
    command.make_context(line, words)


def test_the_scripts_that_the_readme_names_can_be_run():
    for name in set(re.findall(r"scripts/(\w+)", README)):
        assert os.access(ROOT / "scripts" / name, os.X_OK), name


def test_the_settings_of_the_docs_are_those_that_exist():
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    listed = {name.strip("`"): meaning for name, meaning in rows(chapter("Settings", page))}
    assert listed == VARIABLES


def test_every_setting_that_is_named_exists():
    for page in PAGES:
        named = re.findall(r"\b((?:REFERRAL|DATABASE)_[A-Z_]+)\b", page.read_text(encoding="utf-8"))
        assert set(named) <= set(VARIABLES), page.name


def test_the_columns_of_a_network_are_those_that_are_read():
    page = (ROOT / "docs" / "network.md").read_text(encoding="utf-8")
    listed = {}
    for file, columns in rows(page):
        names = columns.split(", ")
        needed = {name.strip("*") for name in names if name.startswith("**")}
        listed[file] = (needed, {name for name in names if not name.startswith("**")})
    assert listed == {file: (set(needed), set(other)) for file, (needed, other) in COLUMNS.items()}


POLICY = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")


def test_the_policy_of_the_docs_is_one_with_every_key(tmp_path):
    (example,) = blocks(POLICY, "toml")
    (tmp_path / "policy.toml").write_text(example, encoding="utf-8")
    faults = []
    read = read_policy(tmp_path / "policy.toml", faults)
    assert (read is not None, faults) == (True, [])
    assert not read.policy.unknown
    used = {}
    for name, tables in tomllib.loads(example).items():
        for table in tables if isinstance(tables, list) else [tables]:
            used.setdefault(name, set()).update(table)
    assert used == {name: set(keys) for name, keys in KEYS.items()}


def test_the_keys_of_a_policy_are_those_that_are_read():
    told = {table.strip("`[]"): keys.split(", ") for table, keys, _ in rows(chapter("Keys", POLICY))}
    assert {name: sorted(keys) for name, keys in told.items()} == {
        name: sorted(keys) for name, keys in KEYS.items()
    }


def test_the_words_of_a_policy_are_those_that_exist():
    told = [words.split(", ") for _, words in rows(chapter("Words", POLICY))]
    assert told == [list(words) for words in (Skipping, ClockKind, ListKind, InsuranceCase, Item, CodeSet)]


# docs/fhir.md ---------------------------------------------------------------------------------------


def make_fhir_docs(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, MAKE_FHIR_DOCS, *arguments], capture_output=True, text=True, check=False
    )


def test_the_made_parts_are_up_to_date():
    check = make_fhir_docs("--check")
    assert (check.returncode, check.stderr) == (0, "")


def test_a_changed_part_is_stale_until_made_again(tmp_path):
    right = (ROOT / "docs" / "fhir.md").read_text(encoding="utf-8")
    page = tmp_path / "fhir.md"
    page.write_text(right.replace("`group-identifier`", "`group`"), encoding="utf-8")
    assert make_fhir_docs("--check", "--file", page).returncode == 1
    assert make_fhir_docs("--file", page).returncode == 0
    assert page.read_text(encoding="utf-8") == right


def test_a_part_that_is_gone_is_missed(tmp_path):
    page = tmp_path / "fhir.md"
    text = (ROOT / "docs" / "fhir.md").read_text(encoding="utf-8")
    page.write_text(text.replace("<!-- made: errors -->", ""), encoding="utf-8")
    assert make_fhir_docs("--check", "--file", page).returncode == 1


def test_every_element_of_ours_in_the_directory_is_told():
    page = (ROOT / "docs" / "fhir.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`(\w+/[\w-]+)`", chapter("Our elements of the directory", page)))
    ours = {value for value in vars(directory).values() if str(value).startswith(f"{BASE}/")}
    assert told == {value.removeprefix(f"{BASE}/") for value in ours}


def test_the_examples_are_r4():
    found = blocks((ROOT / "docs" / "fhir.md").read_text(encoding="utf-8"), "json")
    assert len(found) == 3
    for example in found:
        content = read_content(example.encode())
        # The last one shows what is changed in a Task; the rest of it is as it was.
        whole = (
            content if "resourceType" in content else {"resourceType": "Task", "intent": "order", **content}
        )
        check_resource(whole["resourceType"], whole)


# What the README tells to do ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Installation:
    """A service as the README sets it up: `folder` has the data folder in it."""

    folder: Path
    environment: dict[str, str]

    def run(self, *arguments: str | Path, text: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Path, EmbeddedPostgres]]:
    """A folder with a PostgreSQL in its data folder."""
    with tempfile.TemporaryDirectory(prefix="referral-docs-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the account of PostgreSQL reaches it, also when root runs the tests
        with EmbeddedPostgres.open(folder / "data") as postgres:
            yield folder, postgres


@pytest.fixture(scope="module")
def superuser(server: tuple[Path, EmbeddedPostgres]) -> str:
    folder, postgres = server
    return superuser_dsn(folder / "data", postgres)


@pytest.fixture(scope="module")
async def installation(server: tuple[Path, EmbeddedPostgres], superuser: str) -> Installation:
    """A PostgreSQL that knows nothing of us but what the README's SQL says."""
    told = chapter("On your own PostgreSQL")
    (grants,), (shell,) = blocks(told, "sql"), blocks(told, "sh")
    connection = await asyncpg.connect(superuser)
    for statement in (
        "DROP DATABASE referral",
        "DROP ROLE referral_owner",
        "DROP ROLE referral_login",
        *(part for part in grants.split(";\n") if part.strip()),
    ):
        await connection.execute(statement)
    await connection.close()
    urls = dict(re.findall(r"^export (\w+)=(\S+)$", shell, re.MULTILINE))
    assert set(urls) == {"DATABASE_URL", "DATABASE_OWNER_URL"}
    # The README's server is on localhost, ours on a socket.
    place = superuser.partition("?")[2]
    environment = {
        name: url.replace("@localhost/referral", f"@/referral?{place}") for name, url in urls.items()
    }
    return Installation(server[0], environment)


@pytest.fixture(scope="module")
def migrated(installation: Installation) -> Installation:
    """After the README's own commands but the last, which serves."""
    shell = blocks(chapter("On your own PostgreSQL"), "sh")[0]
    *lines, last = re.findall(r"^scripts/referral (.*)$", shell, re.MULTILINE)
    assert last == "serve"
    for line in lines:
        arguments = [str(ROOT / word) if (ROOT / word).is_dir() else word for word in shlex.split(line)]
        done = installation.run("-m", "referral", *arguments)
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
    return installation


async def test_the_grants_are_enough_and_not_too_much(migrated):
    connection = await asyncpg.connect(migrated.environment["DATABASE_URL"])
    assert await connection.fetchval("SELECT count(*) FROM facility") > 0
    for statement in ("UPDATE event SET move = ''", "DELETE FROM audit", "DROP TABLE facility"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()


def test_a_login_role_outside_the_group_is_refused_in_one_line(migrated, superuser):
    mighty = {"DATABASE_URL": superuser.replace("@/postgres?", "@/referral?")}
    done = Installation(migrated.folder, mighty).run("-m", "referral", "client", "list")
    assert done.returncode == 2
    assert re.fullmatch(r"referral: .*referral_service.*\n", done.stderr), done.stderr


@pytest.fixture(scope="module")
def served(migrated: Installation) -> Iterator[Installation]:
    """The service with the demo, under the README's grants."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
    done = migrated.run("-m", "referral", "demo", "--port", port)
    assert done.returncode == 0, done.stderr
    log = migrated.folder / "serve.log"
    environment = {**os.environ, **migrated.environment}
    command = [sys.executable, "-m", "referral", "serve", "--port", port]
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, cwd=migrated.folder, env=environment, stdout=output, stderr=output
        ) as process,
    ):
        while "ready on" not in log.read_text():
            assert process.poll() is None, log.read_text()
            time.sleep(0.02)
        yield migrated
        process.terminate()
        assert process.wait() == 0, log.read_text()


def test_the_tour_goes_as_it_is_told(served):
    """Pasted into Python block by block; the numbers of referrals are others in every database."""
    tour = chapter("Five minutes with it")
    code, told = blocks(tour, "python"), blocks(tour, "text")
    assert len(code) == len(told) >= 6
    pasted = "".join(f"{block}\nprint('----')\n" for block in code)
    done = served.run("-i", "-q", "-c", "", text=pasted)
    seen = done.stdout.split("----\n")
    number = re.compile(r"HP[0-9]{9}")
    assert [number.sub("HP", text) for text in seen[:-1]] == [number.sub("HP", text) for text in told], (
        done.stderr
    )
