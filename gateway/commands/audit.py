"""`sallyport audit`: evidence exported from the gateway, and verified without it."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import click

from gateway.client import Gateway
from gateway.commands.audit_disclosures import account_for, disclosures, person_option
from gateway.commands.audit_keeping import findings, hold, retention, review
from gateway.commands.caller import as_role
from gateway.commands.moments import Moment
from gateway.console import REFUSED, emit_json, fail, people, say, table

READABLE = click.Path(exists=True, dir_okay=False, path_type=Path)
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 1.0


@click.group()
def command() -> None:
    """Evidence: exported for a period and a regulation, verified by anyone."""


for part in (disclosures, findings, hold, retention, review):
    command.add_command(part)


@command.command()
@click.option("--since", type=Moment(), default="30d", show_default=True, help="From this moment; a date, or 24h, 90d ago.")
@click.option("--until", type=Moment(), help="Before this moment; default: now.")
@click.option("--profile", default="hipaa", show_default=True, help="The regulation profile.")
@click.option("--reader", default="regulator", show_default=True, help="For whom: regulator, auditor, board or public.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A folder that does not exist yet.")
@person_option
@click.option("--dataset", help="The dataset in which that person is accounted for.")
@click.option("--json", "as_json", is_flag=True, help="What was exported as JSON on standard output.")
@as_role("compliance-officer")
def export(
    gateway: Gateway, since: datetime, until: datetime | None, profile: str, reader: str, out: Path, person_file: Any,
    dataset: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Write the evidence of a period to the new folder OUT and verify it there."""
    from compliance.verify import sentences, verify_bundle

    if bool(person_file) != bool(dataset):
        raise click.UsageError("Give --person-file and --dataset together.")
    if out.exists():
        fail("out_exists", f"{out} exists already.", "name a folder that does not exist yet")
    accounting = account_for(gateway, dataset, person_file, since, until)["id"] if person_file and dataset else None
    made = export_to(gateway, since=since, until=until, profile=profile, out=out, reader=reader, accounting=accounting)
    found = verify_bundle(out)
    if as_json:
        emit_json(made | {"path": str(out), "verified": found.ok, "fingerprint": found.fingerprint})
    for sentence in sentences(found):
        say(sentence)
    if not found.ok:
        fail("evidence_damaged", f"The evidence in {out} shows that the ledger was changed.", "keep it, and call the operator")


def export_to(
    gateway: Gateway, *, since: datetime, until: datetime | None, profile: str, out: Path, **more: Any
) -> dict[str, Any]:
    """`out`, which did not exist, is the bundle the gateway made. Raises Refusal, GatewayUnreachable."""
    body = {"since": since.isoformat(), "until": until and until.isoformat(), "profile": profile, **more}
    made = _wait(gateway, gateway.post("/v1/audit/exports", body))
    if made["state"] != "ready":
        fail(str(made["code"]), str(made["detail"]))
    with tempfile.TemporaryFile() as archive:
        for part in gateway.download(f"/v1/audit/exports/{made['id']}/archive"):
            archive.write(part)
        archive.seek(0)
        _unpack(archive, out)
    return made


def _wait(gateway: Gateway, export: dict[str, Any]) -> dict[str, Any]:
    """The export once it has ended, with its progress shown till then."""
    pause = FIRST_PAUSE_SECONDS
    with people.status("exporting: waiting for a worker") as status:
        while export["state"] in ("queued", "building"):
            if progress := export["progress"]:
                status.update(f"exporting: {progress['step']} {progress['done']:,}/{progress['total']:,}")
            time.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
            export = gateway.get(f"/v1/audit/exports/{export['id']}")
    return export


@command.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON on standard output.")
@click.option("--fingerprint", help="sha256:... of the key that must have signed.")
@click.option("--key", type=READABLE, help="PEM file of that key.")
@click.option("--checkpoint", "kept", multiple=True, type=READABLE, help="A checkpoint you kept; repeatable.")
def verify(folder: Path, as_json: bool, fingerprint: str | None, key: Path | None, kept: tuple[Path, ...]) -> None:
    """Check the evidence in FOLDER: no server, no database, no network. Exit 1 if anything was changed."""
    from compliance.verify import Wrong, fingerprint_of, public_key, sentences, verify_bundle

    try:
        pin = fingerprint_of(public_key(key.read_text("utf-8"))) if key else fingerprint
    except (OSError, ValueError, Wrong) as error:
        raise click.BadParameter("This is no ed25519 public key in PEM form.", param_hint="--key") from error
    found = verify_bundle(folder, fingerprint=pin, checkpoints=tuple(path.read_bytes() for path in kept))
    if as_json:
        emit_json(asdict(found))
    for sentence in sentences(found):
        say(sentence)
    if not found.ok:
        raise SystemExit(REFUSED)


@command.command()
@click.option("--out", type=click.Path(path_type=Path), help="A new file to keep it in, somewhere else than the ledger.")
@as_role("compliance-officer")
def checkpoint(gateway: Gateway, out: Path | None) -> None:
    """The ledger's size and root now, signed; kept elsewhere, it shows later whether anything before it was changed."""
    note = b"".join(gateway.download("/v1/audit/checkpoint"))
    if out is None:
        click.echo(note, nl=False)
        return
    try:
        with out.open("xb") as file:
            file.write(note)
    except OSError as error:
        fail("not_written", f"{out} could not be written ({error.strerror}).", "name a file that does not exist yet")
    say(f"written to {out}; give it to `sallyport audit verify --checkpoint {out}`")


@command.command()
@click.argument("identifier")
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON on standard output.")
@as_role("compliance-officer")
def trace(gateway: Gateway, identifier: str, as_json: bool) -> None:
    """Follow IDENTIFIER (a decision, grant, lease, promotion, snapshot) from decision to lease to statement to report."""
    found = gateway.get("/v1/audit/trace", id=identifier)
    if as_json:
        emit_json(found)
    else:
        rows = [[_cell(one[name]) for name in ("seq", "recorded_at", "type", "outcome")] + [_cell(one["actor"]["id"]),
                _cell(one["object"]["id"])] for one in found["items"]]  # fmt: skip
        table(f"What hangs together with {_cell(identifier)}", ("entry", "when", "what", "outcome", "who", "object"), rows)
        for one in found["exports"]:
            say(f"in the export {one['export']} of {one['since']} to {one['until']} ({one['profile']})")
    if not found["whole"]:
        say("there is more than is shown; follow something narrower")
    if not found["items"]:
        fail("identifier_not_found", "No entry of the ledger names it.", "give the whole identifier")


def _cell(value: Any) -> str:
    from compliance.reports import visible

    text = " ".join(f"{name}:{inner}" for name, inner in value.items()) if isinstance(value, dict) else str(value)
    return visible(text)


@command.command()
@click.option("--key", required=True, type=READABLE, help="The witness's own ed25519 private key (PEM); the ledger never has it.")
@click.option("--log-key", required=True, type=READABLE, help="The ledger's public key (PEM).")
@click.option("--state", required=True, type=click.Path(path_type=Path), help="The file that holds what was signed last.")
@click.option("--name", default="witness", show_default=True, help="The name to sign as.")
@as_role("compliance-officer")
def witness(gateway: Gateway, key: Path, log_key: Path, state: Path, name: str) -> None:
    """Sign the ledger's checkpoint as a witness, if the ledger only grew since the last time. Exit 1 if it did not."""
    import base64

    from compliance.checkpoints import size_of
    from compliance.errors import ComplianceError
    from compliance.witness import FileSigner, Witness

    try:
        me = Witness(name, FileSigner(key), log_key.read_text("utf-8"), state)
        note, last = b"".join(gateway.download("/v1/audit/checkpoint")), me.last()
        asked = {"from": size_of(last), "size": size_of(note)} if last else None
        proof = gateway.get("/v1/audit/proofs", **asked)["consistency"] if asked else []
        cosigned = me.sign(note, [base64.b64decode(node) for node in proof], now=datetime.now(UTC))
    except ComplianceError as error:
        fail(error.code, str(error), "keep what you have and ask the operator what happened to the ledger")
    except (OSError, ValueError) as error:
        fail("not_readable", f"A key or the state cannot be read ({type(error).__name__}).")
    click.echo(cosigned, nl=False)


def _unpack(archive: Any, out: Path) -> None:
    """`out` holds the archive's files, and nothing is written elsewhere whatever the archive says."""
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        with tarfile.open(fileobj=archive, mode="r:") as tar:
            for member in tar:
                name = PurePosixPath(member.name)
                content = tar.extractfile(member) if member.isfile() else None
                if content is None or name.is_absolute() or ".." in name.parts or "\\" in member.name:
                    fail("archive_refused", "The archive holds something other than plain files.", "export again")
                target = partial / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as file:
                    shutil.copyfileobj(content, file)
        partial.rename(out)
    except (tarfile.TarError, OSError) as error:
        fail("archive_refused", f"The archive could not be unpacked ({type(error).__name__}).", "export again")
    finally:
        shutil.rmtree(partial, ignore_errors=True)
