"""Two blind reviews: a vote on each file's bytes, by people who are not its author and do not see each other's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from compliance.entries import Actor
from gateway.airlock import requests
from gateway.airlock.errors import VoteRefused, WrongState
from gateway.airlock.requests import Egress
from sandbox.airlock.states import State


@dataclass(frozen=True, slots=True)
class Vote:
    """What one person says of one file's bytes. `accepts` names the findings that person looked at and takes."""

    path: str
    digest: str
    by: str
    role: str
    approve: bool
    why: str
    accepts: tuple[str, ...]
    at: datetime

    def as_json(self) -> dict[str, Any]:
        return {
            "file": self.path, "digest": self.digest, "by": self.by, "role": self.role, "approve": self.approve, "why": self.why,
            "accepts": list(self.accepts), "at": self.at.isoformat(),
        }  # fmt: skip


def cast(
    connection: Connection[Any], request: str, *, by: Actor, role: str, paths: Sequence[str], approve: bool, why: str,
    accepts: Sequence[str], now: datetime,
) -> Egress:  # fmt: skip
    """The vote on each of `paths` (none named: all not voted on yet) stands and is in the ledger.

    Raises VoteRefused for a file that is not in the request, a second vote, or an approval that passes over a finding.
    """
    found = requests.get(connection, request, lock=True)
    if found.state is not State.IN_REVIEW:
        raise WrongState(f"A request that is {found.state} takes no vote.")
    held = {file.path: file.digest for file in requests.files(connection, request)}
    voted = {vote.path for vote in standing(connection, request) if vote.by == by.id}
    chosen = list(paths) or [path for path in held if path not in voted]
    if not chosen or any(path not in held or path in voted for path in chosen):
        raise VoteRefused("Vote on files of the request that you have not voted on; `sallyport egress show` lists them.")
    taken = set(accepts)
    open_ = [one for one in findings(connection, found) if one["weight"] == "judge" and one["file"] in chosen]
    if approve and (left := [one["id"] for one in open_ if one["id"] not in taken]):
        raise VoteRefused(f"To approve, accept each finding you judged harmless with --accept: {', '.join(left)}.")
    for path in chosen:
        connection.execute(
            "INSERT INTO airlock.votes VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (request, path, held[path], by.id, role, approve, why, sorted(taken), now),
        )
    detail = {"files": len(chosen), "approve": approve, "accepted_findings": len(taken)}
    requests.record(connection, found, "egress:voted", "done", by, now, detail=detail)
    return found


def standing(connection: Connection[Any], request: str) -> list[Vote]:
    """The votes that are not void, by time."""
    rows = connection.execute(
        "SELECT path, digest, by, role, approve, why, accepts, at FROM airlock.votes WHERE request = %s AND NOT void ORDER BY at",
        (request,),
    ).fetchall()
    return [Vote(path, digest, by, role, ok, why, tuple(taken), at) for path, digest, by, role, ok, why, taken, at in rows]


def voters(connection: Connection[Any], ids: Sequence[str]) -> dict[str, frozenset[str]]:
    """request -> who has a standing vote on it, for each of `ids`."""
    query = "SELECT request, array_agg(DISTINCT by) FROM airlock.votes WHERE request = ANY(%s) AND NOT void GROUP BY request"
    found = {request: frozenset(by) for request, by in connection.execute(query, (list(ids),))}
    return {request: found.get(request, frozenset()) for request in ids}


def findings(connection: Connection[Any], request: Egress) -> list[dict[str, Any]]:
    """What the last checks found, in the order they found it."""
    cursor = connection.execute(
        "SELECT id, code, weight, file, place, sentence FROM airlock.findings WHERE request = %s AND round = %s ORDER BY ctid",
        (request.id, request.round),
    )
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def complete(connection: Connection[Any], request: str) -> dict[str, list[Vote]]:
    """person -> votes, of those who voted on every file as it is now."""
    held = {file.path: file.digest for file in requests.files(connection, request)}
    by: dict[str, list[Vote]] = {}
    for vote in standing(connection, request):
        if held.get(vote.path) == vote.digest:
            by.setdefault(vote.by, []).append(vote)
    return {person: votes for person, votes in by.items() if {vote.path for vote in votes} == set(held)}


def resource(connection: Connection[Any], request: Egress) -> dict[str, Any]:
    """What policy is asked about a request (POLICY.md, `release`): an approval is one on every file, so on the digest."""
    reviews = complete(connection, request.id)
    approving = {person: votes for person, votes in reviews.items() if all(vote.approve for vote in votes)}
    accepted = [{one for vote in votes for one in vote.accepts} for votes in approving.values()]
    found = [
        {"id": one["id"], "severity": one["weight"], "open": one["weight"] == "stop"
         or (one["weight"] == "judge" and not (accepted and all(one["id"] in taken for taken in accepted)))}
        for one in findings(connection, request)
    ]  # fmt: skip
    approvals = [
        {"by": person, "role": votes[0].role, "digest": request.digest, "at": int(max(vote.at for vote in votes).timestamp())}
        for person, votes in approving.items()
    ]
    return {
        "type": request.kind, "id": request.id, "project": request.project, "digest": request.digest, "author": request.author,
        "approvals": approvals, "findings": found,
    }  # fmt: skip
