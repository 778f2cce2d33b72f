"""The `sallyport` command: a table of names, each loading its own module when it is asked for."""

from __future__ import annotations

from importlib import import_module

import click

# name -> (module, attribute, help). Only commands that work fully stand here.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "demo": ("gateway.commands.demo", "command", "the main job, all doors, on the embedded stack"),
    "up": ("gateway.commands.stack", "up", "start the embedded stack and the gateway"),
    "down": ("gateway.commands.stack", "down", "stop them; their state is kept"),
    "status": ("gateway.commands.stack", "status", "what runs, and who can log in"),
    "backup": ("gateway.commands.backup", "backup", "everything the stack holds in one file"),
    "restore": ("gateway.commands.backup", "restore", "a backup becomes a home again"),
    "keys": ("gateway.commands.keys", "command", "the keys that sign and wrap: show, rotate"),
    "doctor": ("gateway.commands.doctor", "command", "what is installed, what is missing, what to do"),
    "login": ("gateway.commands.login", "login", "say who asks from now on"),
    "sessions": ("gateway.commands.sessions", "command", "who is logged in, and ending it"),
    "dataset": ("gateway.commands.dataset", "command", "contracts, and live rows under them"),
    "snapshot": ("gateway.commands.snapshot", "command", "de-identified snapshots"),
    "run": ("gateway.commands.run", "command", "a script on a snapshot, isolated"),
    "access": ("gateway.commands.access", "command", "live access: request, approve, lease, revoke"),
    "reproduce": ("gateway.commands.reproduce", "command", "train a promoted model again, and compare"),
    "model": ("gateway.commands.model", "command", "scan a model without running it; ask one in production"),
    "score": ("gateway.commands.score", "command", "batch runs of models in production"),
    "promote": ("gateway.commands.promote", "command", "a model's way into production"),
    "new": ("gateway.commands.new", "command", "a project from the template"),
    "features": ("gateway.commands.features", "command", "features defined once, for snapshots and live rows"),
    "notebook": ("gateway.commands.notebook", "command", "JupyterLab on your snapshots, kernels isolated"),
    "ingress": ("gateway.commands.ingress", "command", "what comes into the sandbox: ask, review, admit"),
    "wheelhouse": ("gateway.commands.ingress", "wheelhouse", "packages that notebooks may install"),
    "notebook-server": ("gateway.commands.notebook_server", "command", "one person's notebooks, as JupyterHub starts them"),
    "egress": ("gateway.commands.egress", "command", "what leaves the sandbox: ask, review, release"),
    "deid": ("gateway.commands.deid", "command", "free text without identifiers"),
    "contract": ("gateway.commands.contract", "command", "propose a dataset contract from data, check one"),
    "risk": ("gateway.commands.risk", "command", "the disclosure risk of a table"),
    "audit": ("gateway.commands.audit", "command", "evidence: export it, and verify it offline"),
    "decide": ("gateway.commands.decide", "command", "what policy answers to a question in a file"),
    "policy": ("gateway.commands.policy", "command", "check, test, explain, replay and build policies"),
    "boundary": ("gateway.commands.boundary", "command", "who can see what, where, computed from the policies"),
}


class LazyGroup(click.Group):
    """A click group that imports a command's module only when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sallyport")
def cli() -> None:
    """Sallyport keeps the boundary between a de-identified sandbox and live regulated data."""


def main() -> None:
    """The exit status is 0 done, 1 refused or failed with a reason, 2 wrong usage."""
    cli(prog_name="sallyport")
