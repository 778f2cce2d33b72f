"""The `sallyport` command: a table of names, each loading its own module when it is asked for."""

from __future__ import annotations

from importlib import import_module

import click

# name -> (module, help); the module offers `command`, a click.Command. Only commands that work fully stand here.
COMMANDS: dict[str, tuple[str, str]] = {
    "decide": ("gateway.commands.decide", "what policy answers to a question in a file"),
}


class LazyGroup(click.Group):
    """A click group that imports a command's module only when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if COMMANDS:
            with formatter.section("Commands"):
                formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Sallyport keeps the boundary between a de-identified sandbox and live regulated data."""


def main() -> None:
    """The exit status is 0 done, 1 refused or failed with a reason, 2 wrong usage."""
    cli(prog_name="sallyport")
