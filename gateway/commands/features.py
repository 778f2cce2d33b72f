"""`sallyport features`: definitions checked against both engines, compiled, published, and run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from gateway.client import Gateway
from gateway.commands.caller import as_user
from gateway.console import emit_json, fail, say

CODE = click.Path(exists=True, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """Feature definitions: the same rows on a snapshot and on live PostgreSQL."""


@command.command()
@click.argument("code", type=CODE)
@click.option("--data", required=True, type=FOLDER, help="A snapshot's folder, or any of Parquet files named after tables.")
@click.option("--name", help="Check this definition only (NAME or NAME@VERSION).")
@click.option("--json", "as_json", is_flag=True, help="The comparison as JSON on standard output.")
def check(code: Path, data: Path, name: str | None, as_json: bool) -> None:
    """Run each definition in CODE (a Python file or package) on DuckDB and on a PostgreSQL of its own; exit 1 if rows differ.

    The definitions' code runs in the jail; needs no running stack.
    """
    from gateway.errors import GatewayError
    from sandbox.errors import SandboxError

    try:
        results = _results(code, data, name)
    except (SandboxError, GatewayError) as error:
        fail(error.code, str(error))
    if as_json:
        emit_json({"equal": all(one["equal"] for one in results), "definitions": results})
    for one in results:
        wrong = [column["name"] for column in one["columns"] if column["different"]]
        say(f"{one['name']} {one['version']}: {one['rows']:,} rows, {'equal' if one['equal'] else 'DIFFERENT'}")
        for column in one["columns"]:
            if column["different"]:
                say(f"  {column['name']}: {column['different']:,} rows differ")
        if one["only_one"]:
            say(f"  {one['only_one']:,} rows are in one of the two only, or stand twice: an entity is one row")
        if wrong:
            say("  what to do: write what the engines do alike; guard divisions with nullif(0), and order before first and last")
    if not all(one["equal"] for one in results):
        raise SystemExit(1)


def _results(code: Path, data: Path, name: str | None) -> list[dict[str, Any]]:
    from gateway.embedded import throwaway
    from sandbox.errors import InvalidFeatures
    from sandbox.features import project, running, trial

    tables = running.table_files(data)
    schemas = trial.schemas(tables)
    found = project.compile_project(code, treated=schemas, live=schemas, name=name)
    if not found:
        raise InvalidFeatures(f"There is no definition {name} in {code.name}.")
    with throwaway.postgres() as (owner, reader):
        trial.load(owner, tables, [one.reads for one in found], reader=throwaway.READER)
        return [_result(one, tables, reader) for one in found]


def _result(one: Any, tables: Mapping[str, list[str]], reader: str) -> dict[str, Any]:
    import psycopg

    from sandbox.features import parity, running

    on_files = running.on_files(one.snapshot_sql, tables, one.columns)
    with psycopg.connect(reader, autocommit=True) as connection:
        on_postgres = running.on_postgres(one.live_sql, connection, one.columns)
    compared = parity.compare(on_files, on_postgres)
    return {"name": one.name, "version": one.version, "digest": one.digest, **compared.as_json()}


@command.command()
@click.argument("code", type=CODE)
@click.option("--dataset", required=True, help="The dataset whose contract says what columns there are.")
@click.option("--shared", is_flag=True, help="People of other projects may use them too.")
@as_user
def publish(gateway: Gateway, code: Path, dataset: str, shared: bool) -> None:
    """Publish the definitions in CODE (a Python file, or the files of a package) by name and version."""
    files = [code] if code.is_file() else sorted(code.glob("*.py"))
    if not files:
        fail("no_code", f"{code} holds no Python file.")
    sent = [("files", (file.name, file.read_bytes())) for file in files]
    made = gateway.post("/v1/features", data={"dataset": dataset, "shared": str(shared).lower()}, files=sent)
    for one in made["items"]:
        say(f"{one['name']} {one['version']}  {one['digest']}")
    emit_json(made)


@command.command("list")
@as_user
def list_(gateway: Gateway) -> None:
    """The definitions of your projects, and those shared with all."""
    emit_json(gateway.get("/v1/features"))
