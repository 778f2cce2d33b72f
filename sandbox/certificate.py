"""The release certificate of a snapshot: what leaked of planted identifiers, what an attacker links, what use is left.

It measures and refuses nothing: what may be is policy's to say (bounds.py).
"""

# ruff: noqa: S608 - queries hold names and numbers of our own alone
from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sandbox.canaries import leaks, plant, words_lost
from sandbox.contracts import Class, Table
from sandbox.shapes import Shape
from sandbox.staging import Stage, same

CANARIES = 270  # fifteen of each kind; none leaked bounds the leak rate at 1.1 % (95 %)
CONFIDENCE = 0.95
ATTACKED = 1_000  # persons whose true values the simulated attacker holds
WORD = re.compile(r"[^\W\d_]{3,}")

Scrub = Callable[[Sequence[str | None], Sequence[Mapping[str, str]]], list[str | None]]


def text_certificate(texts: Sequence[str], records: Sequence[Mapping[str, str]], scrub: Scrub, seed: bytes) -> dict[str, Any]:
    """Recall on planted canaries with its exact upper bound, and the share of ordinary words lost beside them."""
    canaries = plant(texts, CANARIES, seed)
    clean = scrub([canary.planted for canary in canaries], [records[canary.index] for canary in canaries])
    leaked = leaks(canaries, clean, texts)
    failed = sum(leaked.values())
    _, high = binomial_bounds(failed, len(canaries))
    return {
        "canaries": len(canaries), "leaked": failed, "leaked_by_kind": dict(sorted(leaked.items())),
        "recall": 1 - failed / len(canaries), "leak_upper_bound": high, "confidence": CONFIDENCE,
        "words_lost": round(words_lost(canaries, clean, texts), 6),
    }  # fmt: skip


def count_words(before: Sequence[str | None], after: Sequence[str | None]) -> tuple[int, int]:
    """How many words of texts still stand, identifiers counted as lost, and how many there were."""
    kept = total = 0
    for one, other in zip(before, after, strict=True):
        words, left = Counter(WORD.findall(one or "")), Counter(WORD.findall(other or ""))
        total += words.total()
        kept += (words & left).total()
    return kept, total


def linkage(stage: Stage) -> dict[str, Any]:
    """What an attacker who holds true values of persons links in the release, by quasi-identifiers and by all that is released.

    `expected` is the chance to name the right row; `unique` the share for whom one row fits and it is theirs.
    """
    if stage.contract.person_key is None:
        return {}
    name, _, key = stage.contract.person_key.partition(".")
    table = stage.contract.table(name)
    there = stage.schemas[name]
    by = [c.name for c in table.columns if c.class_ is Class.QUASI and c.name in there]
    every = [c.name for c in table.columns if c.class_ is not Class.DIRECT and c.name in there]
    if key not in there or not by or not stage.count(stage.candidates(table)):
        return {}
    (place,) = stage.places(table, [key])
    stage.duck.execute(
        f"CREATE OR REPLACE TEMP TABLE victims AS SELECT row_number() OVER () AS n, * FROM"
        f" (SELECT * FROM {stage.candidates(table)} ORDER BY {place} NULLS FIRST LIMIT {ATTACKED})"
    )
    return {
        "attacked": stage.count("victims"),
        "quasi": _attack(stage, table, place, stage.places(table, by)),
        "all_released": _attack(stage, table, place, stage.places(table, every)),
    }


def drift(stage: Stage, skip: Sequence[str]) -> dict[str, float]:
    """table.column -> distance of the released distribution from that of all live rows as treated: Kolmogorov-Smirnov for numbers
    and dates, total variation for others; 0 is no drift, 1 all. It says what suppression and the persons held back do."""
    measured = {}
    for table in stage.contract.tables:
        some = stage.count(stage.everything(table)) and stage.count(stage.released(table))
        for column, kind in stage.schemas[table.name].items():
            name = f"{table.name}.{column}"
            if name not in skip and some:
                measured[name] = round(_distance(stage, table, column, ordered=kind.is_numeric() or kind.is_temporal()), 6)
    return measured


def distortion(stage: Stage, untreated: Mapping[str, Shape]) -> dict[str, float]:
    """table.column -> Kolmogorov-Smirnov distance of the released distribution from that of all live rows, which are `untreated`:
    what the treatment does as well."""
    measured = {}
    for name, live in untreated.items():
        table_name, _, column = name.partition(".")
        table, out = stage.contract.table(table_name), Shape()
        if stage.count(stage.everything(table)) and stage.count(stage.released(table)):
            for rows in stage.counted(table, column, stage.released(table)):
                out.add(rows[column], rows["n"])
            measured[name] = round(live.distance(out), 6)
    return measured


def binomial_bounds(failed: int, of: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact one-sided lower and upper bounds of a share (Clopper and Pearson 1934)."""
    alpha = 1 - confidence
    low = 0.0 if failed == 0 else _solve(lambda p: 1 - _at_most(failed - 1, of, p) < alpha)
    high = 1.0 if failed == of else _solve(lambda p: _at_most(failed, of, p) > alpha)
    return low, high


def _solve(below: Callable[[float], bool]) -> float:
    """The share up to which `below` holds, to 1e-12."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) else (low, middle)
    return (low + high) / 2


def _at_most(failed: int, of: int, share: float) -> float:
    if share <= 0:
        return 1.0
    if share >= 1:
        return float(failed >= of)
    logs = [
        math.lgamma(of + 1) - math.lgamma(i + 1) - math.lgamma(of - i + 1) + i * math.log(share) + (of - i) * math.log1p(-share)
        for i in range(failed + 1)
    ]
    return min(1.0, math.fsum(math.exp(value) for value in logs))


def _attack(stage: Stage, table: Table, key: str, columns: Sequence[str]) -> dict[str, float]:
    out = stage.released(table)
    fits = stage.duck.execute(
        f"SELECT v.n, count(*) FROM victims v JOIN {out} o ON {same(columns, 'v', 'o')}"
        f" WHERE v.{key} IN (SELECT {key} FROM {out} SEMI JOIN victims USING ({key})) GROUP BY v.n ORDER BY v.n"
    ).fetchall()
    attacked = stage.count("victims")
    return {
        "expected": round(sum(1 / found for _, found in fits) / attacked, 6),
        "unique": round(sum(found == 1 for _, found in fits) / attacked, 6),
    }


def _distance(stage: Stage, table: Table, column: str, *, ordered: bool) -> float:
    (place,) = stage.places(table, [column])
    where = f"WHERE {place} IS NOT NULL" if ordered else ""
    counted = (
        f"SELECT {place} AS v, 1 AS a, 0 AS b FROM {stage.everything(table)} {where} UNION ALL"
        f" SELECT {place}, 0, 1 FROM {stage.released(table)} {where}"
    )
    upto = "sum(a) OVER (ORDER BY v) AS a, sum(b) OVER (ORDER BY v) AS b" if ordered else "a, b"
    measure = "max(apart)" if ordered else "sum(apart) / 2"
    found = stage.duck.execute(
        f"WITH n AS (SELECT v, sum(a) AS a, sum(b) AS b FROM ({counted}) GROUP BY v),"
        f" total AS (SELECT greatest(sum(a), 1) AS a, greatest(sum(b), 1) AS b FROM n), shown AS (SELECT {upto} FROM n)"
        f" SELECT {measure} FROM (SELECT abs(s.a / t.a - s.b / t.b) AS apart FROM shown s, total t)"
    ).fetchone()
    return float(found[0] or 0.0)
