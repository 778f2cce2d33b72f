"""What policy answers: may the subject do this, why not, and on what terms (AuthZEN's Decision)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer of policy. `reasons` are sorted codes, empty when allowed; `obligations` are empty when denied."""

    allow: bool
    reasons: tuple[str, ...]
    decision_id: str
    policy_digest: str
    obligations: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "allow": self.allow,
            "reasons": list(self.reasons),
            "obligations": dict(self.obligations),
            "decision_id": self.decision_id,
            "policy_digest": self.policy_digest,
        }
