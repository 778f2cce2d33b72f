"""Evidence of an earlier submission that holds for another: the same check, over inputs that are the same by digest.

Only checks that read nothing live can say what all their inputs were, so only they are not made again; the others always are.
What is taken over is what was signed, under a signature of ours, and the new evidence names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from psycopg import Connection

from compliance.attestations import verify_envelope
from compliance.canonical import canonical_json, digest, digest_file
from compliance.errors import UntrustedAttestation
from promotion.checks.context import CheckContext, CheckResult, Finding
from promotion.requests import Promotion

# Check -> the fields of the contract that it reads.
READS: dict[str, tuple[str, ...]] = {
    "artifact": (),
    "leakage": ("features", "inputs", "positive"),
    "membership-inference": ("features", "inputs", "positive"),
}
LONGEST = timedelta(days=30)
PACKAGES = ("promotion", "sandbox")
EARLIER = (
    "SELECT c.request, c.envelope FROM promotion.checks c JOIN promotion.requests r ON r.id = c.request WHERE r.project = %s"
    " AND c.name = %s AND c.digest = %s AND c.outcome = 'passed' AND r.id <> %s ORDER BY r.submitted_at DESC LIMIT 20"
)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What an earlier check found, when it was really made, and in which signed envelope it stands."""

    result: CheckResult
    made_at: int
    promotion: str
    envelope: str

    def as_json(self) -> dict[str, Any]:
        return {"promotion": self.promotion, "envelope": self.envelope}


def inputs(context: CheckContext, check: str, *, also: Mapping[str, Any]) -> str | None:
    """The digest of all that the check reads, its own code among it; None of one that reads live rows."""
    if check not in READS:
        return None
    contract = context.contract.model_dump(mode="json")
    run = context.run
    snapshots = {name: name in context.holdouts for name in (run.inputs if run else ()) if name in context.snapshots}
    return digest(canonical_json({
        "check": check, "code": code(), "model": context.digest, "contract": {name: contract[name] for name in READS[check]},
        "snapshots": snapshots, "asked": list(run.inputs) if run else [],
        "limits": {name: repr(value) for name, value in sorted(context.limits.items())}, "also": dict(also),
    }))  # fmt: skip


def find(
    connection: Connection[Any], promotion: Promotion, check: str, wanted: str | None, *, public_keys: Mapping[str, str],
    now: datetime,
) -> Earlier | None:  # fmt: skip
    """The newest evidence of this project for the same bytes and the same inputs that passed, signed, and is not too old."""
    if wanted is None:
        return None
    for request, envelope in connection.execute(EARLIER, (promotion.project, check, promotion.digest, promotion.id)).fetchall():
        found = _read(envelope, request, public_keys)
        if found is None:
            continue
        said, earlier = found
        right = said == wanted and (earlier.result.name, earlier.result.outcome) == (check, "passed")
        if right and earlier.result.digest == promotion.digest and now - datetime.fromtimestamp(earlier.made_at, UTC) <= LONGEST:
            return earlier
    return None


@cache
def code() -> str:
    """The digest of the code that checks models, and of what it looks words up in."""
    files: dict[str, str] = {}
    for package in PACKAGES:
        root = Path(str(resources.files(package)))
        for file in sorted(root.rglob("*")):
            if file.is_file() and file.suffix != ".pyc":
                files[f"{package}/{file.relative_to(root).as_posix()}"] = digest_file(file)
    return digest(canonical_json(files))


def _read(envelope: Mapping[str, Any], request: str, public_keys: Mapping[str, str]) -> tuple[str, Earlier] | None:
    try:
        statement = verify_envelope(envelope, public_keys)
        said = statement.predicate
        result = CheckResult(
            said["name"], said["outcome"], next(one.digest for one in statement.subjects if one.name == "model"), said["summary"],
            tuple(Finding(**one) for one in said["findings"]), said["evidence"],
        )  # fmt: skip
        return said["inputs"], Earlier(result, int(said["made_at"]), request, digest(canonical_json(dict(envelope))))
    except (UntrustedAttestation, KeyError, TypeError, ValueError, StopIteration):
        return None  # of an earlier release, or not ours: the check is made
