"""k holds of everything that is released, also where who goes for one table's sake leaves too few in another's class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_contract import contract_text
from staged_frames import released_of, staged

from sandbox import risk
from sandbox.contracts import load_contract
from sandbox.enforcement import Limits, enforce
from sandbox.errors import KUnreachable

KEEP = "keep"
COLUMNS: dict[str, list[tuple[str, str, str, Any]]] = {
    "persons": [("person_id", "string", "direct", "pseudonym"), ("zip", "string", "quasi", KEEP)],
    "visits": [
        ("visit_id", "string", "direct", "pseudonym"),
        ("person_id", "string", "direct", "pseudonym"),
        ("ward", "string", "quasi", KEEP),
    ],
}
ZIPS = ["100"] * 4 + ["200"] * 4
WARDS = ["a", "a", "a", "b", "a", "a", "a", "a"]  # the fourth person's ward is theirs alone


def frames() -> dict[str, pl.DataFrame]:
    names = [f"p{n}" for n in range(8)]
    return {
        "persons": pl.DataFrame({"person_id": names, "zip": ZIPS}),
        "visits": pl.DataFrame({"visit_id": [f"v{n}" for n in range(8)], "person_id": names, "ward": WARDS}),
    }


def test_a_class_that_another_tables_suppression_made_too_small_goes_too(tmp_path: Path) -> None:
    contract = load_contract(contract_text(COLUMNS, maxSuppressed=0.6))
    with staged(contract, frames(), tmp_path) as stage:
        facts = enforce(stage, Limits(4, 1, 1))
        released = released_of(stage)
    assert set(released["persons"]["zip"]) == {"200"} and released["visits"].height == 4
    assert facts["suppressed_rows"] == {"persons": 4, "visits": 4}
    for name, quasi in (("persons", "zip"), ("visits", "ward")):
        assert facts["tables"][name]["k"] == risk.measure(released[name], [quasi]).k == 4
    assert facts["k"] == 4


def test_what_goes_in_all_rounds_counts_against_the_contracts_share(tmp_path: Path) -> None:
    contract = load_contract(contract_text(COLUMNS, maxSuppressed=0.3))
    with staged(contract, frames(), tmp_path) as stage, pytest.raises(KUnreachable, match=r"suppressing 4 of 8 rows"):
        enforce(stage, Limits(4, 1, 1))
