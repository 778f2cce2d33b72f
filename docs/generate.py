"""Writes docs/reference/*.md from the code: commands, settings, HTTP addresses, reason codes, events and controls.

`make reference` runs it; a test fails when a page is not what the code says.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).parents[1]
EVENT = re.compile(r'"((?!sallyport:)[a-z][a-z-]*:[a-z][a-z-]*)"')
PACKAGES = ("gateway", "promotion", "sandbox")
HEAD = "<!-- Written by docs/generate.py from the code; `make reference` writes it anew. -->\n\n"


def cli() -> Iterator[str]:
    """Every command with its arguments and options."""
    from gateway.cli import COMMANDS
    from gateway.cli import cli as root

    yield "# Commands\n"
    yield "JSON goes to standard output, sentences to standard error. Exit 0 done or accepted, 1 refused or failed with a reason,"
    yield "2 wrong usage.\n"
    context = click.Context(root, info_name="sallyport")
    for name in COMMANDS:
        command = root.get_command(context, name)
        assert command is not None
        yield from _command(f"sallyport {name}", command)


def _command(name: str, command: click.Command) -> Iterator[str]:
    if isinstance(command, click.Group):
        yield f"## {name}\n\n{_text(command)}\n"
        context = click.Context(command, info_name=name)
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None
            yield from _command(f"{name} {inner}", found)
        return
    arguments = [parameter.human_readable_name.upper() for parameter in command.params if isinstance(parameter, click.Argument)]
    yield f"### {' '.join([name, *arguments])}\n\n{_text(command)}\n"
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    for option in options:
        yield f"- `{', '.join(option.opts + option.secondary_opts)}` {_help(option)}"
    if options:
        yield ""


def _text(command: click.Command) -> str:
    return re.sub(r"\s*\n\s*", " ", (command.help or "").strip())


def _help(option: click.Option) -> str:
    parts = [option.help or "", "Required." if option.required else ""]
    if option.show_default and option.default is not None and not callable(option.default):
        parts.append(f"Default: {option.default}.")
    return " ".join(part for part in parts if part).strip()


def settings() -> Iterator[str]:
    """Every setting with its variable and default."""
    from gateway.settings import Settings

    yield "# Settings\n"
    yield "Each is a variable of the environment of the gateway, its worker and the model server; unset ones are those of the"
    yield "embedded stack. Secrets are never settings: they stand in Vault.\n"
    yield "| variable | default | meaning |\n| --- | --- | --- |"
    for name, field in Settings.model_fields.items():
        default = "the embedded stack's" if field.is_required() else str(field.default or "unset")
        yield f"| `SALLYPORT_{name.upper()}` | {default} | {field.description} |"


def reasons() -> Iterator[str]:
    """Every reason code policy gives."""
    from policies.explain import sentences

    yield "# Reasons\n"
    yield "Why policy denies. A denial lists every reason once, sorted.\n"
    yield "| code | sentence |\n| --- | --- |"
    for code, sentence in sorted(sentences().items()):
        yield f"| `{code}` | {sentence} |"


def events() -> Iterator[str]:
    """Every event type that the ledger holds, and where it is written."""
    yield "# Events\n"
    yield "What stands in the ledger, as `resource:action`. Names are never changed or used again for something else.\n"
    yield "| event | written by |\n| --- | --- |"
    found: dict[str, set[str]] = {}
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            for event in EVENT.findall(file.read_text("utf-8")):
                found.setdefault(event, set()).add(file.relative_to(ROOT).as_posix())
    for event in sorted(found):
        yield f"| `{event}` | {', '.join(sorted(found[event]))} |"


def api() -> Iterator[str]:
    """Every address of the HTTP API with what it does."""
    from gateway.api.app import create_app

    document = create_app(_Nothing()).openapi()  # type: ignore[arg-type]
    yield "# HTTP API\n"
    yield "The whole description is served at `/v1/openapi.json`. Errors are RFC 9457 problems with a stable `code`;"
    yield "calls carry a bearer token. Times are RFC 3339 in UTC.\n"
    yield "| call | what is true afterwards |\n| --- | --- |"
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            yield f"| `{method.upper()} {path}` | {_first(call)} |"


class _Nothing:
    """Stands for the services: describing the API calls none of them."""

    def close(self) -> None:
        pass


def _first(call: dict[str, Any]) -> str:
    return re.sub(r"\s+", " ", str(call.get("description") or call.get("summary") or "")).strip()


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "cli": cli,
    "settings": settings,
    "reasons": reasons,
    "events": events,
    "api": api,
}


def written(page: str) -> str:
    """What the page must hold."""
    return HEAD + "\n".join(PAGES[page]()) + "\n"


def main() -> None:
    for page in PAGES:
        (ROOT / "docs" / "reference" / f"{page}.md").write_text(written(page), "utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
