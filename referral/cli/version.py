"""`referral version`."""

import click

from referral import __version__


@click.command()
def version() -> None:
    """Show the version."""
    click.echo(f"referral {__version__}")
