"""`sallyport boundary`: who can see what, where and on which conditions, computed from the policies; needs no stack."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from gateway.commands.decide import FILE, FOLDER, read_datasets
from gateway.console import fail
from policies.acts import Act, act_changes, acts
from policies.boundary import Entry, boundary, changes
from policies.boundary_pages import html, markdown, markdown_changes
from policies.bundle import Bundle
from policies.errors import PoliciesError


@click.command()
@click.argument("contracts", type=FILE, nargs=-1)
@click.option("--format", "form", type=click.Choice(["md", "json", "html"]), default="md", show_default=True)
@click.option("--data", type=FILE, help="data.datasets, instead of contracts.")
@click.option("--policies", type=FOLDER, help="Other policies than the installed ones.")
@click.option("--diff", type=FOLDER, help="Show only what these changed policies would change (md or json).")
def command(contracts: tuple[Path, ...], form: str, data: Path | None, policies: Path | None, diff: Path | None) -> None:
    """Map the boundary for CONTRACTS (ODCS files; default: the example contracts)."""
    if diff and form == "html":
        raise click.UsageError("--diff is shown as md or json")
    datasets = read_datasets(data) if data else _datasets(contracts)
    try:
        bundle = Bundle.load(policies)
        entries = boundary(bundle, datasets)
        if diff:
            changed = Bundle.load(diff)
            turned = act_changes(acts(bundle), acts(changed))
            sys.stdout.write(_changes(form, bundle, changed, changes(entries, boundary(changed, datasets)), turned))
        else:
            sys.stdout.write(_map(form, bundle, entries, acts(bundle)))
    except PoliciesError as error:
        fail(error.code, str(error))


def _map(form: str, bundle: Bundle, entries: list[Entry], done: list[Act]) -> str:
    if form == "json":
        said = {"entries": [entry.as_json() for entry in entries], "acts": [act.as_json() for act in done]}
        return json.dumps({"policy_digest": bundle.digest} | said) + "\n"
    return (html if form == "html" else markdown)(entries, bundle.digest, done)


def _changes(
    form: str, before: Bundle, after: Bundle, changed: list[tuple[Entry | None, Entry | None]],
    acted: list[tuple[Act | None, Act | None]],
) -> str:  # fmt: skip
    if form == "md":
        return markdown_changes(changed, acted)
    said = [{"before": old and old.as_json(), "after": new and new.as_json()} for old, new in changed]
    done = [{"before": old and old.as_json(), "after": new and new.as_json()} for old, new in acted]
    return json.dumps({"policies": {"before": before.digest, "after": after.digest}, "changed": said, "acts": done}) + "\n"


def _datasets(contracts: tuple[Path, ...]) -> Mapping[str, Any]:
    from sandbox.contracts import load_contract
    from sandbox.domains import FOLDER as EXAMPLES
    from sandbox.errors import SandboxError

    found: dict[str, Any] = {}
    for path in contracts or sorted(EXAMPLES.glob("*/contract.yaml")):
        try:
            contract = load_contract(path)
        except SandboxError as error:
            fail(error.code, f"{path}: {error}")
        found[contract.id] = contract.policy_data()
    return found
