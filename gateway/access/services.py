"""A service that reads live data: only as a model in production, only what its contract names, by a signed deployment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from psycopg import Connection

from compliance.attestations import verify_envelope
from compliance.errors import ComplianceError
from gateway.errors import GatewayError
from promotion.model_contracts import load_model_contract

# Who runs models in production; the identity is the issuer's to give.
SERVICE = "scoring"
DEPLOYED = """
SELECT r.state, r.digest, r.contract, r.contract_digest, d.digest, d.envelope
FROM promotion.deployments AS d JOIN promotion.requests AS r ON r.id = d.request
WHERE d.project = %s AND d.name = %s ORDER BY d.id DESC LIMIT 1"""


class ModelNotFound(GatewayError):
    """No model of that name was ever deployed."""

    code: ClassVar[str] = "model_not_found"


class DeploymentNotTrusted(GatewayError):
    """The signed deployment is not of the model that the database names."""

    code: ClassVar[str] = "deployment_not_trusted"


@dataclass(frozen=True, slots=True)
class Deployed:
    """The newest deployment of a model; `state` says whether it still stands."""

    model: str
    digest: str
    state: str
    dataset: str
    columns: tuple[str, ...]

    def context(self) -> dict[str, Any]:
        """`context.promotion` of a policy question."""
        return {
            "model": self.model, "digest": self.digest, "state": self.state, "service": SERVICE, "dataset": self.dataset,
            "columns": list(self.columns),
        }  # fmt: skip


def deployed(connection: Connection[Any], model: str, public_keys: Mapping[str, str] | None = None) -> Deployed:
    """What is in production as `model` (project/name); with keys, its signature was checked.

    Raises ModelNotFound, DeploymentNotTrusted.
    """
    project, _, name = model.partition("/")
    row = connection.execute(DEPLOYED, (project, name)).fetchone()
    if row is None:
        raise ModelNotFound("No model of that name was ever deployed; `sallyport promote list` shows those that are.")
    state, digest, text, contract_digest, deployed_digest, envelope = row
    contract = load_model_contract(text)
    said = {"model": digest, "contract": contract_digest}
    if digest != deployed_digest or contract.digest != contract_digest or not _signed(envelope, said, public_keys):
        raise DeploymentNotTrusted("The signed deployment is not of this model and contract; nothing is opened.")
    return Deployed(model, digest, state, contract.dataset, contract.columns)


def _signed(envelope: Any, said: Mapping[str, str], public_keys: Mapping[str, str] | None) -> bool:
    """The statement in the envelope names these digests, under a key of ours."""
    if public_keys is None:
        return True
    try:
        statement = verify_envelope(envelope, public_keys)
    except ComplianceError:
        return False
    named = {subject.name: subject.digest for subject in statement.subjects}
    return all(named.get(name) == digest for name, digest in said.items())
