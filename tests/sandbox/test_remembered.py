"""A rebuild scrubs only what changed and gives the bytes of a full build; what it keeps is sealed and is nobody's who left."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from small_contract import PLANTED, contract_text, write_rows

from sandbox.contracts import load_contract
from sandbox.enforcement import Limits
from sandbox.remembered import Remembered
from sandbox.snapshots import Recipe, build_snapshot
from sandbox.sources import FolderSource
from sandbox.text import Scrubber
from sandbox.text.surrogates import Surrogates

KEY, SCRUBBER = b"k" * 32, Scrubber(processes=1)
ROW = st.tuples(st.none() | st.text(max_size=4), st.dictionaries(st.sampled_from("ab"), st.text(max_size=2)), st.integers(0, 2))


class Counting:
    """A cheap scrubber whose outcome rests on all that may decide one; it keeps what it was asked about."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []

    def __call__(
        self, texts: Sequence[str | None], known: Sequence[Mapping[str, str]], progress: Callable[[int], None],
        surrogates: Sequence[Surrogates] = (),
    ) -> list[str | None]:  # fmt: skip
        self.asked += texts
        moves = [s.days for s in surrogates] or [0] * len(texts)
        return [t and json.dumps([t, sorted(k.items()), m]) for t, k, m in zip(texts, known, moves, strict=True)]


def scrub(remembered: Remembered, rows: Sequence[tuple[str | None, dict[str, str], int]], by: Counting) -> list[str | None]:
    texts, known, moves = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    return remembered.scrub(by, {"version": 1}, texts, known, [Surrogates(KEY, days) for days in moves], lambda done: None)


def distinct(rows: Sequence[tuple[str | None, dict[str, str], int]]) -> dict[str, str]:
    """All that decides an outcome -> the text, for each text there is."""
    return {json.dumps([text, sorted(record.items()), days]): text for text, record, days in rows if text is not None}


@given(st.lists(ROW, min_size=1), st.lists(ROW, min_size=1))
def test_whatever_was_inserted_changed_or_deleted_the_outcome_is_that_of_a_full_build(before, after) -> None:  # type: ignore[no-untyped-def]
    first = Remembered(KEY)
    scrub(first, before, Counting())
    again, asked = Remembered.opened(KEY, first.seal()), Counting()
    assert scrub(again, after, asked) == scrub(Remembered(KEY), after, Counting())
    new = {told: text for told, text in distinct(after).items() if told not in distinct(before)}
    assert sorted(map(str, asked.asked)) == sorted(new.values())


def test_another_recipe_key_or_a_changed_byte_remembers_nothing() -> None:
    first = Remembered(KEY)
    scrub(first, [("text", {}, 0)], Counting())
    sealed = first.seal()
    assert b"text" not in sealed
    assert Remembered.opened(KEY, sealed).known
    assert not Remembered.opened(b"o" * 32, sealed).known
    for at in range(len(sealed)):
        assert not Remembered.opened(KEY, sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]).known
    asked = Counting()
    Remembered.opened(KEY, sealed).scrub(asked, {"version": 2}, ["text"], [{}], [Surrogates(KEY, 0)], lambda done: None)
    assert asked.asked == ["text"]


def test_a_text_that_no_row_holds_any_more_is_forgotten() -> None:
    first = Remembered(KEY)
    scrub(first, [("hers", {}, 0), ("his", {}, 0)], Counting())
    second = Remembered.opened(KEY, first.seal())
    scrub(second, [("his", {}, 0)], Counting())
    assert len(Remembered.opened(KEY, second.seal()).known) == 1


def test_an_incremental_build_gives_the_bytes_and_the_manifest_of_a_full_one(tmp_path: Path) -> None:
    first = Remembered(KEY)
    build(write_rows(tmp_path / "rows", persons=40), tmp_path / "first", first)
    changed = write_rows(tmp_path / "changed", persons=44)
    visits = [json.loads(line) for line in (changed / "visits.jsonl").read_text("utf-8").splitlines()]
    draw = random.Random(5)
    del visits[7], visits[30]
    for row in draw.sample(visits, 6):
        row["note"] += f" Called by Ada {PLANTED} again on 2024-05-0{draw.randrange(1, 9)}."
    (changed / "visits.jsonl").write_text("".join(json.dumps(row) + "\n" for row in visits), "utf-8")
    again = Remembered.opened(KEY, first.seal())
    one, other = build(changed, tmp_path / "again", again), build(changed, tmp_path / "full", None)
    assert one == other
    assert {p.name: p.read_bytes() for p in (tmp_path / "again").iterdir()} == {
        p.name: p.read_bytes() for p in (tmp_path / "full").iterdir()
    }
    assert again.made <= 4 + 6 + 2 and again.taken >= 60  # new persons, changed texts, and persons whose record lost a visit


def build(rows: Path, out: Path, remembered: Remembered | None) -> object:
    recipe = Recipe(
        key=KEY, wrapped_key="w", project="p", limits=Limits(2, 1, 0.5), scrubber=SCRUBBER, remembered=remembered
    )  # fmt: skip
    return build_snapshot(
        load_contract(contract_text()), FolderSource(rows), recipe, out=out, built_at="2026-01-01T00:00:00Z"
    ).statement
