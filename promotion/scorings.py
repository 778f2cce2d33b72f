"""Batch runs over all live rows of a model's features: asked for, then sane and published, or held back with what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any, ClassVar
from uuid import uuid4

from psycopg import Connection
from psycopg.types.json import Jsonb

from compliance.entries import Actor, Entry, ObjectRef
from compliance.ledger import append
from compliance.paging import NEWEST, Page
from promotion.drift import Profile
from promotion.errors import PromotionError
from promotion.model_contracts import ModelContract
from promotion.monitoring import Window, evaluate
from promotion.predictions import Prediction, keep

COLUMNS = "id, project, name, asker, since_days, requested_at, state, ended_at, digest, rows, problems"
EVENTS = {"published": "scoring:published", "held": "scoring:held", "failed": "scoring:failed"}
MOST_CHANGED = 2.0  # times as many rows as in the run before, or that part of them
MOST_UNSCORED = 0.01  # of the rows


class ScoringNotFound(PromotionError):
    """There is no such batch run, or it published nothing."""

    code: ClassVar[str] = "scoring_not_found"


@dataclass(frozen=True, slots=True)
class Scoring:
    """A batch run. `problems` are codes of what is wrong with one that was held back or failed."""

    id: str
    project: str
    name: str
    asker: Mapping[str, Any]
    since_days: int | None
    requested_at: datetime
    state: str
    ended_at: datetime | None
    digest: str | None
    rows: int | None
    problems: Sequence[str]

    @property
    def actor(self) -> Actor:
        return Actor(self.asker["id"], self.asker["type"], tuple(self.asker["roles"]))

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id, "model": f"{self.project}/{self.name}", "state": self.state, "since_days": self.since_days,
            "asked_by": self.asker["id"], "requested_at": self.requested_at.isoformat(), "digest": self.digest,
            "ended_at": self.ended_at and self.ended_at.isoformat(), "rows": self.rows, "problems": list(self.problems),
        }  # fmt: skip


@dataclass(slots=True)
class Tally:
    """What a run gave so far, in counts: never a row of it."""

    rows: int = 0
    positives: int = 0
    unscored: int = 0
    missing: dict[str, int] = field(default_factory=dict)
    bins: dict[str, dict[int, int]] = field(default_factory=dict)

    def add(self, one: Prediction, given: Sequence[Any]) -> None:
        """The part of the run that `one` is about, with its rows' scores, is counted."""
        self.rows += one.rows
        self.positives += one.positives
        self.unscored += one.rows - sum(score is not None for score in given)
        for name, number in (one.missing or {}).items():
            self.missing[name] = self.missing.get(name, 0) + number
        for key, number in (one.bins or {}).items():
            of, _, place = key.rpartition(":")
            counted = self.bins.setdefault(of, {})
            counted[int(place)] = counted.get(int(place), 0) + number


def problems(contract: ModelContract, found: Tally, *, before: int | None, training: Profile | None) -> list[str]:
    """What is not sane about a run, by code; `before` is the number of rows of the last that was published.

    The contract's alert rules are put to the run as if it were their window, whatever that is.
    """
    if not found.rows:
        return ["no_rows"]
    wrong = []
    if before and not before / MOST_CHANGED <= found.rows <= before * MOST_CHANGED:
        wrong.append("row_count")
    if found.unscored > found.rows * MOST_UNSCORED:
        wrong.append("missing_scores")
    rules = [rule for rule in contract.rules if rule.metric != "latency_p99_ms"]
    window = Window(found.rows, found.positives, 0.0, found.missing, found.bins)
    return wrong + [f"rule {one.metric}" for one in evaluate(rules, {rule.window: window for rule in rules}, training)]


def request(
    connection: Connection[Any], model: tuple[str, str], *, asker: Mapping[str, Any], since_days: int | None, now: datetime,
    refs: Mapping[str, str], name: str | None = None,
) -> Scoring:  # fmt: skip
    """A run waits for the worker, and the ledger says so; of one `name`, once."""
    scoring = name or uuid4().hex
    made = connection.execute(
        "INSERT INTO promotion.scorings (id, project, name, asker, since_days, requested_at) VALUES (%s, %s, %s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING RETURNING id", (scoring, *model, Jsonb(dict(asker)), since_days, now),
    ).fetchone()  # fmt: skip
    found = get(connection, scoring)
    if made:
        record(connection, found, "scoring:requested", "done", now, refs=refs)
    return found


def end(
    connection: Connection[Any], scoring: str, state: str, *, now: datetime, digest: str | None = None, rows: int | None = None,
    wrong: Sequence[str] = (), predictions: Iterable[Prediction] = (),
) -> Scoring:  # fmt: skip
    """The run has ended so, its predictions are kept, and the ledger says it; one that had ended stays as it is."""
    connection.execute("SELECT 1 FROM promotion.scorings WHERE id = %s FOR UPDATE", (scoring,))
    found = get(connection, scoring)
    if found.state != "queued":
        return found
    connection.execute(
        "UPDATE promotion.scorings SET state = %s, ended_at = %s, digest = %s, rows = %s, problems = %s WHERE id = %s",
        (state, now, digest, rows, Jsonb(list(wrong)), scoring),
    )
    keep(connection, predictions, now)
    ended = get(connection, scoring)
    record(
        connection, ended, EVENTS[state], "done" if state == "published" else "failed", now,
        detail={"rows": rows or 0, "problems": list(wrong)},
    )  # fmt: skip
    return ended


def get(connection: Connection[Any], scoring: str) -> Scoring:
    """The run of that id. Raises ScoringNotFound."""
    for found in _select(connection, "WHERE id = %s", (scoring,)):
        return found
    raise ScoringNotFound("There is no such batch run.")


def every(connection: Connection[Any], projects: Sequence[str], page: Page = NEWEST) -> list[Scoring]:
    """The runs of these projects, newest first."""
    return _select(connection, "WHERE project = ANY(%s)" + page.tail("requested_at"), (list(projects), *page.values))


def ended(connection: Connection[Any], before: datetime, *, but_of: Sequence[str] = ()) -> list[str]:
    """The runs that were published before that time, but of those projects, and whose scores are still there."""
    rows = connection.execute(
        "SELECT id FROM promotion.scorings WHERE state = 'published' AND kept AND ended_at < %s AND NOT project = ANY(%s)",
        (before, list(but_of)),
    ).fetchall()
    return [str(name) for (name,) in rows]


def forgotten(connection: Connection[Any], runs: Sequence[str]) -> None:
    """It is known that the scores of these runs are gone."""
    connection.execute("UPDATE promotion.scorings SET kept = false WHERE id = ANY(%s)", (list(runs),))


def rows_before(connection: Connection[Any], one: Scoring) -> int | None:
    """The rows of the last run of that model, over as many days, that was published."""
    row = connection.execute(
        "SELECT rows FROM promotion.scorings WHERE project = %s AND name = %s AND since_days IS NOT DISTINCT FROM %s"
        " AND state = 'published' ORDER BY ended_at DESC LIMIT 1", (one.project, one.name, one.since_days),
    ).fetchone()  # fmt: skip
    return int(row[0]) if row else None


def schedule(
    connection: Connection[Any], model: tuple[str, str], at: time, *, asker: Mapping[str, Any], since_days: int | None,
    now: datetime, refs: Mapping[str, str],
) -> None:  # fmt: skip
    """The model is scored each day at that time (UTC) as `asker`, and the ledger says so."""
    connection.execute(
        "INSERT INTO promotion.schedules VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (project, name) DO UPDATE SET"
        " at = excluded.at, since_days = excluded.since_days, asker = excluded.asker, set_at = excluded.set_at",
        (*model, at, since_days, Jsonb(dict(asker)), now),
    )
    _record_schedule(connection, model, "schedule:set", _actor(asker), now, refs, {"at": f"{at:%H:%M}"})


def unschedule(connection: Connection[Any], model: tuple[str, str], *, by: Actor, now: datetime) -> None:
    """The model is scored each day no more, and the ledger says so. Raises ScoringNotFound."""
    if not connection.execute("DELETE FROM promotion.schedules WHERE project = %s AND name = %s", model).rowcount:
        raise ScoringNotFound("That model has no schedule.")
    _record_schedule(connection, model, "schedule:ended", by, now, {}, {})


def schedules(connection: Connection[Any]) -> list[dict[str, Any]]:
    """Every schedule."""
    rows = connection.execute("SELECT project, name, at, since_days, asker FROM promotion.schedules ORDER BY 1, 2").fetchall()
    return [{"project": p, "name": n, "at": f"{at:%H:%M}", "since_days": days, "asker": asker} for p, n, at, days, asker in rows]


def record(
    connection: Connection[Any], one: Scoring, event: str, outcome: Any, now: datetime, *, by: Actor | None = None,
    refs: Mapping[str, str] | None = None, detail: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """The event is in the ledger, with the model and the run."""
    append(connection, Entry(
        type=event, actor=by or one.actor, object=ObjectRef("model", f"{one.project}/{one.name}", one.digest),
        project=one.project, outcome=outcome, refs={"scoring": one.id, **(refs or {})}, detail=detail or {}, occurred_at=now,
    ))  # fmt: skip


def _record_schedule(
    connection: Connection[Any], model: tuple[str, str], event: str, by: Actor, now: datetime, refs: Mapping[str, str],
    detail: Mapping[str, Any],
) -> None:  # fmt: skip
    append(connection, Entry(
        type=event, actor=by, object=ObjectRef("model", "/".join(model)), project=model[0], outcome="done", refs=refs,
        detail=detail, occurred_at=now,
    ))  # fmt: skip


def _actor(asker: Mapping[str, Any]) -> Actor:
    return Actor(asker["id"], asker["type"], tuple(asker["roles"]))


def _select(connection: Connection[Any], tail: str, values: tuple[Any, ...]) -> list[Scoring]:
    query: Any = f"SELECT {COLUMNS} FROM promotion.scorings {tail}"  # noqa: S608 - constants of this module
    return [Scoring(*row) for row in connection.execute(query, values).fetchall()]
