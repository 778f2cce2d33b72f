"""A person is erased: from live rows, from every snapshot, from what is remembered; and nothing says who it was."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from gateway.client import Gateway, Refusal
from gateway.commands.dataset import send_rows
from gateway.commands.snapshot import fetch, watch
from tests.ledger_reading import whole_ledger

PERSON = "Zyx-4711-Wvu"
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: forgetting
name: Stays
version: 1.0.0
status: active
customProperties:
  - {property: purposes, value: [model-debugging]}
  - {property: personKey, value: people.person}
  - {property: holdout, value: 0.3}
schema:
  - name: people
    properties:
      - {name: person, logicalType: string, primaryKey: true, classification: direct, customProperties: [{property: treatment, value: pseudonym}, {property: identifierKind, value: person}]}
      - {name: age, logicalType: integer, classification: quasi, customProperties: [{property: treatment, value: {name: bin, width: 20}}]}
  - name: stays
    properties:
      - {name: stay, logicalType: integer, primaryKey: true, classification: direct, customProperties: [{property: treatment, value: suppress}]}
      - {name: person, logicalType: string, classification: direct, relationships: [{type: foreignKey, to: people.person}], customProperties: [{property: treatment, value: pseudonym}, {property: identifierKind, value: person}]}
      - {name: note, logicalType: string, classification: direct, customProperties: [{property: treatment, value: scrub}]}
"""  # noqa: E501


@pytest.fixture(scope="module")
def sam(as_user: Callable[[str], Gateway], tmp_path_factory: pytest.TempPathFactory) -> Gateway:
    folder = tmp_path_factory.mktemp("forgetting")
    names = [PERSON, *(f"Q-{n}" for n in range(160))]
    (folder / "people.csv").write_text("person,age\n" + "".join(f"{p},{20 + n % 40}\n" for n, p in enumerate(names)))
    stays = "".join(f"{2 * n + i},{p},Seen today. Stable.\n" for n, p in enumerate(names) for i in range(2))
    (folder / "stays.csv").write_text("stay,person,note\n" + stays)
    sam = as_user("sam")
    sam.post("/v1/datasets", {"project": "income", "contract": CONTRACT})
    send_rows(sam, "forgetting", {path.name: path for path in sorted(folder.iterdir())})
    return sam


def rows_of(sam: Gateway, snapshot: dict[str, Any], home: Path, folder: Path) -> set[str]:
    """The pseudonyms in the snapshot, and in what was held back from it."""
    fetch(sam, snapshot["id"], folder)
    held = home / "holdouts" / snapshot["digest"].removeprefix("sha256:")
    frames = [pl.read_parquet(p) for f in (folder, held) for p in f.glob("*.parquet")]
    return {name for frame in frames for name in frame["person"]}


def test_a_person_is_taken_out_of_live_rows_and_snapshots_and_nobody_can_say_whom(
    sam: Gateway, as_user: Callable[[str], Gateway], stack_home: Path, tmp_path: Path
) -> None:
    before = watch(sam, sam.post("/v1/snapshots", {"dataset": "forgetting"}))
    assert before["state"] == "built", before["detail"]
    names = rows_of(sam, before, stack_home, tmp_path / "before")
    earlier = whole_ledger(as_user("carl"))[-1]["seq"]
    (tmp_path / "key").write_text(PERSON + "\n")
    command = [str(Path(sys.executable).with_name("sallyport")), "dataset", "erase", "forgetting", "--as", "sam", "--json"]
    done = subprocess.run(
        [*command, "--person-file", str(tmp_path / "key")], env={"SALLYPORT_HOME": str(stack_home), "PATH": ""},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert '"rows": {"stays": 2, "people": 1}' in done.stdout
    gone = sam.get(f"/v1/snapshots/{before['id']}")
    assert (gone["state"], gone["digest"]) == ("erased", before["digest"])
    for place in ("snapshots", "holdouts"):
        assert not (stack_home / place / before["digest"].removeprefix("sha256:")).exists()
    with pytest.raises(Refusal, match="erased since"):
        sam.get(f"/v1/snapshots/{before['id']}/files")
    again = watch(sam, sam.get(f"/v1/snapshots/{sam.get('/v1/snapshots')['items'][0]['id']}"))
    assert again["state"] == "built" and again["id"] != before["id"]
    left = rows_of(sam, again, stack_home, tmp_path / "after")
    assert left < names and len(names - left) == 1
    said = str(sam.get("/v1/datasets/forgetting/erasures")) + done.stdout + done.stderr
    entries = whole_ledger(as_user("carl"), after=earlier)
    ours = [e for e in entries if e["type"] in ("dataset:erasure-started", "snapshot:erased", "dataset:erased")]
    assert [e["type"] for e in ours] == ["dataset:erasure-started", "snapshot:erased", "dataset:erased"]
    (pseudonym,) = names - left
    for secret in (PERSON, pseudonym, hashlib.sha256(PERSON.encode()).hexdigest()):
        assert secret not in said + str(entries)
        assert not [p for p in (stack_home / "logs").rglob("*") if p.is_file() and secret in p.read_text(errors="replace")]


def test_asking_again_finishes_what_is_left_and_finds_nothing(sam: Gateway) -> None:
    done = sam.post("/v1/datasets/forgetting/erasures", {"person": PERSON})
    assert done["rows"] == {"stays": 0, "people": 0} and done["snapshots"] == [] and done["rebuild"] is None


def test_a_snapshot_that_does_not_hold_the_person_stays(sam: Gateway) -> None:
    standing = watch(sam, sam.post("/v1/snapshots", {"dataset": "forgetting"}))
    sam.post("/v1/datasets/forgetting/erasures", {"person": "nobody of that name"})
    assert sam.get(f"/v1/snapshots/{standing['id']}")["state"] == "built"


@pytest.mark.parametrize("user", ["dana", "olga", "carl"])
def test_only_a_steward_of_the_project_may_erase(sam: Gateway, as_user: Callable[[str], Gateway], user: str) -> None:
    for call in (lambda g: g.post("/v1/datasets/forgetting/erasures", {"person": "Q-1"}),
                 lambda g: g.get("/v1/datasets/forgetting/erasures")):  # fmt: skip
        with pytest.raises(Refusal) as refused:
            call(as_user(user))
        assert "role_not_permitted" in refused.value.reasons


def test_what_a_legal_hold_covers_is_not_erased_until_it_is_lifted(
    sam: Gateway, as_user: Callable[[str], Gateway], stack_home: Path
) -> None:
    carl, path, body = as_user("carl"), "/v1/datasets/forgetting/erasures", {"person": "Q-1"}
    standing = watch(sam, sam.post("/v1/snapshots", {"dataset": "forgetting"}))
    placed = [carl.post("/v1/audit/holds", {"reason": "r", **scope})["id"]
              for scope in ({"dataset": "another"}, {"kind": "predictions"}, {"thing": "another"})]  # fmt: skip
    scopes = [{"dataset": "forgetting"}, {"project": "income", "kind": "snapshots"}, {"thing": standing["digest"]}]
    for number in range(4):
        scope = scopes[number] if number < 3 else {"thing": sam.get(path)["items"][0]["person"]}
        hold = carl.post("/v1/audit/holds", {"reason": "a lawsuit", **scope})["id"]
        try:
            with pytest.raises(Refusal, match="legal hold") as refused:
                sam.post(path, body)
        finally:
            carl.post(f"/v1/audit/holds/{hold}/lift")
        assert refused.value.problem_code == "under_legal_hold"
        (last,) = carl.get("/v1/audit/entries", type="dataset:erasure-refused", text=hold)["items"]
        assert last["outcome"] == "refused" and last["detail"]["holds"] == [hold] and "Q-1" not in str(last)
        assert sam.get(path)["items"][0]["refused"] == "under_legal_hold"
        assert sam.get(f"/v1/snapshots/{standing['id']}")["state"] == "built"
        assert list((stack_home / "snapshots" / standing["digest"].removeprefix("sha256:")).glob("*.parquet"))
    done = sam.post(path, body)
    assert done["rows"] == {"stays": 2, "people": 1} and standing["id"] in done["snapshots"]
    for hold in placed:
        carl.post(f"/v1/audit/holds/{hold}/lift")
