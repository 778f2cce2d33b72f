"""`sallyport decide`: policy's answer to questions in a file; needs no running stack."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import click

from gateway.console import fail
from policies.bundle import Bundle
from policies.client import PolicyClient
from policies.decisions import Decision
from policies.errors import PoliciesError

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("input", type=FILE)
@click.option("--data", type=FILE, help="Replaces data.datasets.")
@click.option("--engine", type=click.Choice(["embedded", "server"]), default="embedded", show_default=True)
@click.option("--server-url", envvar="SALLYPORT_OPA_URL", help="The OPA server's address, for --engine server.")
@click.option("--policies", type=FOLDER, help="Other policies.")
def command(input: Path, data: Path | None, engine: str, server_url: str | None, policies: Path | None) -> None:
    """Decide the question in INPUT (JSON), or each line of it (.jsonl)."""
    datasets = {} if data is None else read_datasets(data)
    try:
        bundle = Bundle.load(policies)
        for decision in _decisions(bundle, engine, server_url, questions(input), datasets):
            # ASCII, so that any text reaches any terminal or pipe.
            sys.stdout.write(json.dumps(decision.as_json()) + "\n")
        sys.stdout.flush()
    except PoliciesError as error:
        fail(error.code, str(error))


def _decisions(
    bundle: Bundle, engine: str, url: str | None, asked: Iterable[Any], datasets: Mapping[str, Any]
) -> Iterable[Decision]:
    if engine == "embedded":
        from policies.bulk import decide_all

        return decide_all(bundle, asked, datasets)
    if not url:
        raise click.UsageError("--engine server needs --server-url or SALLYPORT_OPA_URL")
    from policies.server import ServerEngine

    client = PolicyClient(ServerEngine(url, bundle))
    return (client.decide(question, datasets=datasets) for question in asked)


def read_datasets(path: Path) -> Mapping[str, Any]:
    """`data.datasets`, given bare or under the key `datasets`; otherwise the command ends."""
    try:
        document = json.loads(path.read_text("utf-8-sig"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        fail("invalid_data", f"{path} is no JSON.")
    if isinstance(document, dict) and isinstance(document.get("datasets"), dict):
        document = document["datasets"]
    if not isinstance(document, dict):
        fail("invalid_data", f"{path} holds no JSON object of datasets.")
    return document


def questions(path: Path) -> Iterator[Any]:
    """The questions of the file; what is no JSON is a question policy cannot judge (null), which it denies."""
    try:
        if path.suffix != ".jsonl":
            yield _question(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
            return
        with path.open("rb") as lines:
            for line in lines:
                if line.strip():
                    yield _question(line.removeprefix(b"\xef\xbb\xbf"))
    except OSError as error:
        fail("unreadable", f"{path} cannot be read: {error.strerror}.")


def _question(text: bytes) -> Any:
    try:
        return json.loads(text.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None


def _no_constant(name: str) -> NoReturn:
    """NaN and Infinity are no JSON (RFC 8259 section 6), though Python reads them."""
    raise ValueError(name)
