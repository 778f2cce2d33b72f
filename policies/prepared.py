"""What the rules would work out again for each question about a dataset, worked out once from its contract.

It says nothing that dataset.rego and grant.rego do not: a contract or a table of the policies' data that is out of shape has
nothing here and is left to the rules. That both give the same answers is tested on contracts nobody thought of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LARGEST = 2**53 - 1  # RFC 8259 section 6


def documents(data: Mapping[str, Any], datasets: Mapping[str, Any]) -> dict[str, Any]:
    """All the documents an engine is given: the policies' own, `datasets`, and `contracts`, worked out from the two.

    `contracts` holds for each sound dataset that it is sound, its columns' treatments, the same columns in the clear, how many
    must approve where every column is asked for, and how long a person's lease may last.
    """
    known = data.get("treatments")
    usable = isinstance(known, Mapping)
    prepared = {name: _prepared(contract, data) for name, contract in datasets.items() if usable and _sound(contract)}
    ours: dict[str, Any] = {"contracts": prepared, "datasets": dict(datasets)}
    return {**ours, **data, **ours}  # these stand first, as the embedded engine passes all that stand before what it looks for


def _prepared(contract: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    known = data["treatments"]
    kinds = {name: kind for name, kind in contract["columns"].items() if isinstance(kind, str) and kind in known}
    treated = {name: known[kind] for name, kind in kinds.items()}
    found: dict[str, Any] = {"sound": True, "treated": treated, "clear": dict.fromkeys(treated, "clear")}
    approvers = _approvers(data.get("approvers_needed"), set(kinds.values()))
    if approvers is not None:
        found["approvers"] = max(approvers, 1)
    limits = data.get("limits")
    if isinstance(limits, Mapping) and _whole(limits.get("live_ttl_seconds")):
        found["longest"] = min(contract["max_ttl"], limits["live_ttl_seconds"])
    return found


def _approvers(needed: Any, kinds: set[str]) -> int | None:
    """How many the most demanding of `kinds` needs; None where the table does not say it of each."""
    if not isinstance(needed, Mapping) or not all(_whole(needed.get(kind)) for kind in kinds):
        return None
    return max((int(needed[kind]) for kind in kinds), default=None)


def _sound(contract: Any) -> bool:
    """The contract says what a decision needs (dataset.rego, `asked`)."""
    if not isinstance(contract, Mapping):
        return False
    purposes, filters = contract.get("purposes"), contract.get("row_filters", {})
    return (
        isinstance(purposes, (list, tuple))
        and all(isinstance(purpose, str) for purpose in purposes)
        and _whole(contract.get("max_ttl"))
        and contract["max_ttl"] > 0
        and isinstance(contract.get("columns"), Mapping)
        and not any("\n" in name for name in contract["columns"])  # dataset.rego, `same`, counts on it
        and isinstance(filters, Mapping)
        and all(isinstance(text, str) for text in filters.values())
    )


def _whole(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) <= LARGEST and value == int(value)
