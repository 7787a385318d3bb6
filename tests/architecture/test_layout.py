"""The shape of the project: who may import what, what things may be called, how long a file may be."""

import ast
import functools
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import referral

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(ROOT.glob("referral/**/*.py"))
CODE = [*SOURCES, *sorted(ROOT.glob("tests/**/*.py")), *sorted(ROOT.glob("scripts/**/*.py"))]
NEVER_RIGHT = {"utils", "util", "common", "helpers", "helper", "lib", "misc"}
TOP_LEVEL = {
    ".ci", ".dockerignore", ".gitignore", ".python-version", "CHANGELOG.md", "Dockerfile", "LICENSE",
    "README.md", "compose.yaml", "docs", "fhir_profiles", "pyproject.toml", "referral",
    "requirements.lock", "scripts", "tests", "uv.lock",
}  # fmt: skip


@functools.cache
def _imports(path: Path) -> tuple[str, ...]:
    """Dotted names of all modules that a file imports, inside functions too."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found += [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(found)


def _importers(module: str) -> set[str]:
    """First names under referral/ of the files that import a module or what is inside it."""
    return {
        path.relative_to(ROOT / "referral").parts[0].removesuffix(".py")
        for path in SOURCES
        if any(name == module or name.startswith(f"{module}.") for name in _imports(path))
    }


def test_imports_go_down_the_layers() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("asyncpg", {"store"}),
        ("networkx", {"network"}),
        ("zoneinfo", {"actions"}),
        ("sqlalchemy", {"store"}),
        ("alembic", {"store"}),
        ("referral.settings", {"cli", "app"}),
        ("referral.embedded", {"cli", "embedded"}),
    ],
)
def test_only_its_own_layer_imports(module: str, allowed: set[str]) -> None:
    assert _importers(module) <= allowed


def test_the_domain_needs_the_standard_library_alone_and_no_clock() -> None:
    names = {name.split(".")[0] for path in SOURCES if "domain" in path.parts for name in _imports(path)}
    assert names <= sys.stdlib_module_names | {"referral"}
    assert not names & {"time", "os", "io", "pathlib", "socket", "random", "uuid"}


def test_nothing_is_named_by_what_it_is_not() -> None:
    names = {name.split(".")[0] for path in CODE for name in path.relative_to(ROOT).parts}
    assert not names & NEVER_RIGHT


def test_files_stay_short() -> None:
    files = [path for path in CODE if path.relative_to(ROOT).parts[0] != "tests"]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
    assert {name: length for name, length in lengths.items() if length >= 400} == {}


def test_the_root_holds_what_is_listed() -> None:
    command = ["git", "ls-tree", "--name-only", "HEAD"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git clone")
    assert set(listed.stdout.split()) <= TOP_LEVEL


def test_the_version_stands_twice_and_is_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == referral.__version__


@pytest.mark.parametrize(
    "name", ["uv.lock", "requirements.lock", "scripts/deploy/requirements.lock", "scripts/deploy/build.lock"]
)
def test_the_locks_name_no_place_but_the_public_index(name: str) -> None:
    text = (ROOT / name).read_text()
    for public in ("https://pypi.org/simple", "https://files.pythonhosted.org/packages/"):
        text = text.replace(public, "")
    assert "://" not in text
    assert " @ " not in text


def test_addresses_that_others_see_stand_in_one_file() -> None:
    """A constant of `fhir` that other modules may import and that is a canonical address is in systems.py."""
    found = {
        f"{path.stem}.{target.id}"
        for path in SOURCES
        if path.parent.name == "fhir" and path.name != "systems.py"
        for node in ast.parse(path.read_bytes()).body
        if isinstance(node, ast.AnnAssign | ast.Assign) and node.value is not None
        for target in ([node.target] if isinstance(node, ast.AnnAssign) else node.targets)
        if isinstance(target, ast.Name) and not target.id.startswith("_") and _is_address(node.value)
    }
    assert found == set()


def _is_address(value: ast.expr) -> bool:
    """Whether an expression is a text that begins with a scheme, or with our base."""
    start = value.values[0] if isinstance(value, ast.JoinedStr) else value
    if isinstance(start, ast.FormattedValue):
        return "BASE" in ast.unparse(start)
    return isinstance(start, ast.Constant) and str(start.value).startswith(("http://", "https://"))
