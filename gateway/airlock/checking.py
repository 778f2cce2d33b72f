"""The automatic checks of a request, as the worker runs them: the bytes are opened in the jail and nowhere else."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from compliance.canonical import canonical_json, digest
from compliance.entries import Actor
from gateway.airlock import requests
from gateway.airlock.requests import Egress
from gateway.composition import Services
from sandbox.airlock.differencing import Difference, differences
from sandbox.airlock.disclosure import Rules
from sandbox.airlock.findings import Finding
from sandbox.airlock.groups import Counted
from sandbox.airlock.states import Direction, State
from sandbox.jail import Limits, run_isolated
from sandbox.text import Scrubber

CHECKER = Actor("airlock-checker", "service")
SECONDS, MEMORY_MB = 120, 2_048
MOST_DIFFERENCES = 20
PROGRAMS = {Direction.OUT: "sandbox.airlock.look", Direction.IN: "sandbox.airlock.arriving"}
# Identifiers that are what they look like; a name or a place can be a false alarm, which people judge.
JUDGED, NOTED = ("NAME", "GEO"), ("DATE", "AGE", "URL")
COUNTED_STATES = (State.IN_REVIEW, State.APPROVED, State.RELEASED)


def check(given: Services, request: str) -> str:
    """The request is in review, or returned with what was found; the ledger says which. Safe to run again."""
    with given.pool.connection() as connection:
        found = requests.get(connection, request)
        if found.state not in (State.SUBMITTED, State.CHECKING):
            return str(found.state)
        requests.move(connection, request, State.CHECKING, actor=CHECKER, now=given.clock())
        files = requests.files(connection, request)
    try:
        report = _look(given, found, files)
        findings = [Finding(**one) for one in report["findings"]] + _personal(report["texts"])
    except Exception as error:
        # The check looks at hostile bytes: whatever it raises, nothing leaves, and no message is repeated.
        code = getattr(error, "code", type(error).__name__)
        findings = [Finding("unreadable", "stop", "", "", f"The checks could not be completed ({code}).")]
        report = {"cells": []}
    cells = [Counted(c["table"], frozenset(c["group"].items()), c["n"], None) for c in report["cells"]]
    return _finish(given, found, findings, cells)


def rules(given: Services) -> Rules:
    """The limits of disclosure control that policy data sets."""
    return Rules.of(given.policy.engine.bundle.data["limits"].get("egress", {}))


def _rules(given: Services, found: Egress) -> dict[str, Any]:
    """What the jailed program is told of policy data's limits."""
    if found.direction is Direction.IN:
        return dict(given.policy.engine.bundle.data["limits"].get("ingress", {}))
    return asdict(rules(given))


def earlier(connection: Connection[Any], request: Egress, states: Sequence[State] = COUNTED_STATES) -> list[Counted]:
    """The cells of the project's other requests in `states`, as their last round has them."""
    rows = connection.execute(
        "SELECT c.source, c.cell, c.n, c.request FROM airlock.cells c JOIN airlock.requests r ON r.id = c.request"
        " AND r.round = c.round WHERE c.project = %s AND r.id <> %s AND r.state = ANY(%s)",
        (request.project, request.id, [str(state) for state in states]),
    ).fetchall()
    return [Counted(source, frozenset(cell.items()), n, other) for source, cell, n, other in rows]


def own(connection: Connection[Any], request: Egress) -> list[Counted]:
    """The request's cells as its last round has them."""
    rows = connection.execute(
        "SELECT source, cell, n FROM airlock.cells WHERE request = %s AND round = %s", (request.id, request.round)
    ).fetchall()
    return [Counted(source, frozenset(cell.items()), n, None) for source, cell, n in rows]


def as_finding(difference: Difference) -> Finding:
    """The difference as a finding, which names both tables and no number."""
    other = f"request {difference.with_request}" if difference.with_request else "this request"
    sentence = f"Subtracting from it the table {difference.with_table[:100]} of {other} tells of a few people ({difference.how})."
    return Finding("differencing", "stop", difference.table, "", sentence)


def store_findings(connection: Connection[Any], request: Egress, findings: Sequence[Finding]) -> None:
    """The findings stand with the request's round, each once."""
    for finding in findings:
        name = digest(canonical_json(finding.as_json()))[7:19]
        connection.execute(
            "INSERT INTO airlock.findings VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (request.id, name, finding.code, finding.weight, finding.file, finding.where, finding.sentence, request.round),
        )


def _finish(given: Services, found: Egress, findings: list[Finding], cells: list[Counted]) -> str:
    with given.pool.connection() as connection:
        requests.lock_project(connection, found.project)
        now = requests.get(connection, found.id, lock=True)
        if now.state is not State.CHECKING or now.round != found.round:
            return str(now.state)
        apart = differences(cells, earlier(connection, found), min_count=rules(given).min_count)
        findings += [as_finding(one) for one in apart[:MOST_DIFFERENCES]]
        store_findings(connection, found, findings)
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO airlock.cells VALUES (%s, %s, %s, %s, %s, %s)",
                [(found.id, found.round, found.project, cell.table, Jsonb(dict(cell.group)), cell.n) for cell in cells],
            )
        stops = sorted({finding.code for finding in findings if finding.weight == "stop"})
        detail = {"findings": len(findings), "cells": len(cells), "round": found.round}
        to = State.RETURNED if stops else State.IN_REVIEW
        moved = requests.move(connection, found.id, to, actor=CHECKER, now=given.clock(), detail=detail, reasons=tuple(stops))
    return str(moved.state)


def _look(given: Services, found: Egress, files: Sequence[requests.Held]) -> dict[str, Any]:
    """What the jailed program reports of the files."""
    work = given.home.folder("run") / "work" / f"egress-{found.id}-{found.round}"
    shutil.rmtree(work, ignore_errors=True)
    inside, out = work / "in", work / "out"
    (inside / "files").mkdir(parents=True)
    out.mkdir()
    try:
        for number, file in enumerate(files):
            shutil.copyfile(held(given, file.digest), inside / "files" / str(number))
        request = {"files": [file.path for file in files], "tables": dict(found.tables), "rules": _rules(given, found)}
        (inside / "request.json").write_text(json.dumps(request), "utf-8")
        outcome = run_isolated(
            [sys.executable, "-I", "-m", PROGRAMS[found.direction]], read_only={inside: "/in"}, writable={out: "/out"},
            limits=Limits(memory_mb=MEMORY_MB, processes=32), timeout=SECONDS,
        )  # fmt: skip
        if outcome.exit_code:
            raise ChecksBroken(outcome.over or "ended with an error")
        return dict(json.loads((out / "report.json").read_text("utf-8")))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def held(given: Services, name: str) -> Path:
    """Where the bytes of that digest stand."""
    return given.home.folder("airlock") / name.removeprefix("sha256:")


def _personal(texts: Sequence[Sequence[str]]) -> list[Finding]:
    """Findings of personal data, one for each file, kind and place; never what it is."""
    if not texts:
        return []
    scrubbed = Scrubber(processes=1).scrub_all([text for _, _, text in texts])
    places: dict[tuple[str, str], list[str]] = {}
    for (file, where, _), one in zip(texts, scrubbed, strict=True):
        for kind in one.removed:
            places.setdefault((file, kind), []).append(where)
    return [_found(file, kind, where) for (file, kind), where in places.items()]


def _found(file: str, kind: str, where: Sequence[str]) -> Finding:
    distinct = list(dict.fromkeys(where))
    place = "; ".join(distinct[:8]) + (f"; and {len(distinct) - 8} more" if len(distinct) > 8 else "")
    if kind in NOTED:
        return Finding("dates_and_ages", "note", file, place, f"There are identifiers of kind {kind}.")
    weight = "judge" if kind in JUDGED else "stop"
    return Finding("personal_data", weight, file, place, f"This looks like personal data of kind {kind}.")  # type: ignore[arg-type]


class ChecksBroken(Exception):
    """The jailed program did not end well."""

    code = "checks_broken"
