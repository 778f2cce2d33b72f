"""Contracts proposed from data, and what is said to be missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from small_contract import PLANTED, contract_text, write_rows

from gateway.commands.contract import command
from sandbox.contracts import load_contract
from sandbox.proposals import findings, propose, source_columns
from sandbox.text import Scrubber


@pytest.fixture(scope="module")
def proposed(tmp_path_factory: pytest.TempPathFactory) -> str:
    rows = write_rows(tmp_path_factory.mktemp("rows"))
    return yaml.safe_dump(propose(rows, "small", Scrubber(processes=1)))


def test_keys_joins_types_and_classes_are_read_from_the_data(proposed: str) -> None:
    contract = load_contract(proposed)
    columns = contract.columns()
    assert contract.person_key == "persons.person_id"
    assert columns["visits.person_id"].references == "persons.person_id"
    assert columns["visits.person_id"].kind == columns["persons.person_id"].kind
    said = {name: (column.logical_type, str(column.class_), column.treatment) for name, column in columns.items()}
    assert said == {
        "persons.person_id": ("string", "direct", "pseudonym"),
        "persons.name": ("string", "direct", "suppress"),
        "persons.birth_date": ("date", "quasi", "year"),
        "persons.zip": ("integer", "quasi", "zip3"),
        "visits.visit_id": ("string", "direct", "pseudonym"),
        "visits.person_id": ("string", "direct", "pseudonym"),
        "visits.day": ("date", "quasi", "year"),
        "visits.score": ("integer", "None", None),
        "visits.note": ("string", "direct", "scrub"),
    }
    assert PLANTED not in proposed


def test_what_is_missing_is_listed(proposed: str, tmp_path: Path) -> None:
    codes = [(f.code, f.where) for f in findings(load_contract(proposed))]
    assert codes == [("unclassified", "visits.score"), ("no_purpose", "small")]
    rows = write_rows(tmp_path / "rows")
    (rows / "persons.csv").write_text("person_id,ssn\n")
    (rows / "visits.jsonl").unlink()
    found = {(f.code, f.where) for f in findings(load_contract(contract_text()), source_columns(rows))}
    assert found == {("new_column", "persons.ssn"), ("no_table", "visits")}


def test_the_commands_propose_and_check(tmp_path: Path) -> None:
    rows, out = write_rows(tmp_path / "rows"), tmp_path / "contract.yaml"
    assert CliRunner().invoke(command, ["init", str(rows), "--out", str(out)]).exit_code == 0
    result = CliRunner().invoke(command, ["check", str(out), "--source", str(rows), "--json"])
    assert result.exit_code == 1
    assert not json.loads(result.stdout)["complete"]
    out.write_text(contract_text())
    assert CliRunner().invoke(command, ["check", str(out), "--source", str(rows)]).exit_code == 0
    assert CliRunner().invoke(command, ["init", str(rows), "--out", str(out)]).exit_code == 1
