"""Proposals: what is claimed of one holds when its treatments are applied to the rows, and none of the lattice is better."""

from __future__ import annotations

import json
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from gateway.commands.risk import command
from sandbox.generalising import _judge, _steps, propose
from sandbox.treatments import TREATMENTS, Keyed

QUASI = ["born", "zip", "age", "sex"]


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    draw = np.random.default_rng(11)
    number = 3_000
    return pl.DataFrame(
        {
            "born": [date(1940, 1, 1) + timedelta(days=int(d)) for d in draw.integers(0, 25_000, number)],
            "zip": [f"{z}" for z in draw.choice([10001, 10002, 10003, 20001, 20002, 60601], number)],
            "age": draw.integers(18, 95, number),
            "sex": draw.choice(["F", "M", None], number, p=[0.5, 0.49, 0.01]),
        }
    )


def classes(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.group_by(QUASI).len("size")


def treated(frame: pl.DataFrame, told: dict[str, Any]) -> pl.DataFrame:
    columns = []
    for name, treatment in told.items():
        if treatment["name"] == "suppress":
            continue
        apply = TREATMENTS[treatment["name"]]
        assert apply is not None
        columns.append(apply(frame[name], {k: v for k, v in treatment.items() if k != "name"}, Keyed(b"")).alias(name))
    return pl.DataFrame(columns)


@pytest.mark.parametrize("kind", ["best", "without_suppression"])
def test_a_proposal_gives_the_k_the_classes_and_the_loss_of_rows_that_it_claims(rows: pl.DataFrame, kind: str) -> None:
    found = propose(classes(rows), QUASI, 11, most_suppressed=0.05)[kind]
    after = treated(rows, found["treatments"])
    sizes = after.group_by(after.columns).len("n")["n"]
    kept = sizes.filter(sizes >= 11)
    assert (found["k"], found["classes"]) == (kept.min(), len(kept))
    assert found["suppressed_rows"] == rows.height - kept.sum() <= 0.05 * rows.height
    assert found["discernibility"] == (kept**2).sum() + found["suppressed_rows"] * rows.height


def test_no_other_node_of_the_lattice_loses_less(rows: pl.DataFrame) -> None:
    given = classes(rows)
    found, sizes = propose(given, QUASI, 11, most_suppressed=0.05), given["size"].to_numpy()
    steps = [_steps(given[name], sizes) for name in QUASI]
    every = [_judge(node, steps, QUASI, sizes, 11) for node in product(*(range(len(s)) for s in steps))]
    assert found["whole"] and found["nodes"] == len(every)
    assert found["best"]["loss"] == min(one.loss for one in every if one.suppressed_share <= 0.05 and one.classes)
    assert found["without_suppression"]["loss"] == min(one.loss for one in every if not one.suppressed_rows)


def test_steps_tell_less_and_less_and_are_treatments_of_contracts(rows: pl.DataFrame) -> None:
    given = classes(rows)
    for name, last in zip(QUASI, ("born", "zip", "age", "sex"), strict=True):
        steps = _steps(given[name], given["size"].to_numpy())
        penalties = [step.penalty for step in steps]
        assert penalties == sorted(penalties) and penalties[0] == 0 and penalties[-1] == 1, last
        assert all(step.treatment["name"] in TREATMENTS for step in steps)
    assert [s.treatment["name"] for s in _steps(given["zip"], given["size"].to_numpy())] == ["keep", "zip3", "suppress"]


def test_what_no_generalisation_reaches_has_no_proposal() -> None:
    few = pl.DataFrame({"q": ["a", "b"], "size": [2, 3]})
    found = propose(few, ["q"], 11, most_suppressed=0.05)
    assert found["best"] is None and found["without_suppression"] is None and found["suppression_only"] is None


def test_the_command_shows_proposals_where_they_are_asked_for(rows: pl.DataFrame, tmp_path: Path) -> None:
    rows.write_parquet(tmp_path / "t.parquet")
    asked = [str(tmp_path / "t.parquet"), "--quasi", ",".join(QUASI), "--propose-k", "11"]
    told = json.loads(CliRunner().invoke(command, [*asked, "--json"]).stdout)["proposals"]
    assert told["best"]["k"] >= 11 and told["suppression_only"] is None  # every row is alone in its class as it is
    shown = CliRunner().invoke(command, asked)
    assert shown.exit_code == 0 and "least loss" in shown.stderr


def test_a_class_of_just_k_rows_stays() -> None:
    found = propose(pl.DataFrame({"q": ["a", "b"], "size": [11, 300]}), ["q"], 11, most_suppressed=0.05)
    assert found["best"]["suppressed_rows"] == 0 and found["best"]["k"] == 11 and found["best"]["loss"] == 0
