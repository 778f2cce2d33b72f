"""Templates turned into pages; everything that is not markup of ours is escaped."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from gateway.api.dependencies import services
from gateway.web.offers import offers
from gateway.web.visitors import Visitor
from policies.explain import sentence

# What was done, by the word a redirect carries.
DONE: dict[str, str] = {
    "asked": "Your request was made and waits for approval.",
    "approved": "Your approval is recorded.",
    "granted": "Your approval is recorded, and the request is granted.",
    "rejected": "It was rejected, and the ledger says so.",
    "withdrawn": "Your request is withdrawn.",
    "revoked": "The grant is void, and every lease on it has ended.",
    "reviewed": "Your review is recorded.",
    "ended": "The lease has ended: its sessions, login and views are gone.",
    "submitted": "The model is submitted, and its checks run; load this page again to see what they found.",
    "signed": "Your signature stands over exactly these bytes.",
    "deployed": "The model is in production, under a signature.",
    "rolled-back": "The earlier model is in production again, under a signature.",
    "queued": "A worker builds the snapshot; open it again to see how far it is.",
    "egress-asked": "The files are held, and the checks run; load this page again to see what they found.",
    "egress-changed": "The file has other bytes; earlier votes on it are void, and the checks run again.",
    "voted": "Your vote stands over exactly these bytes.",
    "released": "The files may be fetched, and the ledger says so.",
    "review-started": "Every grant that stands is put to its stewards.",
    "answered": "Your answer is recorded; access that is to end has ended.",
    "review-closed": "The campaign is closed, and its outcome is signed.",
    "exported": "A worker makes the bundle; load this page again to see how far it is.",
}


@functools.cache
def environment() -> Environment:
    """The templates and what they can say."""
    env = Environment(
        loader=PackageLoader("gateway.web"), autoescape=select_autoescape(default=True), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    env.filters |= {"when": when, "state": state, "short": short, "count": count, "words": words}
    env.globals |= {"sentence": sentence}
    return env


def page(request: Request, template: str, visitor: Visitor | None = None, *, status: int = 200, **context: Any) -> HTMLResponse:
    """The page of that template as `visitor` sees it."""
    done = DONE.get(request.query_params.get("done", ""))
    shared: Mapping[str, Any] = {
        "asking": visitor and visitor.asking,
        "csrf": visitor.session.csrf if visitor else "",
        "offers": offers(visitor.asking, services(request).policy.engine.bundle.data) if visitor else frozenset(),
        "done": done,
        "path": request.url.path,
    }
    return HTMLResponse(environment().get_template(template).render({**shared, **context}), status_code=status)


def when(value: datetime | str | int | None) -> Markup:
    """A moment, for people and machines, in UTC."""
    if value is None:
        return Markup("—")
    if isinstance(value, int):
        value = datetime.fromtimestamp(value, UTC)
    moment = (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(moment.isoformat(), f"{moment:%Y-%m-%d %H:%M} UTC")


def state(value: object) -> Markup:
    """A state as a mark whose word says it; its colour only repeats it."""
    word = str(value)
    return Markup('<span class="state {}">{}</span>').format(f"is-{word}", word.replace("-", " "))


def short(value: str | None) -> Markup:
    """A digest or identifier by its beginning."""
    if not value:
        return Markup("—")
    head = value.removeprefix("sha256:")[:12]
    return Markup("<code>{}</code>").format(head)


def count(value: int | float | None) -> str:
    return "—" if value is None else f"{value:,}"


def words(value: object) -> str:
    """Several names in one cell."""
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
