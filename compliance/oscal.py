"""The control matrix as OSCAL assessment results (NIST OSCAL 1.1): for each control what was looked at and what was found.

Identifiers follow from what they name (UUID version 5), so the same matrix gives the same document.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID, uuid5

from compliance.regulations import Profile

VERSION = "1.1.3"
NAMESPACE = UUID("6f0f1a5e-52c4-5b1b-9a57-3d1f0f7f3b11")  # of these documents alone
NOT_TOKEN = re.compile(r"[^A-Za-z0-9._-]+")


def assessment_results(profile: Profile, completeness: Mapping[str, Any], matrix: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The whole document: a finding for each control that was exercised, an observation for each."""
    period, rows = completeness["period"], [row for row in matrix if row["control"]]
    seed = f"{profile.id}/{profile.version}/{period['since']}/{period['until']}/{completeness['last_hash']}"
    plan = _uuid(seed, "plan")
    return {"assessment-results": {
        "uuid": _uuid(seed, "document"),
        "metadata": {
            "title": f"Evidence for {profile.title}", "last-modified": period["until"], "version": profile.version,
            "oscal-version": VERSION,
        },
        "import-ap": {"href": f"#{plan}"},
        "results": [_result(seed, profile, completeness, rows)],
        "back-matter": {"resources": [
            {"uuid": plan, "title": "The controls and their clauses", "rlinks": [{"href": "controls/matrix.json"}]},
            {"uuid": _uuid(seed, "entries"), "title": "The entries", "rlinks": [{"href": "entries.jsonl"}]},
        ]},
    }}  # fmt: skip


def token(text: str) -> str:
    """`text` as OSCAL writes an identifier: a letter first, then letters, digits, '.', '_' and '-'."""
    return "c-" + NOT_TOKEN.sub("-", text).strip("-")


def _result(seed: str, profile: Profile, completeness: Mapping[str, Any], rows: list[Mapping[str, Any]]) -> dict[str, Any]:
    period = completeness["period"]
    clauses = [{"control-id": one} for one in dict.fromkeys(token(row["clause"]) for row in rows)]
    selection: dict[str, Any] = {"include-controls": clauses} if clauses else {"include-all": {}}
    result = {
        "uuid": _uuid(seed, "result"), "title": f"{profile.title}: what the ledger shows",
        "description": f"Judged from {_counted(completeness)} of Sallyport's ledger.",
        "start": period["since"], "end": period["until"],
        "reviewed-controls": {"control-selections": [selection]},
    }  # fmt: skip
    if rows:
        result["observations"] = [_observation(seed, row, period["until"]) for row in rows]
        findings = [_finding(seed, row) for row in rows if row["status"] != "not exercised"]
        result |= {"findings": findings} if findings else {}
    return result


def _observation(seed: str, row: Mapping[str, Any], until: str) -> dict[str, Any]:
    entries = sorted({*row["examples"], *row["gap_entries"]})
    said = f"{row['title']} {row['status']}: {row['evidence']} entries show it, {row['gaps']} contradict it. {row['why']}".strip()
    made: dict[str, Any] = {
        "uuid": _name(seed, row, "observation"), "title": f"{row['clause']}: {row['control']}", "description": said,
        "methods": ["EXAMINE"], "types": ["control-objective"], "collected": until,
        "props": [{"name": "status", "ns": "urn:sallyport:oscal", "value": row["status"].replace(" ", "-")}],
    }  # fmt: skip
    if entries:
        made["relevant-evidence"] = [
            {"href": f"#{_uuid(seed, 'entries')}", "description": f"Entries {', '.join(map(str, entries))}."}
        ]
    return made


def _finding(seed: str, row: Mapping[str, Any]) -> dict[str, Any]:
    good = row["status"] == "met"
    return {
        "uuid": _name(seed, row, "finding"), "title": f"{row['clause']}: {row['control']} is {row['status']}",
        "description": row["why"] or row["title"],
        "target": {
            "type": "objective-id", "target-id": f"{token(row['clause'])}.{row['control']}",
            "status": {"state": "satisfied" if good else "not-satisfied", "reason": "pass" if good else "fail"},
        },
        "related-observations": [{"observation-uuid": _name(seed, row, "observation")}],
    }  # fmt: skip


def _counted(completeness: Mapping[str, Any]) -> str:
    inside = completeness["range"]
    return f"{inside['entries']} entries ({inside['first']} to {inside['last']})" if inside else "no entries"


def _name(seed: str, row: Mapping[str, Any], kind: str) -> str:
    return _uuid(seed, f"{kind}/{row['clause']}/{row['control']}")


def _uuid(seed: str, name: str) -> str:
    return str(uuid5(NAMESPACE, f"{seed}/{name}"))
