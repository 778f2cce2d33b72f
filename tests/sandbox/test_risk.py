"""Disclosure risk: known answers, checked once against pycanon 1.3.6."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.commands.risk import command
from sandbox.errors import InvalidTable
from sandbox.risk import class_sizes, measure, read_table

# Li et al. 2007, table 3: the 3-diverse table with salary t = 0.167 and disease t = 0.278 in their metric for the closest table.
SALARY = pl.DataFrame(
    {
        "zip": ["476**"] * 3 + ["4790*"] * 3 + ["476**"] * 3,
        "age": ["2*"] * 3 + [">=40"] * 3 + ["3*"] * 3,
        "salary": [3, 4, 5, 6, 11, 8, 7, 9, 10],
    }
)


def test_the_example_of_the_t_closeness_paper_gives_its_numbers() -> None:
    risk = measure(SALARY, ["zip", "age"], ["salary"])
    assert (risk.k, risk.classes, risk.l, risk.unique_rows) == (3, 3, 3, 0)
    assert risk.t == pytest.approx(0.375)  # D[{3k,4k,5k}, Q], section 5.2


def test_a_categorical_column_is_measured_by_total_variation() -> None:
    frame = pl.DataFrame({"q": ["a", "a", "b", "b"], "s": ["x", "x", "x", "y"]})
    risk = measure(frame, ["q"], ["s"])
    assert risk.t == pytest.approx(0.25)
    assert risk.l == 1
    assert risk.prosecutor_risk == 0.5


def test_nulls_are_a_value_like_another_and_the_worst_sensitive_column_counts() -> None:
    frame = pl.DataFrame({"q": [None, None, 1, 1, 1], "s": [1, 2, 1, 1, 1], "r": ["u", "v", "u", "v", None]})
    risk = measure(frame, ["q"], ["s", "r"])
    assert (risk.rows, risk.k, risk.classes, risk.l) == (5, 2, 2, 1)
    assert list(class_sizes(frame, ["q"])) == [2, 2, 3, 3, 3]


def test_marketer_journalist_and_entropy_follow_their_definitions() -> None:
    frame = pl.DataFrame({"q": ["a", "a", "b", "b", "b"], "s": ["x", "y", "x", "x", "y"]})
    population = pl.DataFrame({"q": ["a"] * 4 + ["b"] * 9})
    risk = measure(frame, ["q"], ["s"], population=population)
    assert (risk.marketer_risk, risk.journalist_risk) == (0.4, 0.25)
    assert risk.entropy_l == pytest.approx(3 / 2 ** (2 / 3))
    with pytest.raises(InvalidTable):
        measure(frame, ["q"], population=pl.DataFrame({"other": [1]}))


def test_an_empty_table_has_no_risk_and_one_row_has_all() -> None:
    frame = pl.DataFrame({"q": [1], "s": ["x"]})
    assert measure(frame, ["q"], ["s"]).as_json() == {
        "rows": 1, "k": 1, "classes": 1, "l": 1, "t": 0.0, "prosecutor_risk": 1.0, "unique_rows": 1,
        "marketer_risk": 1.0, "journalist_risk": None, "entropy_l": 1.0,
    }  # fmt: skip
    assert measure(frame.clear(), ["q"], ["s"]).k == 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 5)), min_size=1, max_size=60))
def test_risk_agrees_with_a_plain_reading_of_the_definitions(rows: list[tuple[int, int, int]]) -> None:
    frame = pl.DataFrame(rows, schema=["a", "b", "s"], orient="row")
    risk = measure(frame, ["a", "b"], ["s"])
    classes: dict[tuple[int, int], list[int]] = {}
    for a, b, s in rows:
        classes.setdefault((a, b), []).append(s)
    values = sorted({s for *_, s in rows})
    worst = 0.0
    for members in classes.values():
        total = difference = 0.0
        for value in values:
            difference += members.count(value) / len(members) - sum(s == value for *_, s in rows) / len(rows)
            total += abs(difference)
        worst = max(worst, total / (len(values) - 1) if len(values) > 1 else 0.0)
    assert risk.k == min(map(len, classes.values()))
    assert risk.l == min(len(set(m)) for m in classes.values())
    assert risk.t == pytest.approx(worst)
    assert risk.unique_rows == sum(len(m) == 1 for m in classes.values())


def test_every_kind_of_file_gives_the_same_numbers(tmp_path: Path) -> None:
    SALARY.write_csv(tmp_path / "t.csv")
    SALARY.write_parquet(tmp_path / "t.parquet")
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress((tmp_path / "t.csv").read_bytes()))
    answers = []
    for name in ("t.csv", "t.csv.gz", "t.parquet"):
        result = CliRunner().invoke(command, [str(tmp_path / name), "--quasi", "zip, age", "--sensitive", "salary", "--json"])
        assert result.exit_code == 0
        answers.append(json.loads(result.stdout))
    assert answers[0] == answers[1] == answers[2]
    assert set(answers[0]) >= {"rows", "k", "classes", "l", "t", "prosecutor_risk", "unique_rows"}


def test_a_missing_column_or_a_broken_file_is_refused_without_a_value(tmp_path: Path) -> None:
    SALARY.write_csv(tmp_path / "t.csv")
    result = CliRunner().invoke(command, [str(tmp_path / "t.csv"), "--quasi", "zip,town"])
    assert result.exit_code == 1 and "no column town" in result.stderr
    (tmp_path / "b.parquet").write_bytes(b"Quackenbush")
    with pytest.raises(InvalidTable) as caught:
        read_table(tmp_path / "b.parquet")
    assert "Quackenbush" not in str(caught.value)
