"""`sallyport decide`: policy's answer to questions in a file; needs no running stack."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from gateway.console import emit_json, fail
from policies.bundle import Bundle
from policies.client import Engine, PolicyClient
from policies.errors import PoliciesError

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("input", type=FILE)
@click.option("--data", type=FILE, help="Replaces data.datasets.")
@click.option("--engine", type=click.Choice(["embedded", "server"]), default="embedded", show_default=True)
@click.option("--server-url", envvar="SALLYPORT_OPA_URL", help="The OPA server's address, for --engine server.")
@click.option("--policies", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Other policies.")
def command(input: Path, data: Path | None, engine: str, server_url: str | None, policies: Path | None) -> None:
    """Decide the question in INPUT (JSON), or each line of it (.jsonl)."""
    try:
        client = PolicyClient(_engine(engine, server_url, policies))
    except PoliciesError as error:
        fail(error.code, str(error))
    datasets = _datasets(data)
    for question in _questions(input):
        emit_json(client.decide(question, datasets=datasets).as_json())


def _engine(name: str, server_url: str | None, folder: Path | None) -> Engine:
    bundle = Bundle.load(folder)
    if name == "embedded":
        from policies.embedded import EmbeddedEngine

        return EmbeddedEngine(bundle)
    if not server_url:
        raise click.UsageError("--engine server needs --server-url or SALLYPORT_OPA_URL")
    from policies.server import ServerEngine

    return ServerEngine(server_url, bundle)


def _datasets(path: Path | None) -> Mapping[str, Any]:
    """`data.datasets`, given bare or under the key `datasets`."""
    if path is None:
        return {}
    try:
        document = json.loads(path.read_text("utf-8"))
    except ValueError:
        fail("invalid_data", f"{path} is no JSON.")
    if isinstance(document, dict) and isinstance(document.get("datasets"), dict):
        document = document["datasets"]
    if not isinstance(document, dict):
        fail("invalid_data", f"{path} holds no JSON object of datasets.")
    return document


def _questions(path: Path) -> Iterator[Any]:
    """The questions of the file; what is no JSON is a question policy cannot judge (null), which it denies."""
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        fail("unreadable", f"{path} cannot be read: {error.strerror}.")
    lines = [line for line in text.split("\n") if line.strip()] if path.suffix == ".jsonl" else [text]
    for line in lines:
        try:
            yield json.loads(line, parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            yield None
    sys.stdout.flush()
