"""What goes wrong, as one line for a person and an exit code."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from referral.domain.errors import DomainError
from referral.embedded import EmbeddedError
from referral.settings import SettingsError

_INTERRUPTED = 130  # what a shell reports for a program that Ctrl-C ended


class Refusal(click.ClickException):
    """Ends the command with exit code 2 and one line on standard error."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the line."""
        click.echo(f"referral: {self.message}", file=file or sys.stderr)


@contextmanager
def refusals() -> Iterator[None]:
    """Around a command: what a person can do something about becomes a Refusal, Ctrl-C a quiet end."""
    try:
        yield
    except click.UsageError as error:
        # A group without a command shows its help instead: that is no line.
        if type(error).show is not click.UsageError.show:
            raise
        raise Refusal(" ".join((error.format_message() + _help(error)).split())) from error
    except (DomainError, EmbeddedError, SettingsError) as error:
        raise Refusal(" ".join(str(error).split())) from error
    except OSError as error:
        # A reader that went away (`| head`) is click's business; without a file name it is a fault of ours.
        if error.errno == errno.EPIPE or error.filename is None:
            raise
        raise Refusal(f"{error.filename}: {error.strerror}") from error
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def _help(error: click.UsageError) -> str:
    return f" (see: {error.ctx.command_path} --help)" if error.ctx is not None else ""
