"""`sallyport audit hold`, `retention` and `review`: what is kept, what stops deletion, and who is to keep which access."""

from __future__ import annotations

from typing import Any

import click

from gateway.client import Gateway
from gateway.commands.caller import as_role
from gateway.console import REFUSED, emit_json, say, table

officer = as_role("compliance-officer")


@click.group()
def hold() -> None:
    """Legal holds: what they cover is not deleted while they stand."""


@hold.command()
@click.option("--reason", required=True, help="Why; it stays with the hold and is not in the ledger.")
@click.option("--kind", type=click.Choice(["exports", "predictions", "rows", "snapshots"]), help="Only things of this kind.")
@click.option("--project", help="Only things of this project.")
@click.option("--dataset", help="Only things of this dataset.")
@click.option("--thing", help="Only the thing of this id.")
@officer
def place(gateway: Gateway, reason: str, **scope: str | None) -> None:
    """Place a legal hold over everything that agrees with every option given; with none, over everything."""
    made = gateway.post("/v1/audit/holds", {"reason": reason, **scope})
    say(f"the hold {made['id']} stands")
    emit_json(made)


@hold.command()
@click.argument("name")
@officer
def lift(gateway: Gateway, name: str) -> None:
    """Lift the hold NAME; what it covered is deleted only when somebody asks for that."""
    emit_json(gateway.post(f"/v1/audit/holds/{name}/lift"))


@hold.command("list")
@officer
def list_(gateway: Gateway) -> None:
    """All holds, those that stand first."""
    found = gateway.get("/v1/audit/holds")
    columns = ("id", "kind", "project", "dataset", "thing", "placed_by", "placed_at", "lifted_at")
    table("Legal holds", columns, [[_text(one[name]) for name in columns] for one in found["items"]])
    emit_json(found)


@click.command()
@click.option("--delete", "delete", is_flag=True, help="Delete what may go now; each deletion is in the ledger.")
@officer
def retention(gateway: Gateway, delete: bool) -> None:
    """What is kept until when, and by which holds. The ledger itself is never deleted."""
    if delete:
        gone = gateway.post("/v1/audit/retention/delete")
        say(f"{len(gone['items'])} things are deleted")
        emit_json(gone)
        return
    found = gateway.get("/v1/audit/retention")
    columns = ("kind", "id", "project", "until", "holds", "may_go")
    table("Kept", columns, [[_text(one[name]) for name in columns] for one in found["items"]])
    emit_json(found)


@click.command()
@officer
def findings(gateway: Gateway) -> None:
    """What somebody should look at now, found by going through the whole ledger. Exit 1 when there is something."""
    found = gateway.get("/v1/audit/findings")
    columns = ("severity", "code", "entry", "sentence", "raised_at", "overdue_since")
    table("Findings", columns, [[_text(one[name]) for name in columns] for one in found["items"]])
    emit_json(found)
    if found["items"]:
        raise SystemExit(REFUSED)


@click.group()
def review() -> None:
    """Access reviews: who holds what is put to the data's stewards, who answer keep or revoke."""


@review.command()
@click.option("--project", "projects", multiple=True, help="Only this project; repeatable. Default: all.")
@click.option("--days", default=14.0, show_default=True, help="How long stewards have to answer.")
@officer
def start(gateway: Gateway, projects: tuple[str, ...], days: float) -> None:
    """Put every grant that stands to the stewards of its project."""
    made = gateway.post("/v1/access-reviews", {"projects": list(projects), "days": days})
    say(f"the campaign {made['id']} asks {len(made['items'])} questions, until {made['due_at']}")
    emit_json(made)


@review.command()
@click.argument("campaign", required=False)
@as_role("data-steward")
def show(gateway: Gateway, campaign: str | None) -> None:
    """The questions of your projects; with CAMPAIGN all of that one's, for a compliance officer."""
    found = [gateway.get(f"/v1/access-reviews/{campaign}")] if campaign else gateway.get("/v1/access-reviews")["items"]
    columns = ("id", "holder", "dataset", "grant_id", "answer", "answered_by")
    for one in found:
        title = f"Campaign {one['id']}, until {one['due_at']}"
        table(title, columns, [[_text(item[name]) for name in columns] for item in one["items"]])
    emit_json({"items": found})


@review.command()
@click.argument("question")
@click.option("--keep", "to", flag_value="keep", help="The access is still needed.")
@click.option("--revoke", "to", flag_value="revoke", help="The access ends now.")
@click.option("--why", required=True, help="What you looked at.")
@as_role("data-steward")
def answer(gateway: Gateway, question: str, to: str | None, why: str) -> None:
    """Answer QUESTION of an access review, as a steward of its project."""
    if to is None:
        raise click.UsageError("Say --keep or --revoke.")
    emit_json(gateway.post(f"/v1/access-reviews/items/{question}/answer", {"answer": to, "why": why}))


@review.command()
@click.argument("campaign")
@officer
def close(gateway: Gateway, campaign: str) -> None:
    """Close CAMPAIGN; its outcome is signed and stands in the next bundle of evidence."""
    emit_json(gateway.post(f"/v1/access-reviews/{campaign}/close"))


def _text(value: Any) -> str:
    from compliance.reports import visible

    return visible(", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value))
