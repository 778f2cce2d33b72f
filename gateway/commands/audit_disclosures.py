"""`sallyport audit disclosures`: to whom the data of a dataset, or of one person in it, went."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from gateway.client import Gateway
from gateway.commands.caller import as_role
from gateway.commands.moments import Moment
from gateway.console import emit_json, say, table

person_option = click.option(
    "--person-file", type=click.File(encoding="utf-8"),
    help="A file that holds one person's key alone, '-' for standard input: the accounting of that person.",
)  # fmt: skip
COLUMNS = ("date", "recipient", "what", "why", "under", "statements")
PERSON_COLUMNS = ("date", "kind", "recipient", "what", "why", "held", "basis")


@click.command()
@click.option("--dataset", required=True, help="The dataset.")
@click.option("--since", type=Moment(), help="From this moment; default: the beginning.")
@click.option("--until", type=Moment(), help="Before this moment; default: now.")
@person_option
@click.option("--json", "as_json", is_flag=True, help="The list as JSON on standard output.")
@as_role("compliance-officer")
def disclosures(
    gateway: Gateway, dataset: str, since: datetime | None, until: datetime | None, person_file: Any, as_json: bool
) -> None:  # fmt: skip
    """Account for the disclosures of a dataset, or of one person in it: when, to whom, what, why (45 CFR 164.528).

    A person's key is read from --person-file, never an argument, which others would see; it is stored nowhere.
    """
    if person_file:
        found = account_for(gateway, dataset, person_file, since, until)
        columns: tuple[str, ...] = PERSON_COLUMNS
        title = f"Disclosures of one person in {dataset} ({found['id']})"
    else:
        period = {name: moment.isoformat() for name, moment in (("since", since), ("until", until)) if moment}
        found = gateway.get("/v1/audit/disclosures", dataset=dataset, **period)
        columns, title = COLUMNS, f"Disclosures of {dataset}"
    if as_json:
        emit_json(found)
    else:
        table(title, columns, [[_cell(item[name]) for name in columns] for item in found["items"]])
    if person_file:
        say(f"{found['snapshots_without']} snapshots of the period do not hold the person")
    say(found["note"])


def account_for(gateway: Gateway, dataset: str, person_file: Any, since: datetime | None, until: datetime | None) -> Any:
    """The accounting of the person whose key is in the file. Raises Refusal, GatewayUnreachable."""
    period = {"since": since and since.isoformat(), "until": until and until.isoformat()}
    person = person_file.read().strip("\r\n")
    return gateway.post("/v1/audit/disclosures", {"dataset": dataset, "person": person, **period})


def _cell(value: Any) -> str:
    from compliance.reports import visible

    text = " ".join(f"{name}:{inner}" for name, inner in value.items()) if isinstance(value, dict) else str(value)
    return visible(text)
