"""What a check is given, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from compliance.attestations import Statement
from promotion.model_contracts import ModelContract
from promotion.tracking import TrackedRun


class Isolated(Protocol):
    """How a process in the jail ended."""

    @property
    def exit_code(self) -> int: ...


class LiveRows(Protocol):
    """The live tables of the contract's dataset, read when they are asked for; they never leave the live zone."""

    def held_back(self, snapshot: str, into: Path) -> None:
        """The folder `tables` below `into` holds the unmasked rows of the persons held back from that snapshot."""

    def tables(self) -> Mapping[str, Any]:
        """Table -> its rows, as a pandas frame."""


@dataclass(frozen=True, slots=True)
class CheckContext:
    """A model under check. `snapshots` are this project's verified snapshots by digest: folder and signed statement.

    `holdouts` are the folders of the treated rows of persons held back, by snapshot digest; `live` what they and all others
    are in production, None when the dataset is not of this project; `quality` the dataset contract's rules by table;
    `run_isolated` runs a command in the jail; `find_personal_data` gives the kinds of identifiers in a text;
    `limits` is what policy data say of membership inference, and `shadows` where shadow models are kept.
    """

    folder: Path
    digest: str
    contract: ModelContract
    project: str
    run: TrackedRun | None
    snapshots: Mapping[str, tuple[Path, Statement]]
    holdouts: Mapping[str, Path]
    live: LiveRows | None
    quality: Mapping[str, Sequence[Mapping[str, Any]]]
    run_isolated: Callable[..., Isolated]
    find_personal_data: Callable[[str], set[str]]
    limits: Mapping[str, Any]
    shadows: Path
    work: Path


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a check found; open until somebody closes it."""

    id: str
    severity: Literal["info", "low", "medium", "high", "critical"]
    detail: str


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The outcome of one check on the bytes of `digest`. `evidence` holds counts, digests and codes, never values."""

    name: str
    outcome: Literal["passed", "failed"]
    digest: str
    summary: str
    findings: tuple[Finding, ...] = ()
    evidence: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


Check = Callable[[CheckContext], CheckResult]


def result(
    context: CheckContext, name: str, problems: Sequence[str], good: str, evidence: Mapping[str, Any] | None = None,
    notes: Sequence[Finding] = (),
) -> CheckResult:  # fmt: skip
    """Passed when there is no problem; each problem is a finding of high severity. `notes` are findings that stop nobody."""
    findings = (*(Finding(f"{name}-{number}", "high", problem) for number, problem in enumerate(problems, 1)), *notes)
    outcome: Literal["passed", "failed"] = "failed" if problems else "passed"
    return CheckResult(name, outcome, context.digest, " ".join(problems) or good, findings, evidence or {})
