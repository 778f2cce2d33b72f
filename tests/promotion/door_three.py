"""Door 3 as the tests walk through it: real policies, real tables, a key like Vault's, and a small model."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hostile_artefacts import small_onnx

from compliance.attestations import Statement, Subject, sign_statement
from compliance.entries import Actor
from compliance.ledger import integrate
from policies.client import PolicyClient
from promotion import approvals, deployments, requests
from promotion.checks.context import CheckResult, Finding
from promotion.model_contracts import load_model_contract
from promotion.requests import Promotion
from promotion.states import State
from promotion.store import ModelStore

NOW = datetime(2026, 11, 1, 8, tzinfo=UTC)
DANA = Actor("dana", "person", ("data-scientist",))
VALERIE = Actor("valerie", "person", ("model-validator",))
SAM = Actor("sam", "person", ("data-steward",))
CHECKER = Actor("promotion-checker", "service")
TEXT = """
name: readmission
tier: low
intended_use: Ranks patients.
owner: dana
dataset: clinic
columns: [visits.age]
features: SELECT label, x FROM visits
inputs: [{name: x, type: float, min: 0, max: 100}]
metrics: [{name: roc_auc, at_least: 0.7}]
alerts:
  - {metric: positive_rate, window: 1h, above: 0.5}
  - {metric: "missing:x", window: 10m, above: 0.1}
  - {metric: latency_p99_ms, window: 1d, above: 500}
"""
LOW = ("artifact", "lineage", "data-quality", "performance", "leakage")


class LocalSigner:
    """An ed25519 key in memory, as the tests' stand-in for a key in Vault transit (same Protocol)."""

    def __init__(self, seed: int = 1, keyid: str = "sallyport-evidence:v1") -> None:
        self._key, self.keyid = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32), keyid

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)

    def public_key_pem(self) -> str:
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@dataclass
class Gate:
    """Door 3 with its parts, and the steps of a promotion."""

    connection: psycopg.Connection[Any]
    policy: PolicyClient
    store: ModelStore
    root: Path
    signer: LocalSigner = field(default_factory=LocalSigner)
    now: datetime = NOW

    def keys(self) -> dict[str, str]:
        return {self.signer.keyid: self.signer.public_key_pem()}

    def put(self, data: bytes | None = None, name: str = "model.onnx") -> str:
        folder = self.root / f"model{len(list(self.root.iterdir()))}"
        folder.mkdir()
        (folder / name).write_bytes(small_onnx() if data is None else data)
        return self.store.put(folder)

    def submit(
        self, data: bytes | None = None, text: str = TEXT, author: Actor = DANA, name: str = "model.onnx"
    ) -> Promotion:  # fmt: skip
        made = requests.submit(
            self.connection, project="readmission", contract=load_model_contract(text), text=text, digest=self.put(data, name),
            run_id="r1", author=author, now=self.now,
        )  # fmt: skip
        self.connection.commit()
        return made

    def check(self, promotion: Promotion, name: str, outcome: str = "passed", findings: tuple[Finding, ...] = ()) -> None:
        result = CheckResult(name, outcome, promotion.digest, "checked", findings)  # type: ignore[arg-type]
        envelope = sign_statement(Statement((Subject("model", promotion.digest),), "check", result.as_json()), self.signer)
        requests.store_check(self.connection, promotion, result, envelope=envelope, seconds=0.1, actor=CHECKER, now=self.now)
        self.connection.commit()

    def checked(self, data: bytes | None = None, names: tuple[str, ...] = LOW, **given: Any) -> Promotion:
        made = self.submit(data, **given)
        requests.move(self.connection, made.id, State.CHECKING, actor=CHECKER, now=self.now)
        for name in names:
            self.check(made, name)
        return requests.move(self.connection, made.id, State.AWAITING_APPROVAL, actor=CHECKER, now=self.now)

    def approve(self, promotion: Promotion, by: Actor = VALERIE, role: str = "model-validator", **given: Any) -> Promotion:
        with self.connection.transaction():
            return approvals.approve(
                self.connection, promotion.id, by=by, subject=subject(by), role=role, meaning="reviewed",
                signer=self.signer, decide=self.policy.decide, now=given.get("now", self.now),
            )  # fmt: skip

    def deploy(self, promotion: Promotion, by: Actor = VALERIE, **given: Any) -> Promotion:
        with self.connection.transaction():
            moved, envelope = deployments.deploy(
                self.connection, promotion.id, store=self.store, by=by, subject=subject(by), signer=self.signer,
                decide=self.policy.decide, now=given.get("now", self.now),
            )  # fmt: skip
        self.store.deploy(promotion.project, promotion.name, envelope)
        return moved

    def deployed(self, data: bytes | None = None, **given: Any) -> Promotion:
        return self.deploy(self.approve(self.checked(data, **given)))

    def events(self) -> list[tuple[str, str]]:
        integrate(self.connection)
        rows = self.connection.execute("SELECT type, outcome FROM ledger.entries ORDER BY seq").fetchall()
        return [(event, outcome) for event, outcome in rows]


def subject(by: Actor) -> dict[str, Any]:
    """A person as policy is told of them."""
    until = int((NOW + timedelta(days=400)).timestamp())
    return {
        "id": by.id,
        "type": by.kind,
        "roles": list(by.roles),
        "projects": ["readmission"],
        "training_until": until,
        "mfa": True,
    }
