"""The disclosures of one person are accounted for: what held them, what could have, and nothing says who it was."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from compliance.verify import verify_bundle
from gateway.client import Gateway, Refusal
from gateway.commands.access import open_lease
from gateway.commands.dataset import send_rows
from gateway.commands.snapshot import watch
from gateway.composition import Services, compose
from gateway.settings import Settings
from tests.ledger_reading import whole_ledger

PERSON, SHY, NOBODY = "Uvw-0815-Xyz", "Rst-0042-Qpo", "Nem-9999-Ono"
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: told
name: Visits
version: 1.0.0
status: active
customProperties:
  - {property: purposes, value: [model-debugging]}
  - {property: personKey, value: people.person}
  - {property: rowFilters, value: {model-debugging: {name: agreed, column: people.agreed, equals: true}}}
schema:
  - name: people
    properties:
      - {name: person, logicalType: string, primaryKey: true, classification: direct, customProperties: [{property: treatment, value: pseudonym}, {property: identifierKind, value: person}]}
      - {name: age, logicalType: integer, classification: quasi, customProperties: [{property: treatment, value: {name: bin, width: 20}}]}
      - {name: agreed, logicalType: boolean, classification: insensitive, customProperties: [{property: treatment, value: keep}]}
  - name: places
    properties:
      - {name: place, logicalType: integer, primaryKey: true, classification: insensitive, customProperties: [{property: treatment, value: keep}]}
"""  # noqa: E501


@pytest.fixture(scope="module")
def told(as_user: Callable[[str], Gateway], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A dataset with a snapshot that dana read, one lease on people and one on places alone."""
    folder, sam, dana = tmp_path_factory.mktemp("told"), as_user("sam"), as_user("dana")
    names = [PERSON, SHY, *(f"Q-{n}" for n in range(160))]
    rows = "".join(f"{p},{20 + n % 40},{str(p != SHY).lower()}\n" for n, p in enumerate(names))
    (folder / "people.csv").write_text("person,age,agreed\n" + rows)
    (folder / "places.csv").write_text("place\n1\n2\n")
    sam.post("/v1/datasets", {"project": "readmission", "contract": CONTRACT})
    send_rows(sam, "told", {path.name: path for path in sorted(folder.iterdir())})
    built = watch(sam, sam.post("/v1/snapshots", {"dataset": "told"}))
    assert built["state"] == "built", built["detail"]
    dana.get(f"/v1/snapshots/{built['id']}/files")
    leases = []
    for columns in (["people.person", "people.age"], ["places.place"]):
        asked = dana.post("/v1/access-requests", {"dataset": "told", "columns": columns, "purpose": "model-debugging",
                                                  "hours": 1, "why": "a test"})  # fmt: skip
        for steward in ("sam", "stella")[: 2 if "people.person" in columns else 1]:
            sam = as_user(steward)
            sam.post(f"/v1/access-requests/{asked['id']}/approve")
        leases.append(open_lease(dana, {"request": asked["id"]})["id"])
    return {"snapshot": built["id"], "leases": leases}


def account(carl: Gateway, person: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = carl.post("/v1/audit/disclosures", {"dataset": "told", "person": person, **more})
    return found


def of_kind(found: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [line for line in found["items"] if line["kind"] == kind]


def test_each_way_in_which_a_person_went_out_is_told_with_how_sure_it_is(
    told: dict[str, Any], as_user: Callable[[str], Gateway]
) -> None:
    found = account(as_user("carl"), PERSON)
    (snapshot,) = of_kind(found, "snapshot")
    assert (snapshot["held"], snapshot["recipient"], snapshot["under"]["snapshot"]) == ("yes", "dana", told["snapshot"])
    whole, elsewhere = of_kind(found, "live-access")
    assert [one["under"]["lease"] for one in (whole, elsewhere)] == told["leases"]
    assert (whole["held"], whole["recipient"], whole["why"]) == ("could have", "dana", "model-debugging")
    assert whole["what"] == "people.age (generalise), people.person (pseudonym)"
    assert whole["basis"].startswith("rows of the person stand in people today, and the row filter agreed shows them today; ")
    assert elsewhere["basis"].startswith("the tables opened name no person")
    assert found["stands_today"] == {"people": True} and found["snapshots_without"] == 0
    shy = of_kind(account(as_user("carl"), SHY), "live-access")[0]["basis"]
    assert shy.startswith("rows of the person stand in people today, and the row filter agreed hides them today")


def test_who_is_in_no_snapshot_and_no_row_is_told_so(told: dict[str, Any], as_user: Callable[[str], Gateway]) -> None:
    found = account(as_user("carl"), NOBODY)
    assert of_kind(found, "snapshot") == [] and found["snapshots_without"] == 1
    assert of_kind(found, "live-access")[0]["basis"].startswith("no row of the person stands there today; ")


def test_a_snapshot_that_cannot_be_looked_into_could_have_held_anybody(
    told: dict[str, Any], as_user: Callable[[str], Gateway], stack_home: Path
) -> None:
    digest = as_user("sam").get(f"/v1/snapshots/{told['snapshot']}")["digest"].removeprefix("sha256:")
    there = stack_home / "snapshots" / digest
    aside = there.rename(there.with_name("aside"))
    try:
        (snapshot,) = of_kind(account(as_user("carl"), NOBODY), "snapshot")
    finally:
        aside.rename(there)
    assert (snapshot["held"], snapshot["basis"]) == ("could have", "its files are gone")


def test_the_period_bounds_what_is_told(told: dict[str, Any], as_user: Callable[[str], Gateway]) -> None:
    before = account(as_user("carl"), PERSON, until="2020-01-01T00:00:00Z")
    assert before["items"] == [] and before["snapshots_without"] == 0
    now = datetime.now(UTC).isoformat()
    assert of_kind(account(as_user("carl"), PERSON, since=now), "live-access") == []


def test_scores_of_a_model_of_the_dataset_could_have_been_of_anybody(
    told: dict[str, Any], as_user: Callable[[str], Gateway]
) -> None:
    given: Services = compose(Settings.load())
    contract = """
name: revisit
tier: low
intended_use: tell who comes again
owner: dana
dataset: told
columns: [people.age]
features: SELECT 1
inputs: [{name: age, type: integer}]
metrics: [{name: accuracy, at_least: 0.5}]
"""
    digest = "sha256:" + hashlib.sha256(uuid.uuid4().bytes).hexdigest()
    try:
        with given.pool.connection() as connection:
            connection.execute(
                "INSERT INTO promotion.requests VALUES (%s, 'readmission', 'revisit', 1, %s, 'low', 'dana', NULL, %s, '',"
                " 'submitted', now(), now())", (uuid.uuid4().hex, digest, contract),
            )  # fmt: skip
            for rows in (2, 3):
                connection.execute(
                    "INSERT INTO promotion.predictions (id, project, name, digest, caller, at, rows, input_hash, output,"
                    " latency_ms) VALUES (%s, 'readmission', 'revisit', %s, 'scoring', now(), %s, '', '[]', 1)",
                    (uuid.uuid4(), digest, rows),
                )  # fmt: skip
    finally:
        given.close()
    (scores,) = of_kind(account(as_user("carl"), PERSON), "prediction")
    assert (scores["what"], scores["why"]) == ("5 scores of the model readmission/revisit", "tell who comes again")
    assert (scores["recipient"], scores["held"]) == ("scoring", "could have")


@pytest.mark.parametrize("user", ["dana", "sam", "olga"])
def test_only_who_reads_evidence_may_ask(told: dict[str, Any], as_user: Callable[[str], Gateway], user: str) -> None:
    with pytest.raises(Refusal) as refused:
        account(as_user(user), PERSON)
    assert refused.value.reasons == ("role_not_permitted",)


def test_the_bundle_holds_the_accounting_and_nothing_anywhere_says_who_it_was(
    told: dict[str, Any], as_user: Callable[[str], Gateway], stack_home: Path, tmp_path: Path
) -> None:
    earlier = whole_ledger(as_user("carl"))[-1]["seq"]
    (tmp_path / "key").write_text(PERSON + "\n")
    program, out = str(Path(sys.executable).with_name("sallyport")), tmp_path / "b"
    done = subprocess.run(
        [program, "audit", "export", "--as", "carl", "--since", "1d", "--out", str(out), "--json", "--dataset", "told",
         "--person-file", str(tmp_path / "key")],
        env={"SALLYPORT_HOME": str(stack_home), "PATH": ""}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert verify_bundle(out).ok
    lines = [json.loads(line) for line in (out / "reports" / "disclosures-of-one-person.jsonl").read_text().splitlines()]
    assert {line["kind"] for line in lines} >= {"snapshot", "live-access"}
    made = json.loads(done.stdout)
    kept = as_user("carl").get(f"/v1/audit/disclosures/{made['accounting']}")
    page = (out / "report.html").read_text()
    assert "Disclosures of one person" in page and kept["person"] in page and len(lines) == len(kept["items"])
    entries = [one for one in whole_ledger(as_user("carl"), after=earlier) if one["type"].startswith("audit:account")]
    assert [one["type"] for one in entries] == ["audit:accounting-started", "audit:accounted"]
    assert entries[1]["detail"] == {"person": kept["person"], "lines": len(lines)}
    everything = done.stdout + done.stderr + str(whole_ledger(as_user("carl"))) + str(kept)
    for secret in (PERSON, hashlib.sha256(PERSON.encode()).hexdigest()):
        assert secret not in everything
        files = [path for folder in (out, stack_home / "logs") for path in folder.rglob("*") if path.is_file()]
        assert not [path for path in files if secret.encode() in path.read_bytes()]
    assert not _anywhere_in_control(PERSON)


def test_not_even_a_digest_of_the_question_is_kept(told: dict[str, Any], as_user: Callable[[str], Gateway]) -> None:
    given, query = compose(Settings.load()), "SELECT count(*) FROM catalog.idempotency WHERE subject = 'carl'"
    try:
        with given.pool.connection() as connection:
            before = connection.execute(query).fetchone()
            account(as_user("carl"), PERSON)
            connection.commit()
            assert connection.execute(query).fetchone() == before
    finally:
        given.close()


def _anywhere_in_control(text: str) -> list[str]:
    """The tables of the control database in whose rows the text stands."""
    given: Services = compose(Settings.load())
    try:
        with psycopg.connect(given.database("sallyport_app", "control")) as connection:
            tables = connection.execute(
                "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN"
                " ('catalog', 'ledger', 'access', 'promotion', 'airlock')"
            ).fetchall()
            found = []
            for (table,) in tables:
                query: Any = f"SELECT count(*) FROM {table} AS t WHERE strpos(t::text, %s) > 0"
                row = connection.execute(query, (text,)).fetchone()
                found += [table] if row and row[0] else []
    finally:
        given.close()
    return found
