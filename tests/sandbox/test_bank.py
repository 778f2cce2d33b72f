"""The bank: its numbers pass their checks, its snapshot reaches k, and no number of a card or account is in it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from sandbox.contracts import load_contract
from sandbox.domains import contract_path
from sandbox.domains.bank.generate import write
from sandbox.enforcement import Limits
from sandbox.snapshots import Recipe, build_snapshot
from sandbox.sources import FolderSource
from sandbox.text import Scrubber


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_same_seed_gives_the_same_bank_and_its_numbers_pass_their_checks(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / name, customers=30, chats=5)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
    for row in _rows(tmp_path / "one" / "transactions.csv"):
        digits = [int(c) for c in row["card_number"].replace(" ", "")][::-1]
        assert sum(d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(digits)) % 10 == 0
    for row in _rows(tmp_path / "one" / "accounts.csv"):
        assert int(row["iban"][4:] + "1314" + row["iban"][2:4]) % 97 == 1


def test_its_snapshot_reaches_k_and_holds_no_card_no_account_and_no_name(tmp_path: Path) -> None:
    import polars as pl

    rows, out = tmp_path / "rows", tmp_path / "out"
    write(rows, customers=300, chats=25)
    recipe = Recipe(b"k" * 32, "vault:v1:x", "fraud", Limits(5, 2, 0.2), Scrubber(processes=1))
    built = build_snapshot(
        load_contract(contract_path("bank")), FolderSource(rows), recipe, out=out, built_at="2026-01-01T00:00:00Z"
    )
    assert built.statement.predicate["risk"]["k"] >= 5
    assert built.statement.predicate["certificate"]["linkage"]["all_released"]["unique"] <= 0.02
    released = "".join(pl.read_parquet(file).write_csv() for file in out.iterdir())
    for row in _rows(rows / "accounts.csv"):
        assert row["iban"] not in released
    for row in _rows(rows / "transactions.csv"):
        assert row["card_number"] not in released
    chats = [json.loads(line) for line in (rows / "chats.jsonl").read_text("utf-8").splitlines()]
    names = {row["customer_id"]: row["surname"] for row in _rows(rows / "customers.csv")}
    assert not [names[chat["customer_id"]] for chat in chats if f" {names[chat['customer_id']]}" in released]
