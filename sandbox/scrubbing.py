"""The free text of a snapshot, scrubbed some rows at a time, and what its certificate says of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import polars as pl

from sandbox import certificate
from sandbox.contracts import Column, Contract, Table
from sandbox.people import People
from sandbox.remembered import Remembered
from sandbox.text.surrogates import Surrogates
from sandbox.treatments import Keyed
from sandbox.treatments.shift_date import offset_days

CANARY_KIND = "canaries"


class Scrubber(Protocol):
    """Removes identifiers from free text; `known` is the record of the person each text is of."""

    @property
    def recipe(self) -> Mapping[str, Any]: ...

    def scrub_batch(
        self, texts: Sequence[str | None], known: Sequence[Mapping[str, str]], progress: Callable[[int], None],
        surrogates: Sequence[Surrogates] = (),
    ) -> list[str | None]: ...  # fmt: skip


@dataclass(slots=True)
class Texts:
    """The texts of one column, some rows at a time: those that will carry canaries are kept, words are counted."""

    contract: Contract
    table: Table
    column: Column
    key: bytes = field(repr=False)
    scrubber: Scrubber
    remembered: Remembered
    filled: int = 0  # texts that are not empty, of all rows
    done: int = 0
    words: tuple[int, int] = (0, 0)
    sample: dict[int, tuple[str, Mapping[str, str]]] = field(default_factory=dict, repr=False)
    _passed: int = 0

    @property
    def name(self) -> str:
        """table.column"""
        return f"{self.table.name}.{self.column.name}"

    def note(self, rows: pl.DataFrame) -> None:
        """These rows were seen: their texts count."""
        self.filled += int((rows[self.column.name].str.len_chars() > 0).sum())

    def scrub(self, rows: pl.DataFrame, people: People, progress: Callable[[int], None]) -> pl.Series:
        """The column of these rows, scrubbed."""
        texts, person = rows[self.column.name], self.contract.person_column(self.table)
        persons = rows[person] if person else None
        known, before = people.of(persons, rows.height), self.done
        clean = self.remembered.scrub(
            self.scrubber.scrub_batch, self.scrubber.recipe, texts.to_list(), known, self._moves(persons, rows.height),
            lambda done: progress(before + done),
        )  # fmt: skip
        self._keep(texts.to_list(), clean, known)
        self.done += rows.height
        return pl.Series(self.column.name, clean, dtype=pl.String)

    def certified(self) -> dict[str, Any] | None:
        """What the certificate says of the column; None where no row has a text."""
        if not self.sample:
            return None
        texts, records = zip(*(self.sample[place] for place in sorted(self.sample)), strict=True)
        scrub = partial(self.scrubber.scrub_batch, progress=lambda done: None)
        kept, total = self.words
        told = certificate.text_certificate(texts, records, scrub, self._seed())
        return told | {"words_kept": kept / total if total else None}

    def _seed(self) -> bytes:
        return Keyed(self.key).mac(CANARY_KIND, self.name)

    def _keep(self, texts: Sequence[str | None], clean: Sequence[str | None], known: Sequence[Mapping[str, str]]) -> None:
        kept, total = certificate.count_words(texts, clean)
        self.words = self.words[0] + kept, self.words[1] + total
        draw = random.Random(self._seed())  # noqa: S311 - which texts carry canaries is no secret
        places = set(draw.sample(range(self.filled), min(self.filled, certificate.CANARIES)))
        for text, record in zip(texts, known, strict=True):
            if text:
                if self._passed in places:
                    self.sample[self._passed] = text, record
                self._passed += 1

    def _moves(self, persons: pl.Series | None, number: int) -> list[Surrogates]:
        """One for each row where texts take surrogates: dates in its text move as those of its person's columns do."""
        if self.column.options.get("style") != "surrogate":
            return []
        shifted = [column for column in self.contract.columns().values() if column.treatment == "shift-date"]
        weekdays = any(column.options.get("weekdays") for column in shifted)
        keyed = Keyed(self.key)
        named = persons.cast(pl.String).to_list() if persons is not None else [None] * number
        return [Surrogates(self.key, offset_days(keyed, person or "", weekdays=weekdays)) for person in named]
