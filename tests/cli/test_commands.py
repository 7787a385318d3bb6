"""The group of commands: what is listed, how errors end."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from referral import __version__
from referral.cli import COMMANDS, cli
from referral.cli.errors import Refusal, refusals
from referral.domain.errors import BrokenRule, Problem, StoreUnavailable
from referral.embedded import EmbeddedError
from referral.settings import SettingsError

CLI_MODULES = Path(__file__).parents[2] / "referral" / "cli"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_listed_command_is_there(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name
    assert command.help


def test_every_command_of_the_folder_is_listed() -> None:
    with_command = {
        path.stem
        for path in CLI_MODULES.glob("*.py")
        if any(line.startswith("@click.") for line in path.read_text().splitlines())
        and path.stem != "__init__"
    }
    assert with_command == set(COMMANDS)


def test_help_lists_all_and_loads_none() -> None:
    code = (
        "import sys; from referral.cli import cli; cli(['--help'], standalone_mode=False);"
        " sys.exit(bool({'asyncpg', 'starlette', 'sqlalchemy', 'networkx'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name, text in COMMANDS.items():
        assert name in done.stdout
        assert text in done.stdout


def test_version() -> None:
    done = CliRunner().invoke(cli, ["version"])
    assert (done.exit_code, done.output) == (0, f"referral {__version__}\n")


ADD = ["client", "add", "--facility", "x"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--no-such-option"], "--no-such-option"),
        (["no-such-command"], "No such command 'no-such-command'. (see: referral --help)"),
        (["client", "no-such-command"], "No such command 'no-such-command'. (see: referral client --help)"),
        (["serve", "--port", "65536"], "Invalid value for '--port'"),
        (["serve", "--port", "eighty"], "Invalid value for '--port'"),
        (["demo", "--once"], "--once"),
        (["demo", "--port", "0"], "--port 0 needs --play"),
        (ADD, "Missing option '--name'. (see: referral client add --help)"),
        ([*ADD, "--name", "y"], "Give either --jwks or --generate. (see: referral client add --help)"),
        ([*ADD, "--name", "y", "--jwks", "/no/such/file"], "Invalid value for '--jwks'"),
        ([*ADD, "--name", "y", "--jwks", __file__, "--generate"], "Give either --jwks or --generate."),
        ([*ADD, "--name", "y", "--jwks", __file__, "--out", "z"], "--out needs --generate."),
        (["client", "list", "--data", __file__], f"'{__file__}' is a file."),
    ],
)
def test_a_wrong_use_is_one_line_and_2(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(cli, arguments, prog_name="referral")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("referral: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


@pytest.mark.parametrize("arguments", [[], ["client"]])
def test_without_a_command_the_help_is_shown(arguments: list[str]) -> None:
    done = CliRunner().invoke(cli, arguments)
    assert "Usage: " in done.output
    assert "Commands:" in done.output


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (BrokenRule([Problem("One thing."), Problem("Another\n  thing.")]), "One thing.; Another thing."),
        (StoreUnavailable("No database."), "No database."),
        (EmbeddedError("cannot keep it"), "cannot keep it"),
        (SettingsError("X is wrong"), "X is wrong"),
        (
            PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/some/file"),
            "/some/file: Permission denied",
        ),
    ],
)
def test_what_a_person_can_change_is_one_line_and_2(
    error: Exception, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Refusal) as refused, refusals():
        raise error
    refused.value.show()
    assert capsys.readouterr().err == f"referral: {line}\n"
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    "error", [BrokenPipeError(errno.EPIPE, "x"), OSError(errno.EIO, "x"), LookupError("x")]
)
def test_a_fault_of_ours_is_not_dressed_up(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, refusals():
        raise error
    assert raised.value is error


def test_ctrl_c_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, refusals():
        raise KeyboardInterrupt
    assert ended.value.code == 128 + signal.SIGINT
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", "mysql://u:secret@h/d"),
        ("DATABASE_OWNER_URL", "postgresql://u:secret@h/d"),  # and no DATABASE_URL
        ("REFERRAL_POOL_SIZE", "none"),
    ],
)
def test_a_wrong_setting_is_named_without_its_password(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(variable, value)
    done = CliRunner().invoke(cli, ["client", "list", "--data", str(tmp_path / "data")])
    assert done.exit_code == 2
    assert done.stderr.startswith("referral: ")
    assert variable in done.stderr
    assert "secret" not in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "data").exists()
