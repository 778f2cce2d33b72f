"""What the entries of a period say together: the life of each grant, the dossier of each promotion, what is in production.

Memory grows with the number of grants and promotions, not of entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

GRANT_COLUMNS = (
    "grant_id", "asker", "dataset", "purpose", "requested", "approved_by", "granted", "ended", "leases", "ttl_seconds",
    "statements", "failed_statements",
)  # fmt: skip
DOSSIER_COLUMNS = (
    "promotion", "model", "version", "digest", "author", "submitted", "checks", "approvals", "refusals", "outcome", "deployed",
    "superseded",
)  # fmt: skip
INVENTORY_COLUMNS = ("model", "version", "digest", "in_production_since", "put_there_by", "promotion", "alerts")
OPENED = ("lease:opened", "lease:opened-in-emergency", "lease:opened-for-service")
OUTCOMES = {
    "promotion:refused": "refused by checks", "promotion:rejected": "rejected", "promotion:approved": "approved",
    "model:deployed": "deployed", "model:superseded": "superseded",
}  # fmt: skip


class Dossiers:
    """Built up while the entries pass by, in order."""

    def __init__(self) -> None:
        self._grants: dict[str, dict[str, Any]] = {}
        self._promotions: dict[str, dict[str, Any]] = {}
        self._models: dict[str, dict[str, Any]] = {}
        self._alerts: dict[str, int] = {}

    def add(self, entry: Mapping[str, Any]) -> None:
        """What the entry says of a grant, a promotion or a model is part of its story."""
        resource, refs = entry["type"].partition(":")[0], entry["refs"]
        if resource in ("access-request", "grant", "lease", "statement") and isinstance(refs.get("grant_id"), str):
            self._of_grant(entry, refs["grant_id"])
        elif resource in ("promotion", "check", "approval", "model", "deployment") and isinstance(refs.get("promotion"), str):
            self._of_promotion(entry, refs["promotion"])
        elif entry["type"] == "alert:raised":
            name = entry["object"]["id"]
            self._alerts[name] = self._alerts.get(name, 0) + 1

    def grants(self) -> list[dict[str, Any]]:
        """One row for each grant or request that anything was said of, as GRANT_COLUMNS."""
        return [{name: row.get(name, "") for name in GRANT_COLUMNS} for row in self._grants.values()]

    def promotions(self) -> list[dict[str, Any]]:
        """One row for each promotion, as DOSSIER_COLUMNS."""
        return [{name: row.get(name, "") for name in DOSSIER_COLUMNS} for row in self._promotions.values()]

    def inventory(self) -> list[dict[str, Any]]:
        """One row for each model put into production in the period and not out of it again, as INVENTORY_COLUMNS."""
        return [row | {"alerts": self._alerts.get(row["model"], 0)} for _, row in sorted(self._models.items())]

    def _of_grant(self, entry: Mapping[str, Any], name: str) -> None:
        event, refs, moment = entry["type"], entry["refs"], entry["recorded_at"]
        new: dict[str, Any] = {"grant_id": name, "approved_by": [], "leases": 0, "statements": 0, "failed_statements": 0}
        row = self._grants.setdefault(name, new)
        row["purpose"] = refs.get("purpose", row.get("purpose", ""))
        row["dataset"] = refs.get(
            "dataset", entry["object"]["id"] if entry["object"]["type"] == "dataset" else row.get("dataset")
        )
        if event == "access-request:created":
            row |= {"asker": entry["actor"]["id"], "requested": moment}
        elif event == "access-request:approved":
            row["approved_by"].append(entry["actor"]["id"])
        elif event == "grant:created":
            row["granted"] = moment
        elif event in ("grant:revoked", "grant:expired", "access-request:rejected", "access-request:withdrawn"):
            row["ended"] = f"{event.partition(':')[2]} {moment}"
        elif event in OPENED:
            row |= {"leases": row["leases"] + 1, "ttl_seconds": entry["detail"].get("ttl_seconds", "")}
            row.setdefault("asker", entry["actor"]["id"])
        elif event in ("statement:run", "statement:failed", "statement:summary"):
            runs = entry["detail"].get("runs")
            counted = "failed_statements" if event == "statement:failed" else "statements"
            row[counted] += runs if type(runs) is int and runs > 0 else 1

    def _of_promotion(self, entry: Mapping[str, Any], name: str) -> None:
        event, thing, moment, detail = entry["type"], entry["object"], entry["recorded_at"], entry["detail"]
        new: dict[str, Any] = {"promotion": name, "model": thing["id"], "checks": [], "approvals": [], "refusals": []}
        row = self._promotions.setdefault(name, new)
        row["digest"] = thing.get("digest") or row.get("digest", "")
        if event == "promotion:submitted":
            row |= {"author": entry["actor"]["id"], "submitted": moment}
        if "version" in detail:
            row["version"] = detail["version"]
        if event == "check:completed":
            row["checks"].append(f"{entry['refs'].get('check')}: {'passed' if entry['outcome'] == 'done' else 'failed'}")
        elif event == "approval:signed":
            row["approvals"].append(
                f"{entry['actor']['id']} as {detail.get('role')}, meaning '{detail.get('meaning')}', {moment}"
            )
        elif event in ("approval:refused", "deployment:refused"):
            row["refusals"].append(f"{entry['actor']['id']}: {' '.join(map(str, entry['reasons']))}")
        row["outcome"] = OUTCOMES.get(event, row.get("outcome", "under way"))
        if event in ("model:deployed", "model:superseded"):
            row[event.partition(":")[2]] = moment
            self._production(entry, row)

    def _production(self, entry: Mapping[str, Any], row: Mapping[str, Any]) -> None:
        model = str(entry["object"]["id"])
        if entry["type"] == "model:deployed":
            self._models[model] = {
                "model": model, "version": row.get("version", ""), "digest": row["digest"],
                "in_production_since": entry["recorded_at"], "put_there_by": entry["actor"]["id"],
                "promotion": row["promotion"], "alerts": 0,
            }  # fmt: skip
        elif self._models.get(model, {}).get("promotion") == row["promotion"]:
            del self._models[model]
