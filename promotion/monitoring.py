"""What production says of a model: predictions kept, and the contract's alert rules evaluated over the last of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from compliance.attestations import said
from compliance.entries import Actor, Entry, ObjectRef
from compliance.ledger import append
from promotion import drift
from promotion.deployments import current
from promotion.drift import Profile
from promotion.model_contracts import Alert, load_model_contract

WATCHER = Actor("promotion-watcher", "service")
ATTESTATION = "attestation_age_days"
FEWEST_ROWS = 20  # of fewer predictions a share says nothing
WINDOW = (
    "SELECT coalesce(sum(rows), 0)::bigint, coalesce(sum(positives), 0)::bigint,"
    " coalesce(percentile_disc(0.99) WITHIN GROUP (ORDER BY latency_ms), 0) FROM promotion.predictions"
    " WHERE project = %s AND name = %s AND digest = %s AND at > %s AND at <= %s"
)
# Missing values by the input's name, values by `name:bin`.
COUNTED = (
    "SELECT key, sum(value::bigint)::bigint FROM promotion.predictions, jsonb_each_text(missing || bins)"
    " WHERE project = %s AND name = %s AND digest = %s AND at > %s AND at <= %s GROUP BY key"
)

# An alert is a finding of the promotion whose bytes it is about, open until the alert is over or somebody closes it.
FINDING = (
    "INSERT INTO promotion.findings (request, id, severity, detail, open, check_name) SELECT request, %s, 'medium', %s, true,"
    " 'monitoring' FROM promotion.deployments WHERE project = %s AND name = %s AND digest = %s ORDER BY id DESC LIMIT 1"
)
CLOSED = (
    "UPDATE promotion.findings SET open = false, closed_by = %s, closed_at = %s, closed_why = 'The alert is over.'"
    " WHERE id = %s AND check_name = 'monitoring' AND open"
)


@dataclass(frozen=True, slots=True)
class Window:
    """What was predicted in some stretch of time."""

    rows: int
    positives: int
    latency_p99_ms: float
    missing: Mapping[str, int]
    bins: Mapping[str, Mapping[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Raised:
    """A rule whose metric is above its limit."""

    metric: str
    value: float
    above: float


@dataclass(frozen=True, slots=True)
class Drift:
    """How what was asked in a window differs from the training rows: in one input, or in the score, whose name is empty."""

    name: str
    window: str
    rows: int
    psi: float
    shares: Sequence[tuple[str, float, float]]


def evaluate(rules: Sequence[Alert], windows: Mapping[str, Window], training: Profile | None = None) -> list[Raised]:
    """The rules that are broken, given each rule's window by its length. A window of too few rows breaks none."""
    return [
        Raised(rule.metric, value, rule.above)
        for rule in rules
        if (found := windows[rule.window]).rows >= FEWEST_ROWS and (value := _value(rule.metric, found, training)) > rule.above
    ]


def window(connection: Connection[Any], model: tuple[str, str], digest: str, *, since: datetime, until: datetime) -> Window:
    """What the model of that digest predicted after `since`, up to `until`."""
    key = (*model, digest, since, until)
    row = connection.execute(WINDOW, key).fetchone()
    rows, positives, latency = row if row else (0, 0, 0.0)
    missing: dict[str, int] = {}
    bins: dict[str, dict[int, int]] = {}
    for counted, number in connection.execute(COUNTED, key).fetchall():
        of, binned, place = counted.partition(":")
        if binned:
            bins.setdefault(of, {})[int(place)] = number
        else:
            missing[of] = number
    return Window(rows, positives, float(latency), missing, bins)


def drifts(connection: Connection[Any], project: str, name: str, *, until: datetime) -> list[Drift]:
    """What the contract's drift rules see of the model in production, by rule."""
    found = []
    for _, _, digest, contract, training in (one for one in _deployed(connection) if one[:2] == (project, name) and one[4]):
        rules = [rule for rule in load_model_contract(contract).rules if rule.drifts]
        windows = _windows(connection, (project, name), digest, rules, until)
        for rule in rules:
            of = drift.column_of(rule.metric)
            column, bins = training.of(of) if training else None, windows[rule.window].bins.get(of, {})
            if column is not None:
                rows = sum(bins.values())
                found.append(Drift(of, rule.window, rows, drift.psi(column, bins) if rows else 0.0, drift.shares(column, bins)))
    return found


def watch(connection: Connection[Any], now: datetime, *, attest_days: Mapping[str, int] | None = None) -> list[Raised]:
    """Every deployed model's rules are evaluated: an alert that begins or is over is a row and a ledger entry, once.

    `attest_days`: by tier, after how many days the signatures under a model in production are to be given anew.
    """
    began: list[Raised] = []
    for project, name, digest, contract, training in _deployed(connection):
        rules = load_model_contract(contract).rules
        found = _windows(connection, (project, name), digest, rules, now)
        raised = {one.metric: one for one in evaluate(rules, found, training)}
        limit = (attest_days or {}).get(load_model_contract(contract).tier)
        age = _days_since_signed(connection, project, name, now)
        if limit is not None and age > limit:
            raised[ATTESTATION] = Raised(ATTESTATION, age, float(limit))
        for one in raised.values():
            began += [one] if _raise(connection, project, name, digest, one, now) else []
        _end(connection, project, name, digest, list(raised), now)
    return began


def _windows(
    connection: Connection[Any], model: tuple[str, str], digest: str, rules: Sequence[Alert], until: datetime
) -> dict[str, Window]:
    """The windows of the rules by their lengths."""
    lengths = {rule.window: timedelta(seconds=rule.seconds) for rule in rules}
    return {name: window(connection, model, digest, since=until - length, until=until) for name, length in lengths.items()}


def _days_since_signed(connection: Connection[Any], project: str, name: str, now: datetime) -> float:
    """The age in days of the oldest signature that stands under what is in production."""
    row = connection.execute(
        "SELECT min(a.at) FROM promotion.approvals a WHERE a.request = (SELECT request FROM promotion.deployments"
        " WHERE project = %s AND name = %s ORDER BY id DESC LIMIT 1)", (project, name),
    ).fetchone()  # fmt: skip
    return (now - row[0]) / timedelta(days=1) if row and row[0] else 0.0


def _value(metric: str, found: Window, training: Profile | None) -> float:
    if metric == "latency_p99_ms":
        return found.latency_p99_ms
    if metric == "positive_rate":
        return found.positives / found.rows
    if not metric.startswith("missing:"):
        return drift.beyond_chance(training, drift.column_of(metric), found.bins)
    return found.missing.get(metric.removeprefix("missing:"), 0) / found.rows


def _deployed(connection: Connection[Any]) -> list[tuple[str, str, str, str, Profile | None]]:
    """project, name, digest, contract and training profile of what is in production."""
    found = []
    for project, name, envelope in current(connection):
        row = connection.execute(
            "SELECT d.digest, r.contract FROM promotion.deployments d JOIN promotion.requests r ON r.id = d.request"
            " WHERE d.project = %s AND d.name = %s ORDER BY d.id DESC LIMIT 1",
            (project, name),
        ).fetchone()
        if row:
            found.append((project, name, str(row[0]), str(row[1]), drift.told(said(envelope))))
    return found


def _raise(connection: Connection[Any], project: str, name: str, digest: str, one: Raised, now: datetime) -> bool:
    made = connection.execute(
        "INSERT INTO promotion.alerts (project, name, digest, metric, value, above, raised_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING RETURNING id",
        (project, name, digest, one.metric, one.value, one.above, now),
    ).fetchone()
    if made:
        detail = {"metric": one.metric, "value": f"{one.value:.4f}", "above": f"{one.above:.4f}"}
        _record(connection, "alert:raised", project, name, digest, str(made[0]), detail, now)
        connection.execute(FINDING, (f"alert-{made[0]}", _sentence(one), project, name, digest))
    return bool(made)


def _sentence(one: Raised) -> str:
    return f"In production {one.metric} is {one.value:.4g}, above its limit of {one.above:.4g}."


def _end(connection: Connection[Any], project: str, name: str, digest: str, still: list[str], now: datetime) -> None:
    rows = connection.execute(
        "UPDATE promotion.alerts SET over_at = %s WHERE project = %s AND name = %s AND over_at IS NULL"
        " AND NOT (digest = %s AND metric = ANY(%s)) RETURNING id, digest, metric",
        (now, project, name, digest, still),
    ).fetchall()
    for number, of, metric in rows:
        _record(connection, "alert:over", project, name, of, str(number), {"metric": metric}, now)
        connection.execute(CLOSED, (WATCHER.id, now, f"alert-{number}"))


def _record(
    connection: Connection[Any],
    event: str,
    project: str,
    name: str,
    digest: str,
    number: str,
    detail: Mapping[str, Any],
    now: datetime,
) -> None:
    append(connection, Entry(
        type=event, actor=WATCHER, object=ObjectRef("model", f"{project}/{name}", digest), project=project, outcome="done",
        refs={"alert": number}, detail=detail, occurred_at=now,
    ))  # fmt: skip
