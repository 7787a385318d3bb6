"""The command line. A command is imported when it is called: help and version stay fast."""

import importlib

import click

from referral.cli.errors import refusals

# name -> what it does; the module referral.cli.NAME has the command under its own name
COMMANDS = {
    "serve": "Serve FHIR until stopped.",
    "work": "Run the clocks of all referrals, apart from serve.",
    "migrate": "Bring the database to the schema of this version.",
    "reindex": "Build what searches go by again, after an upgrade that asks for it.",
    "demo": "Load the demo network of Hai Phong, and play a referral through it.",
    "network": "Import a network, or check it first.",
    "policy": "Show the rules of a network, check, compare or activate others.",
    "load": "Load FHIR resources from files, one a line.",
    "client": "Register the systems that may ask for tokens, and list them.",
    "audit": "Verify that nothing in the audit was changed, and export it.",
    "suggest": "Show where a patient could go, and why.",
    "show": "Show one referral with all that happened to it.",
    "version": "Show the version.",
}


class _Commands(click.Group):
    """A group whose commands stand in `COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = getattr(importlib.import_module(f"referral.cli.{cmd_name}"), cmd_name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        with refusals():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        with refusals():
            return super().invoke(ctx)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Two-way referral between the stations and hospitals of a network, over FHIR R4.

    Without DATABASE_URL a command works with its own PostgreSQL in the data directory (--data).
    """
