"""`sallyport risk`: the disclosure risk of a table, and what would lower it; needs no running stack."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from gateway.console import emit_json, fail, people, say
from gateway.console import table as show_table
from sandbox.errors import SandboxError

TABLE = click.Path(exists=True, path_type=Path)
KINDS = {"best": "least loss", "without_suppression": "without suppression", "suppression_only": "suppression alone"}


@click.command()
@click.argument("table", type=TABLE, nargs=-1, required=True)
@click.option("--quasi", required=True, help="The quasi-identifiers, with commas between.")
@click.option("--sensitive", default="", help="The sensitive columns, with commas between.")
@click.option("--population", type=TABLE, help="The table that TABLE was drawn from: a file, or a folder of files.")
@click.option("--propose-k", type=click.IntRange(2), help="Say what would reach this k, and what it costs in information.")
@click.option("--max-suppressed", type=click.FloatRange(0, 1), default=0.05, show_default=True, help="Share of rows that may go.")
@click.option("--memory", default="1GB", show_default=True, help="What measuring may take; more goes to a temporary folder.")
@click.option("--json", "as_json", is_flag=True, help="The measures as JSON on standard output.")
def command(
    table: tuple[Path, ...], quasi: str, sensitive: str, population: Path | None, propose_k: int | None, max_suppressed: float,
    memory: str, as_json: bool,
) -> None:  # fmt: skip
    """Measure k, l, t and the re-identification risk of TABLE: CSV (also .gz) or Parquet files, or folders of them.

    Tables may be larger than memory.
    """
    from sandbox.risk_tables import measure_files, opened, table_files

    try:
        whole = table_files([population]) if population else []
        with opened(table_files(table), population=whole, memory=memory) as duck:
            found = measure_files(duck, _names(quasi), _names(sensitive)).as_json()
            if propose_k:
                import polars as pl

                from sandbox.generalising import propose

                classes = pl.DataFrame(duck.sql("SELECT * EXCLUDE (class) FROM classes").to_arrow_table())
                proposals = propose(classes, _names(quasi), propose_k, most_suppressed=max_suppressed)
                found["proposals"] = proposals
    except SandboxError as error:
        fail(error.code, str(error), "name columns that the table has, and give it as CSV or Parquet")
    if as_json:
        emit_json(found)
        return
    _print(found)


def _names(given: str) -> list[str]:
    return list(dict.fromkeys(name for part in given.split(",") if (name := part.strip())))


def _print(measures: dict[str, Any]) -> None:
    from rich.table import Table

    proposals = measures.pop("proposals", None)
    shown = Table("measure", "value")
    for name, value in measures.items():
        shown.add_row(name, "-" if value is None else f"{value:.4g}" if isinstance(value, float) else f"{value:,}")
    people.print(shown)
    if proposals:
        _print_proposals(proposals)


def _print_proposals(proposals: Mapping[str, Any]) -> None:
    rows = []
    for kind, title in KINDS.items():
        one = proposals[kind]
        if one is None:
            rows.append((title, "none found", "", "", "", ""))
            continue
        told = "; ".join(f"{name}: {_told(t)}" for name, t in one["treatments"].items() if t["name"] != "keep") or "as given"
        gone = f"{one['suppressed_rows']:,} ({one['suppressed_share']:.1%})"
        rows.append((title, told, gone, f"{one['k']:,}", f"{one['loss']:.3f}", f"{one['discernibility']:,}"))
    heads = ("proposal", "treatments", "rows gone", "k", "loss", "discernibility")
    show_table(f"to reach k = {proposals['target_k']}", heads, rows)
    if not proposals["whole"]:
        say(f"{proposals['tried']:,} of {proposals['nodes']:,} combinations were tried; a better one may exist.")


def _told(treatment: Mapping[str, Any]) -> str:
    options = ", ".join(f"{name} {value}" for name, value in treatment.items() if name != "name")
    return str(treatment["name"]) + (f" ({options})" if options else "")
