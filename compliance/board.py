"""What the board's report shows, as plain values: a cover, a summary with plots, the matrix, short tables, the statement.

Tables show their first rows and the columns a reader needs; the files in `reports/` hold every row and column.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from compliance.findings import Finding
from compliance.regulations import Profile
from compliance.reports import cell_text
from compliance.standard_pack import SECTIONS, empty_sentence
from compliance.supplements import Supplement

MOST_ROWS, MOST_FINDINGS, MOST_BARS, LONGEST_CELL = 25, 15, 60, 160
SEVERITIES = ("critical", "high", "medium", "low")
STATUSES = ("met", "gap", "not exercised")
# report -> its columns in the PDF, each with its share of the width
COLUMNS: dict[str, dict[str, float]] = {
    "access-ledger": {"seq": 1, "recorded_at": 2.2, "actor": 1.6, "event": 2.6, "object_id": 2.4, "purpose": 2, "outcome": 1.2},
    "live-grants": {
        "asker": 1.3, "dataset": 1.3, "purpose": 1.8, "approved_by": 1.6, "granted": 2, "ended": 2.2, "leases": 1,
        "statements": 1.4,
    },
    "policy-changes": {"seq": 1, "recorded_at": 2.2, "actor": 2, "event": 2, "digest": 3, "detail": 4},
    "promotion-dossiers": {
        "model": 1.8, "version": 1.1, "author": 1.3, "checks": 4, "approvals": 4, "outcome": 1.5, "deployed": 1.9,
    },
    "model-inventory": {"model": 2.4, "version": 1, "digest": 2.6, "in_production_since": 2.2, "put_there_by": 1.8, "alerts": 1},
    "approvals": {"seq": 1, "recorded_at": 2.2, "actor": 1.6, "roles": 2.2, "event": 2.6, "object_id": 2.4, "outcome": 1.2},
    "exceptions": {"seq": 1, "recorded_at": 2.2, "actor": 1.6, "event": 2.6, "object_id": 2.4, "dataset": 1.5, "outcome": 1.2},
    "egress": {"seq": 1, "recorded_at": 2.2, "actor": 1.6, "event": 2.6, "object_id": 2.6, "project": 1.7, "outcome": 1.2},
    "snapshots": {"seq": 1, "recorded_at": 2.2, "actor": 2, "event": 2.4, "dataset": 1.5, "digest": 2.6, "outcome": 1.2},
    "access-reviews": {"seq": 1, "recorded_at": 2.2, "actor": 1.5, "event": 2.6, "dataset": 1.5, "holder": 1.5, "detail": 3},
    "holds-and-deletions": {"seq": 1, "recorded_at": 2.2, "actor": 1.6, "event": 2, "object_type": 1.5, "object_id": 3},
    "monitoring": {"seq": 1, "recorded_at": 2.2, "event": 2.4, "object_type": 1.5, "object_id": 2.4, "detail": 4},
}  # fmt: skip
KEY_FIGURES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("decisions by policy", ("decision:made",)),
    ("grants of live data", ("grant:created",)),
    ("openings of live data", ("lease:opened", "lease:opened-in-emergency", "lease:opened-for-service")),
    ("emergency accesses", ("break-glass:used",)),
    ("snapshots built", ("snapshot:built",)),
    ("models put into production", ("model:deployed",)),
    ("releases out of the sandbox", ("egress:released",)),
)
STEPS = (
    "Keep this folder as it came. It holds verify.py, one file of under 500 lines that you can read whole.",
    "On a machine of your own, with Python 3.11 or later and the package 'cryptography', run: python verify.py .",
    "Compare the fingerprint it prints with the one you got from the organisation another way, and with the one on the cover.",
    "If you kept a checkpoint from before, add: --checkpoint FILE. A ledger that was rewritten since does not agree with it.",
    "Every table here stands whole in reports/, as CSV, JSON Lines and Parquet; every number names an entry in entries.jsonl.",
)


def board_report(
    profile: Profile, stated: Mapping[str, Any], matrix: Sequence[Mapping[str, Any]], findings: Sequence[Finding], *,
    first: Mapping[str, Sequence[Mapping[str, Any]]], said: Sequence[str], fingerprint: str,
    supplements: Sequence[Supplement] = (),
) -> dict[str, Any]:  # fmt: skip
    """Everything the template needs. `first` holds the first rows of each table, `said` the verifier's sentences."""
    period, counts = stated["period"], _counts(matrix)
    rows, days, day = stated["report_rows"], stated["activity"], period["until"][:10]
    buckets, width = _buckets(days)
    gravest = sorted(findings, key=lambda one: (SEVERITIES.index(one.severity), one.entry))
    return {
        "title": f"Evidence: {profile.title}", "subject": profile.title, "date": [int(part) for part in day.split("-")],
        "period": f"{_moment(period['since'])} to {_moment(period['until'])} UTC",
        "verdict": _verdict(said), "facts": _facts(profile, stated, fingerprint),
        "summary": _summary(stated, counts), "status": counts,
        "status_alt": f"A bar in three parts: {_spoken(counts)}.",
        "figures": [*_figures(stated), [f"{stated['denied']:,}", "denials and refusals"]],
        "activity": buckets, "activity_caption": f"Entries recorded, by {'day' if width == 1 else f'{width} days'}",
        "activity_alt": _activity_alt(buckets, width),
        "findings": [[str(one.entry), one.severity, one.sentence] for one in gravest[:MOST_FINDINGS]],
        "more_findings": max(0, len(findings) - MOST_FINDINGS), "clauses": _clauses(matrix),
        "sections": [
            {
                "heading": heading, "about": about,
                "tables": [_table(name, COLUMNS[name], first[name], rows[name]) for name in names],
            }
            for heading, about, names in SECTIONS
        ] + [
            {"heading": one.heading, "about": one.about, "tables": [_table(one.name, one.shown, one.rows, len(one.rows))]}
            for one in supplements
        ],
        "empty": empty_sentence(stated), "statement": _statement(stated), "steps": list(STEPS), "said": list(said),
    }  # fmt: skip


def _facts(profile: Profile, stated: Mapping[str, Any], fingerprint: str) -> list[list[str]]:
    inside = stated["range"]
    return [
        ["Regulation", f"{profile.title}; {profile.source}"],
        ["Profile", f"{profile.id}, version {profile.version}, {profile.in_force(stated['period']['until'])}"],
        ["Entries", f"{inside['entries']:,} (numbers {inside['first']:,} to {inside['last']:,})" if inside else "none"],
        ["Ledger", f"{stated['ledger_size']:,} entries under one signed checkpoint"],
        ["Made for", f"{stated['reader']['title']}{_withheld(stated)}"],
        ["Signing key", fingerprint],
    ]


def _withheld(stated: Mapping[str, Any]) -> str:
    hidden = sum(stated["withheld"].values())
    return f"; {hidden:,} entries are withheld, by their hashes proven to stand in their places" if hidden else ""


def _verdict(said: Sequence[str]) -> str:
    last = said[-1] if said else ""
    if last.startswith("OK"):
        return "The verifier in this folder found the evidence whole and true: nothing in it was changed, added or left out."
    return "The verifier in this folder found that this evidence is NOT whole or NOT true. Its findings stand at the end."


def _summary(stated: Mapping[str, Any], counts: Mapping[str, int]) -> str:
    inside = stated["range"]
    if not inside:
        return "The ledger holds no entry of this period, and what stands next to it shows that none was left out."
    return (
        f"In the period the ledger gained {inside['entries']:,} entries about {stated['people']} people"
        f" and services. Of {sum(counts.values())} controls {_spoken(counts)}."
    )


def _counts(matrix: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many controls there are of each status; one that serves several clauses counts once."""
    status = {row["control"]: row["status"] for row in matrix if row["control"]}
    return {name: sum(one == name for one in status.values()) for name in STATUSES}


def _spoken(counts: Mapping[str, int]) -> str:
    verb = "is" if counts["gap"] == 1 else "are"
    return f"{counts['met']} are met, {counts['gap']} {verb} contradicted, {counts['not exercised']} were not exercised"


def _figures(stated: Mapping[str, Any]) -> list[list[str]]:
    events = stated["events"]
    return [[f"{sum(events.get(event, 0) for event in names):,}", label] for label, names in KEY_FIGURES]


def _buckets(days: Mapping[str, Sequence[int]]) -> tuple[list[dict[str, Any]], int]:
    """At most MOST_BARS spans of equal width in days from the first day with an entry to the last; and that width."""
    known = {day: counted for name, counted in days.items() if (day := _day(name))}
    if not known:
        return [], 1
    start, end = min(known), max(known)
    width = -(-((end - start).days + 1) // MOST_BARS)
    number = (end - start).days // width + 1
    buckets: list[dict[str, Any]] = [
        {"label": (start + timedelta(days=width * at)).isoformat(), "good": 0, "bad": 0} for at in range(number)
    ]
    for day, (good, bad) in known.items():
        bucket = buckets[(day - start).days // width]
        bucket["good"], bucket["bad"] = bucket["good"] + good, bucket["bad"] + bad
    return buckets, width


def _day(name: str) -> date | None:
    """The day; none for digits that are no day, which somebody may write into an entry."""
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None


def _activity_alt(buckets: Sequence[Mapping[str, Any]], width: int) -> str:
    if not buckets:
        return ""
    good, bad = sum(one["good"] for one in buckets), sum(one["bad"] for one in buckets)
    top = max(buckets, key=lambda one: one["good"] + one["bad"])
    return (
        f"Bars of entries by {width} day(s) from {buckets[0]['label']} on: {good} done or allowed, {bad} denied or failed;"
        f" the most, {top['good'] + top['bad']}, from {top['label']}."
    )


def _clauses(matrix: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    clauses: dict[str, dict[str, Any]] = {}
    for row in matrix:
        new = {"clause": row["clause"], "asks": row["asks"], "outside": row["outside"], "controls": []}
        clause = clauses.setdefault(row["clause"], new)
        if row["control"]:
            against = f"{row['gaps']}: {row['why']} Entries {_numbers(row['gap_entries'])}." if row["gaps"] else ""
            evidence = f"{row['evidence']:,}: {_numbers(row['examples'])}" if row["evidence"] else ""
            clause["controls"].append({"title": row["title"], "status": row["status"], "shown": evidence, "against": against})
    return list(clauses.values())


def _numbers(entries: Sequence[int]) -> str:
    return ", ".join(map(str, entries[:6])) + (", ..." if len(entries) > 6 else "")


def _table(name: str, columns: Mapping[str, float], rows: Sequence[Mapping[str, Any]], total: int) -> dict[str, Any]:
    some = rows[:MOST_ROWS]
    note = f"The first {len(some)} of {total:,}; all stand in reports/{name}.csv." if total > len(some) else ""
    return {
        "columns": [column.replace("_", " ") for column in columns], "widths": list(columns.values()), "note": note,
        "rows": [[_cell(column, row[column]) for column in columns] for row in some],
    }  # fmt: skip


def _cell(column: str, value: Any) -> str:
    text = cell_text(value)
    if column == "digest":
        return text.removeprefix("sha256:")[:12]
    if column in ("recorded_at", "date", "granted", "deployed", "in_production_since"):
        return _moment(text)
    return text if len(text) <= LONGEST_CELL else text[:LONGEST_CELL] + " ..."


def _moment(text: str) -> str:
    """The time to the minute, as a person reads it."""
    return text[:16].replace("T", " ")


def _statement(stated: Mapping[str, Any]) -> list[list[str]]:
    inside, recorded, steps = stated["range"], stated["recorded"], stated["clock_steps_back"]
    sources = [
        f"{name}: numbers {one['first']} to {one['last']}, {one['entries']} entries" for name, one in stated["sources"].items()
    ]
    return [
        ["Period", f"{stated['period']['since']} to {stated['period']['until']}, by {stated['period']['by']}"],
        ["Entries", f"{inside['first']} to {inside['last']}, {inside['entries']} in all" if inside else "none"],
        ["Recorded", f"{recorded['first']} to {recorded['last']}" if recorded else "nothing"],
        ["Sources", "; ".join(sources) or "none"],
        ["Ledger under the checkpoint", f"{stated['ledger_size']} entries"],
        ["Reaches the end of the ledger", "yes, as it was then" if stated["reaches_the_end_of_the_ledger"] else "no"],
        ["Clock", str(stated["clock"])],
        ["Clock stepped back", ", ".join(f"at entry {seq}" for seq in steps[:20]) or "never"],
        ["Entries outside the period", str(stated["outside_the_period"])],
        ["Hash of the last entry", str(stated["last_hash"])],
        *(
            [f"Withheld under the rule {rule}", f"{stated['withheld'][rule]} entries. {why}"]
            for rule, why in stated["reader"]["rules"].items()
        ),
    ]
