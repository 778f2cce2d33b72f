"""`sallyport snapshot show|verify|diff`: what a snapshot's files say of themselves; needs no running stack."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from compliance.attestations import Statement
from gateway.console import REFUSED, emit_json, fail, say, table
from gateway.embedded.home import Home

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
KEY = click.option("--key", type=FILE, help="PEM of the key that must have signed; default: the key of this home's stack.")
MOST_SHOWN = 40


@click.command()
@click.argument("folder", type=FOLDER)
@KEY
@click.option("--json", "as_json", is_flag=True)
def show(folder: Path, key: Path | None, as_json: bool) -> None:
    """The manifest, risk and certificate of the snapshot in FOLDER, checked byte for byte; needs no running stack."""
    from sandbox.manifests import signers, snapshot_digest

    statement = _verified(folder, key)
    files = {subject.name: subject.digest for subject in statement.subjects}
    facts = {"digest": snapshot_digest(statement), "signed_by": signers(folder), "files": files, **statement.predicate}
    if as_json:
        emit_json(facts)
        return
    _say_facts(facts)


@click.command()
@click.argument("folder", type=FOLDER)
@KEY
@click.option("--contract", type=FILE, help="The contract that the snapshot must have been built under.")
@click.option("--json", "as_json", is_flag=True, help="Every check as JSON on standard output.")
def verify(folder: Path, key: Path | None, contract: Path | None, as_json: bool) -> None:
    """Check the snapshot in FOLDER by its files alone: signature, bytes, columns, treatments, k and l; exit 1 if one fails."""
    from sandbox.contracts import load_contract
    from sandbox.errors import SandboxError
    from sandbox.verifying import verify as check

    try:
        digest, checks = check(folder, _keys(folder, key), load_contract(contract) if contract else None)
    except SandboxError as error:
        fail(error.code, str(error))
    wrong = [one for one in checks if not one.passed]
    if as_json:
        emit_json({"digest": digest, "valid": not wrong, "checks": [one.as_json() for one in checks]})
    for one in wrong:
        say(f"{one.where}: {one.detail} ({one.code})")
    if wrong:
        raise SystemExit(REFUSED)
    say(f"{digest}: {len(checks):,} checks passed; every byte is as it was signed")


@click.command()
@click.argument("before", type=FOLDER)
@click.argument("after", type=FOLDER)
@KEY
@click.option("--json", "as_json", is_flag=True, help="The difference as JSON on standard output.")
def diff(before: Path, after: Path, key: Path | None, as_json: bool) -> None:
    """Say what changed from the snapshot in folder BEFORE to the one in AFTER: columns, rows, treatments, risk, certificate."""
    from sandbox.comparing import compare
    from sandbox.errors import InvalidSnapshot

    try:
        found = compare((before, _verified(before, key)), (after, _verified(after, key))).as_json()
    except InvalidSnapshot as error:
        fail(error.code, str(error))
    if as_json:
        emit_json(found)
        return
    _say_difference(found)


def _keys(folder: Path, key: Path | None) -> dict[str, str]:
    """The public key by every name the manifest gives its signers; only the key itself decides."""
    from sandbox.errors import InvalidSnapshot
    from sandbox.manifests import signers

    key = key or Home.here().folder("evidence-key.pem")
    if not key.is_file():
        fail("key_missing", "There is no key to check the signature with.", "name the public key that must have signed: --key")
    try:
        return dict.fromkeys(signers(folder), key.read_text("utf-8"))
    except (InvalidSnapshot, OSError, ValueError) as error:
        fail("invalid_snapshot", str(error) if isinstance(error, InvalidSnapshot) else f"{key} is no public key in PEM.")


def _verified(folder: Path, key: Path | None) -> Statement:
    from sandbox.errors import InvalidSnapshot
    from sandbox.manifests import verify_snapshot

    try:
        return verify_snapshot(folder, _keys(folder, key))
    except InvalidSnapshot as error:
        fail(error.code, f"{folder}: {error}")


def _say_facts(facts: Mapping[str, Any]) -> None:
    risk = facts["risk"]
    say(f"snapshot    {facts['digest']}")
    say(f"dataset     {facts['dataset']} of project {facts['project']}, built {facts['built_at']}")
    say(f"signed by   {', '.join(facts['signed_by'])}; every byte is as it was signed")
    say(f"risk        k = {risk['k']} (at least {facts['limits']['k']}), l = {risk['l']} (at least {facts['limits']['min_l']})")
    for name, measured in risk["tables"].items():
        quasi = ", ".join(measured["quasi"])
        size = f"{measured['rows']:,} rows, {measured['classes']:,} classes of {quasi}"
        say(f"  {name}: {size}; prosecutor risk {measured['prosecutor_risk']:.3f}")
    for name, digest in facts["files"].items():
        say(f"file        {name}  {digest}")


def _say_difference(found: Mapping[str, Any]) -> None:
    if found["same"]:
        say(f"{found['before']}: the same files, made under the same treatments")
        return
    say(f"{found['before']} -> {found['after']}")
    if not found["joinable"]:
        say("The two were made with different keys: their pseudonyms do not join, so rows are compared as a whole.")
    for name, change in found["tables"].items():
        say(f"table {name} was {change}")
    for name, columns in found["columns"].items():
        say(f"{name}: " + "; ".join(f"{kind} {', '.join(names)}" for kind, names in columns.items() if names))
    heads = ("table", "before", "after", "added", "removed", "changed")
    rows = [(name, *("-" if v is None else f"{v:,}" for v in counts.values())) for name, counts in found["rows"].items()]
    table("rows", heads, rows)
    changed = {**found["treatments"], **found["facts"]}
    shown = [(name, str(one), str(other)) for name, (one, other) in list(changed.items())[:MOST_SHOWN]]
    table("treatments, limits, risk, certificate", ("what", "before", "after"), shown)
    if len(changed) > MOST_SHOWN:
        say(f"and {len(changed) - MOST_SHOWN:,} more; --json shows all")
