"""`/v1/audit`: the ledger's entries, checkpoints and proofs, and bundles that verify without us."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse, PlainTextResponse
from pydantic import BaseModel, Field

from compliance.disclosures import NOTE, accounting
from compliance.findings import Finding
from compliance.search import find
from compliance.tracing import trace
from gateway import accounting as persons
from gateway import exporting
from gateway.api.dependencies import Asking, Given, Moment
from gateway.catalog import accountings, datasets
from gateway.catalog.findings import Raised, standing
from gateway.composition import Services
from gateway.identity import Subject
from policies.decisions import Decision

router = APIRouter(tags=["audit"], prefix="/audit")
Seq = Annotated[int | None, Query(ge=0, le=2**62)]


class NewExport(BaseModel):
    """Which period (from `since`, before `until`; without it: until now), and for which regulation profile."""

    since: Moment
    until: Moment | None = None
    profile: str = Field(default="hipaa", pattern=r"^[a-z0-9-]{1,40}$")
    reader: str = Field(
        default="regulator", pattern=r"^[a-z0-9-]{1,40}$", description="For whom: what they may not see is withheld."
    )
    accounting: str | None = Field(default=None, max_length=100, description="An accounting of one person to put in as well.")


class OfPerson(BaseModel):
    """Whose disclosures, in which dataset and period. The key is sent in the body, for addresses are logged; it is not stored."""

    dataset: str = Field(min_length=1, max_length=200)
    person: str = Field(min_length=1, max_length=500)
    since: Moment | None = None
    until: Moment | None = None


@router.get("/entries")
def entries(
    given: Given, asking: Asking, after: Annotated[int, Query(ge=0, le=2**62)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    since: Moment | None = None, until: Moment | None = None, type: str | None = None, actor: str | None = None,
    project: str | None = None, object_type: str | None = None, object_id: str | None = None, outcome: str | None = None,
    text: Annotated[str | None, Query(max_length=200)] = None,
) -> dict[str, Any]:  # fmt: skip
    """The ledger's entries after sequence number `after`, in order; those of a person, object, project, time, outcome or text.

    An entry's `hash` is SHA-256 over a zero byte and the canonical JSON (RFC 8785) of everything in it but `hash`.
    """
    require(given, asking, "read the ledger")
    asked = {
        "type": type, "actor": actor, "project": project, "object_type": object_type, "object_id": object_id, "outcome": outcome,
    }  # fmt: skip
    equal = {name: value for name, value in asked.items() if value is not None}
    with given.pool.connection() as connection:
        items = find(connection, after=after, limit=limit, since=since, until=until, equal=equal, text=text)
    return {"items": items, "next": items[-1]["seq"] if len(items) == limit else None}


@router.get("/findings")
def findings(given: Given, asking: Asking) -> dict[str, Any]:
    """What somebody should look at now: leases past their end or without a decision, unreviewed emergencies, unread alerts."""
    require(given, asking, "see findings")
    with given.pool.connection() as connection:
        raised = {(one.code, one.entry): one for one in standing(connection)}
    items = [_found(finding, raised.get((finding.code, finding.entry))) for finding in exporting.findings(given)]
    return {"items": items, "next": None}


def _found(finding: Finding, known: Raised | None) -> dict[str, Any]:
    """The finding, and since when the timer has raised it and found it overdue."""
    times = {"raised_at": known and known.raised_at, "overdue_since": known and known.escalated_at}
    return finding.as_json() | {name: at and at.isoformat() for name, at in times.items()}


@router.get("/trace")
def traced(given: Given, asking: Asking, id: Annotated[str, Query(min_length=1, max_length=200)]) -> dict[str, Any]:
    """All that hangs together with an identifier: decision, grant, lease, statements, and the exports that hold them."""
    require(given, asking, "follow an identifier")
    with given.pool.connection() as connection:
        return trace(connection, id).as_json()


@router.get("/checkpoint", response_class=PlainTextResponse)
def checkpoint(given: Given, asking: Asking) -> PlainTextResponse:
    """The ledger's size and root now, as a signed note (C2SP tlog-checkpoint); keep it, and give it to `audit verify`."""
    require(given, asking, "take a checkpoint")
    return PlainTextResponse(exporting.checkpoint(given))


@router.get("/key")
def key(given: Given, asking: Asking) -> dict[str, Any]:
    """The ledger's public keys: PEM, fingerprint for `audit verify`, and the form other checkpoint tools take."""
    return exporting.public_keys(given)


@router.get("/disclosures")
def disclosures(
    given: Given, asking: Asking, dataset: Annotated[str, Query(max_length=200)], since: Moment | None = None,
    until: Moment | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Each opening of the dataset's live rows: when, to whom, what, why and under what (45 CFR 164.528)."""
    require(given, asking, "account for disclosures")
    with given.pool.connection() as connection:
        return {"items": list(accounting(connection, dataset, since=since, until=until)), "note": NOTE}


@router.post("/disclosures", status_code=201)
def account(body: OfPerson, given: Given, asking: Asking) -> dict[str, Any]:
    """Where the data of one person went, or could have gone: when, to whom, what, why, and how sure that is (45 CFR 164.528)."""
    decision = require(given, asking, "account for the disclosures of a person")
    with given.pool.connection() as connection:
        dataset = datasets.get(connection, body.dataset)
    return persons.account(
        given, dataset, body.person, since=body.since, until=body.until, actor=asking.actor(), decision_id=decision.decision_id
    ).as_json()


@router.get("/disclosures/{name}")
def accounted(name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """An accounting of one person's disclosures, as it was given."""
    require(given, asking, "see an accounting of disclosures")
    with given.pool.connection() as connection:
        return accountings.get(connection, name).as_json()


@router.get("/proofs")
def proofs(
    given: Given, asking: Asking, entry: Seq = None, old: Annotated[Seq, Query(alias="from")] = None, size: Seq = None
) -> dict[str, Any]:
    """The inclusion proof of `entry`, and the consistency proof from the size `from`, in the ledger of `size` entries."""
    require(given, asking, "take a proof")
    return exporting.proofs(given, entry=entry, old=old, size=size)


@router.post("/exports", status_code=202)
def export(body: NewExport, given: Given, asking: Asking) -> dict[str, Any]:
    """A worker makes a signed bundle of the period's evidence; ask for it again to see how far it is."""
    decision = require(given, asking, "export evidence")
    queued = exporting.request(given, asking, decision, **dict(body))
    given.jobs.export_evidence(queued.id)
    return queued.as_json()


@router.get("/exports/{name}")
def state(name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """How far the export is: queued, building, ready or failed; what is in it once it is ready."""
    found = exporting.state(given, name)
    if found.asker["id"] != asking.id:  # who asked for it was allowed to then, and may wait for it
        require(given, asking, "see an export")
    return found.as_json()


@router.get("/exports/{name}/archive", response_class=FileResponse, responses={200: {"content": {"application/x-tar": {}}}})
def download(name: str, given: Given, asking: Asking) -> FileResponse:
    """The bundle as one archive."""
    decision = require(given, asking, "download evidence")
    path = exporting.archive(given, asking, decision, name)
    return FileResponse(path, media_type="application/x-tar", filename=path.name)


def require(given: Services, asking: Subject, what: str) -> Decision:
    """Policy lets `asking` handle evidence; the decision is recorded. Raises Denied."""
    return given.enforcer.require(asking, "export", {"type": "audit", "id": "ledger"}, what=what)
