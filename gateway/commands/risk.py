"""`sallyport risk`: the disclosure risk of a table; needs no running stack."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.console import emit_json, fail, people
from sandbox.errors import SandboxError


@click.command()
@click.argument("table", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--quasi", required=True, help="The quasi-identifiers, with commas between.")
@click.option("--sensitive", default="", help="The sensitive columns, with commas between.")
@click.option(
    "--population", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The table that TABLE was drawn from."
)
@click.option("--json", "as_json", is_flag=True, help="The measures as JSON on standard output.")
def command(table: Path, quasi: str, sensitive: str, population: Path | None, as_json: bool) -> None:
    """Measure k, l, t and the re-identification risk of TABLE (CSV, also .gz, or Parquet)."""
    from sandbox.risk import measure, read_table

    try:
        whole = read_table(population) if population else None
        risk = measure(read_table(table), _names(quasi), _names(sensitive), population=whole)
    except SandboxError as error:
        fail(error.code, str(error), "name columns that the table has, and give it as CSV or Parquet")
    if as_json:
        emit_json(risk.as_json())
        return
    _print(risk.as_json())


def _names(given: str) -> list[str]:
    return list(dict.fromkeys(name for part in given.split(",") if (name := part.strip())))


def _print(measures: dict[str, object]) -> None:
    from rich.table import Table

    shown = Table("measure", "value")
    for name, value in measures.items():
        shown.add_row(name, "-" if value is None else f"{value:.4g}" if isinstance(value, float) else f"{value:,}")
    people.print(shown)
