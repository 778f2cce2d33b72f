"""Door 4, both ways: who may ask, vote and let pass; policy is asked before anything leaves or comes in."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from gateway.airlock import checking, requests, votes
from gateway.airlock.errors import DisclosureFound, EgressNotFound, InvalidUpload, WrongState
from gateway.airlock.requests import Egress, Held
from gateway.composition import Services
from gateway.identity import Subject
from gateway.problems import Denied
from policies.decisions import Decision
from sandbox.airlock.differencing import differences
from sandbox.airlock.states import Direction, State

MOST_FILES, MOST_BYTES = 200, 200 << 20
ACTIONS = {Direction.OUT: "release", Direction.IN: "admit"}  # what policy is asked
BLOCK = 1 << 20


def submit(
    given: Services,
    asking: Subject,
    *,
    project: str,
    why: str,
    files: Sequence[tuple[str, BinaryIO]],
    tables: Mapping[str, Any],
    direction: Direction = Direction.OUT,
) -> Egress:
    """The bytes are held by digest and the request waits for its checks."""
    _require_author(given, asking, project)
    if not files or len(files) > MOST_FILES:
        raise InvalidUpload(f"Send between one file and {MOST_FILES}.")
    held = tuple(hold(given, name, content) for name, content in files)
    if len({file.path for file in held}) < len(held) or sum(file.bytes for file in held) > MOST_BYTES:
        raise InvalidUpload("Two files have one name, or they are more than can be looked at.")
    with given.pool.connection() as connection:
        made = requests.submit(
            connection,
            project=project,
            why=why,
            files=held,
            tables=tables,
            author=asking.actor(),
            now=given.clock(),
            direction=direction,
        )
    given.jobs.check_egress(made.id, made.round)
    return made


def change(given: Services, asking: Subject, name: str, path: str, content: BinaryIO) -> Egress:
    """The file has other bytes; votes on the old ones are void and the checks run again."""
    found = visible(given, asking, name)
    if asking.id != found.author:
        raise _denied(given, "role_not_permitted", "change a file of this request")
    file = hold(given, path, content)
    with given.pool.connection() as connection:
        changed = requests.replace(connection, name, file, author=asking.actor(), now=given.clock())
    given.jobs.check_egress(changed.id, changed.round)
    return changed


def vote(
    given: Services,
    asking: Subject,
    name: str,
    *,
    role: str,
    paths: Sequence[str],
    approve: bool,
    why: str,
    accepts: Sequence[str],
) -> Egress:
    """The vote stands; when enough people voted on everything, the request is approved or returned."""
    found = visible(given, asking, name)
    needed = str(given.policy.engine.bundle.data["roles"]["check_output"])
    if role != needed or role not in asking.roles or asking.kind != "person":
        raise _denied(given, "role_not_permitted", "review this request")
    if asking.id == found.author:
        raise _denied(given, "self_approval", "review this request")
    with given.pool.connection() as connection:
        votes.cast(
            connection,
            name,
            by=asking.actor(),
            role=role,
            paths=paths,
            approve=approve,
            why=why,
            accepts=accepts,
            now=given.clock(),
        )
    return _settle(given, asking, name)


def _settle(given: Services, asking: Subject, name: str) -> Egress:
    """After enough reviews: approved when policy would let it go, otherwise returned."""
    reviewers = int(given.policy.engine.bundle.data["promotion"]["output_reviewers"])
    with given.pool.connection() as connection:
        found = requests.get(connection, name, lock=True)
        reviews = votes.complete(connection, name)
        if found.state is not State.IN_REVIEW or len(reviews) < reviewers:
            return found
        question = given.enforcer.question(asking, ACTIONS[found.direction], votes.resource(connection, found))
        decision = given.enforcer.decide(question)
        to = State.APPROVED if decision.allow else State.RETURNED
        return requests.move(
            connection, name, to, actor=asking.actor(), now=given.clock(), refs={"decision_id": decision.decision_id},
            detail={"reviews": len(reviews)}, reasons=decision.reasons,
        )  # fmt: skip


def release(given: Services, asking: Subject, name: str) -> Egress:
    """The request is released, by its author, and the ledger says so before a byte is given out.

    Policy and, beside what left in the meantime, the disclosure rules are asked again. Raises Denied, DisclosureFound.
    """
    found = visible(given, asking, name)
    if found.state is not State.APPROVED:
        raise WrongState(f"A request that is {found.state} cannot be released.")
    if asking.id != found.author:
        raise _denied(given, "role_not_permitted", "release this request")
    with given.pool.connection() as connection:
        resource = votes.resource(connection, found)
    decision = given.enforcer.require(asking, ACTIONS[found.direction], resource, what=f"{ACTIONS[found.direction]} these files")
    refs = {"decision_id": decision.decision_id}
    with given.pool.connection() as connection:
        requests.lock_project(connection, found.project)
        now = requests.get(connection, name, lock=True)
        if now.digest != found.digest:
            raise WrongState("A file was changed in the meantime.")
        others = checking.earlier(connection, found, (State.RELEASED,))
        apart = differences(checking.own(connection, found), others, min_count=checking.rules(given).min_count)
        if not apart:
            detail = {"files": {f"file_{i}": file.digest for i, file in enumerate(requests.files(connection, name))}}
            return requests.move(
                connection, name, State.RELEASED, actor=asking.actor(), now=given.clock(), refs=refs, detail=detail
            )
        checking.store_findings(connection, found, [checking.as_finding(one) for one in apart[: checking.MOST_DIFFERENCES]])
        requests.move(
            connection, name, State.RETURNED, actor=checking.CHECKER, now=given.clock(), refs=refs, reasons=("differencing",)
        )
    raise DisclosureFound("Beside what left in the meantime these tables tell of a few people; the request was returned.")


def withdraw(given: Services, asking: Subject, name: str) -> Egress:
    """The author takes the request back; what came in is taken out of use again, by a reviewer too."""
    found = visible(given, asking, name)
    reviewer = found.direction is Direction.IN and str(given.policy.engine.bundle.data["roles"]["check_output"]) in asking.roles
    if asking.id != found.author and not reviewer:
        raise _denied(given, "role_not_permitted", "withdraw this request")
    with given.pool.connection() as connection:
        return requests.move(connection, name, State.WITHDRAWN, actor=asking.actor(), now=given.clock())


def content(given: Services, asking: Subject, name: str, path: str) -> Path:
    """The file's bytes: for its author once released, and for those who review it. Looking is in the ledger first."""
    found = visible(given, asking, name)
    reviewer = str(given.policy.engine.bundle.data["roles"]["check_output"]) in asking.roles and asking.id != found.author
    if not (found.state is State.RELEASED or (reviewer and found.state is State.IN_REVIEW)):
        raise _denied(given, "role_not_permitted", "read this file")
    with given.pool.connection() as connection:
        file = next((file for file in requests.files(connection, name) if file.path == path), None)
        if file is None:
            raise EgressNotFound("The request has no such file.")
        event = "egress:file-taken" if found.state is State.RELEASED else "egress:file-viewed"
        requests.record(connection, found, event, "done", asking.actor(), given.clock(), detail={"file": file.digest})
    place = checking.held(given, file.digest)
    if _digest(place) != file.digest:
        raise EgressNotFound("The held bytes are not those that were looked at.")
    return place


def visible(given: Services, asking: Subject, name: str) -> Egress:
    """The request, for people of its project. Raises EgressNotFound."""
    with given.pool.connection() as connection:
        found = requests.get(connection, name)
    if found.project not in asking.projects:
        raise EgressNotFound("No such request in your projects.")
    return found


def whole(given: Services, asking: Subject, name: str) -> dict[str, Any]:
    """The request with files, findings, history and votes; while it is in review everybody sees their own votes only."""
    found = visible(given, asking, name)
    with given.pool.connection() as connection:
        shown = votes.standing(connection, name)
        blind = found.state is State.IN_REVIEW
        return found.as_json() | {
            "files": [file.as_json() for file in requests.files(connection, name)],
            "tables": dict(found.tables),
            "findings": votes.findings(connection, found),
            "votes": [vote.as_json() for vote in shown if not blind or vote.by == asking.id],
            "history": requests.history(connection, name),
        }


def hold(given: Services, name: str, source: BinaryIO) -> Held:
    """The bytes are held under their digest, whole or not at all."""
    path = PurePosixPath(name)
    if not path.name or path.is_absolute() or ".." in path.parts or not name.isprintable() or len(name) > 200:
        raise InvalidUpload("A file's name leads out of the request, or cannot be shown.")
    folder = given.home.folder("airlock")
    folder.mkdir(mode=0o700, exist_ok=True)
    partial = folder / f"{os.getpid()}-{os.urandom(8).hex()}.partial"
    sha, size = hashlib.sha256(), 0
    try:
        with partial.open("xb") as file:
            while block := source.read(BLOCK):
                size += len(block)
                if size > MOST_BYTES:
                    raise InvalidUpload("The file is larger than can be looked at.")
                sha.update(block)
                file.write(block)
        digest = f"sha256:{sha.hexdigest()}"
        partial.replace(checking.held(given, digest))
    finally:
        partial.unlink(missing_ok=True)
    return Held(str(path), digest, size)


def _digest(place: Path) -> str:
    with place.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _require_author(given: Services, asking: Subject, project: str) -> None:
    if project not in asking.projects:
        raise _denied(given, "not_in_project", f"ask files out of {project}")
    if not {"data-scientist", "data-steward", "model-validator"} & set(asking.roles):
        raise _denied(given, "role_not_permitted", f"ask files out of {project}")


def _denied(given: Services, reason: str, what: str) -> Denied:
    return Denied(Decision(False, (reason,), "", given.policy.digest), what)
