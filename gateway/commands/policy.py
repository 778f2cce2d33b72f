"""`sallyport policy`: check, test and build policies, explain a decision, and see what a change would turn."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from gateway.client import Gateway
from gateway.commands.caller import as_role
from gateway.commands.decide import FILE, FOLDER, questions, read_datasets
from gateway.console import emit_json, fail, say, table
from policies.bundle import DEFAULT_FOLDER, Bundle
from policies.errors import PoliciesError
from policies.replay import Recorded, replay
from policies.served import opa_config, write_opa_bundle

PAGE = 5_000
COUNTED = ("decided", "turned", "would_be_denied", "would_be_allowed")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@click.group()
def command() -> None:
    """Policies: check, test, explain, replay, build."""


@command.command()
@click.option("--policies", type=FOLDER, help="Other policies than the installed ones.")
def check(policies: Path | None) -> None:
    """Load and compile policies, and look for what is known to go wrong."""
    from policies.check import problems, reasons

    bundle = _load(policies)
    try:
        found = problems(bundle)
    except PoliciesError as error:
        fail(error.code, str(error), "opa check --strict says where")
    emit_json({
        "ok": not found, "policy_digest": bundle.digest, "modules": len(bundle.modules), "reasons": sorted(reasons(bundle)),
        "problems": [problem.as_json() for problem in found],
    })  # fmt: skip
    for problem in found:
        say(f"{problem.where}: {problem.sentence}")
    if found:
        raise SystemExit(1)


@command.command()
@click.option("--policies", type=FOLDER, help="Other policies than the installed ones.")
@click.option("--opa", envvar="SALLYPORT_OPA", help="The opa program; default: the one on PATH.")
def test(policies: Path | None, opa: str | None) -> None:
    """Run the tests beside the rules (*_test.rego), with OPA."""
    _load(policies)
    program = shutil.which(opa or "opa")
    if program is None:
        fail(
            "opa_missing", "The tests of policies are run by OPA, and there is no opa program.", "install OPA, or say --opa PATH"
        )
    root = policies or DEFAULT_FOLDER
    run = [program, "test", "--format", "json", str(root / "rego"), str(root / "data")]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    try:
        results = json.loads(done.stdout)
    except ValueError:
        fail("tests_not_run", (done.stderr or done.stdout).strip() or "OPA ran no tests.")
    failed = sorted(f"{each['package']}.{each['name']}" for each in results if each.get("fail") or each.get("error"))
    emit_json({"passed": len(results) - len(failed), "failed": failed})
    if failed or done.returncode:
        raise SystemExit(1)


@command.command()
@click.argument("input", type=FILE)
@click.option("--data", type=FILE, help="Replaces data.datasets.")
@click.option("--policies", type=FOLDER, help="Other policies than the installed ones.")
def explain(input: Path, data: Path | None, policies: Path | None) -> None:
    """Decide the question in INPUT and say why, with the rules that say so."""
    from policies.bulk import decide_all
    from policies.explain import explained, rules

    bundle = _load(policies)
    known = rules(bundle)
    try:
        decisions = list(decide_all(bundle, questions(input), read_datasets(data) if data else {}))
    except PoliciesError as error:
        fail(error.code, str(error))
    for decision in decisions:
        why = [{"reason": reason, **(known[reason].as_json() if reason in known else {})} for reason in decision.reasons]
        sentences = explained(decision, known)
        emit_json({**decision.as_json(), "why": why, "sentences": sentences})
        for sentence in sentences:
            say(sentence)


@command.command(name="replay")
@click.option("--policies", type=FOLDER, required=True, help="The changed policies.")
@click.option("--since", default="90d", show_default=True, help="How far back: 12h, 90d, 4w; or an RFC 3339 time.")
@click.option("--inputs", type=FILE, help="Questions or recorded decisions (.jsonl) instead of the gateway's record.")
@click.option("--data", type=FILE, help="data.datasets for --inputs.")
@click.option("--as", "user", envvar="SALLYPORT_USER", help="Who asks the gateway; needs the role compliance-officer.")
@click.option("--json", "as_json", is_flag=True, help="No sentences.")
def replay_command(
    policies: Path, since: str, inputs: Path | None, data: Path | None, user: str | None, as_json: bool
) -> None:  # fmt: skip
    """List which past decisions the changed policies would turn, with counts and examples."""
    now, changed, begin = _load(None), _load(policies), _since(since)
    try:
        if inputs is not None:
            result = replay(_from_file(inputs), now=now, changed=changed, datasets=read_datasets(data) if data else {})
        else:
            recorded, datasets = _from_gateway(user, begin)
            result = replay(recorded, now=now, changed=changed, datasets=datasets)
    except PoliciesError as error:
        fail(error.code, str(error))
    emit_json(result)
    if not as_json:
        _tell(result)


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON on standard output.")
@as_role("compliance-officer")
def changes(gateway: Gateway, as_json: bool) -> None:
    """The changes of the policies in force, newest first, and how many decisions of before each turned."""
    found: dict[str, Any] = {"items": list(gateway.every("/v1/policy/changes")), "next": None}
    if as_json:
        emit_json(found)
        return
    rows = [
        [one["loaded_at"], one["after"][7:19], *(str((one["replay"] or {}).get(name, "")) for name in COUNTED)]
        for one in found["items"]
    ]
    table("Changes of policies", ("when", "policies", *(name.replace("_", " ") for name in COUNTED)), rows)


@command.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The bundle to write (.tar.gz).")
@click.option("--data", type=FILE, help="data.datasets to put into the bundle.")
@click.option("--policies", type=FOLDER, help="Other policies than the installed ones.")
def build(out: Path, data: Path | None, policies: Path | None) -> None:
    """Write the policies as a bundle that OPA can serve; its revision is their digest."""
    bundle = _load(policies)
    try:
        write_opa_bundle(bundle, out, read_datasets(data) if data else {})
    except OSError as error:
        fail("unwritable", f"{out} cannot be written: {error.strerror}.")
    emit_json({"bundle": str(out), "revision": bundle.digest, "modules": len(bundle.modules)})


@command.command(name="server-config")
@click.option("--as", "user", envvar="SALLYPORT_USER", help="Who asks the gateway; needs the role compliance-officer.")
@click.option("--gateway", "address", help="The gateway's address as the OPA server sees it; default: this client's own.")
@click.option("--token-path", default="/run/secrets/sallyport-token", show_default=True, help="Where the server finds its token.")
def server_config(user: str | None, address: str | None, token_path: str) -> None:
    """Write the configuration of an OPA server that fetches the policies and takes only what their key signed."""
    import yaml

    from gateway.client import Refusal
    from gateway.commands.caller import NEXT_STEPS, connect
    from gateway.errors import GatewayError
    from gateway.settings import Settings

    try:
        gateway = connect(user)
        known = gateway.get("/v1/policy/keys")
    except Refusal as refusal:
        fail(refusal.problem_code, str(refusal), NEXT_STEPS.get(refusal.problem_code))
    except GatewayError as error:
        fail(error.code, str(error), NEXT_STEPS.get(error.code))
    url = (address or Settings.load().gateway_url).rstrip("/")
    click.echo(yaml.safe_dump(opa_config(known["keys"], known["scope"], url, token_path), sort_keys=False), nl=False)


def _load(folder: Path | None) -> Bundle:
    try:
        return Bundle.load(folder)
    except PoliciesError as error:
        fail(error.code, str(error))


def _since(text: str) -> datetime:
    if found := re.fullmatch(r"(\d{1,6})([smhdw])", text):
        return datetime.now(UTC) - timedelta(**{UNITS[found[2]]: int(found[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter("give 12h, 90d, 4w, or an RFC 3339 time", param_hint="--since") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _from_file(path: Path) -> Iterator[Recorded]:
    """A line is a question, or a recorded decision: {"input", "decision_id", "allow", "reasons"}."""
    for line in questions(path):
        yield _recorded(line) if isinstance(line, dict) and "input" in line and "action" not in line else Recorded(line)


def _recorded(row: Mapping[str, Any]) -> Recorded:
    allow, reasons = row.get("allow"), row.get("reasons")
    kept = isinstance(allow, bool) and isinstance(reasons, list)
    return Recorded(row["input"], row.get("decision_id"), (bool(allow), tuple(map(str, reasons or ()))) if kept else None)


def _from_gateway(user: str | None, since: datetime) -> tuple[Iterator[Recorded], Mapping[str, Any]]:
    from gateway.client import Refusal
    from gateway.commands.caller import NEXT_STEPS, connect
    from gateway.errors import GatewayError

    try:
        gateway = connect(user)
        datasets = gateway.get("/v1/decisions/datasets")["datasets"]
        rows: list[Recorded] = []
        query: dict[str, Any] = {"since": since.isoformat(), "until": datetime.now(UTC).isoformat(), "limit": PAGE}
        while True:
            page = gateway.get("/v1/decisions", **query)
            rows += [_recorded(row) for row in page["items"]]
            if page["next"] is None:
                return iter(rows), datasets
            query["after"] = page["next"]
    except Refusal as refusal:
        fail(refusal.problem_code, str(refusal), NEXT_STEPS.get(refusal.problem_code))
    except GatewayError as error:
        fail(error.code, str(error), NEXT_STEPS.get(error.code))


def _tell(result: Mapping[str, Any]) -> None:
    say(f"{result['decided']} decisions made again; {result['turned']} would turn.")
    for turn in result["turns"]:
        before, after = (", ".join(turn[side]) or "allowed" for side in ("before", "after"))
        first = turn["examples"][0]
        asked = f"{first['subject']} {first['action']} {first['resource_id']}"
        say(f"  {turn['count']} {turn['kind']}: {before} -> {after}; for example {asked}")
