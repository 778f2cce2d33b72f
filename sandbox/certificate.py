"""The release certificate of a snapshot: what leaked of planted identifiers, what an attacker links, what use is left.

It measures and refuses nothing: what may be is policy's to say (bounds.py).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from sandbox.canaries import leaks, plant, words_lost
from sandbox.contracts import Class, Contract

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


def words_kept(before: Sequence[str | None], after: Sequence[str | None]) -> float | None:
    """The share of the words of texts that still stand, identifiers counted as lost; None without words."""
    kept = total = 0
    for one, other in zip(before, after, strict=True):
        words, left = Counter(WORD.findall(one or "")), Counter(WORD.findall(other or ""))
        total += words.total()
        kept += (words & left).total()
    return kept / total if total else None


def linkage(contract: Contract, treated: Mapping[str, pl.DataFrame], released: Mapping[str, pl.DataFrame]) -> dict[str, Any]:
    """What an attacker who holds true values of persons links in the release, by quasi-identifiers and by all that is released.

    `expected` is the chance to name the right row; `unique` the share for whom one row fits and it is theirs.
    """
    if contract.person_key is None:
        return {}
    name, _, key = contract.person_key.partition(".")
    frame, out, table = treated[name], released[name], contract.table(name)
    quasi = [c.name for c in table.columns if c.class_ is Class.QUASI and c.name in frame.columns]
    every = [c.name for c in table.columns if c.class_ is not Class.DIRECT and c.name in frame.columns]
    if key not in frame.columns or not quasi or frame.is_empty():
        return {}
    victims = frame.sort(key).head(ATTACKED)
    return {
        "attacked": victims.height,
        "quasi": _attack(victims, out, key, quasi),
        "all_released": _attack(victims, out, key, every),
    }


def drift(live: Mapping[str, pl.DataFrame], released: Mapping[str, pl.DataFrame], skip: Sequence[str]) -> dict[str, float]:
    """table.column -> distance of the released distribution from that of all live rows: Kolmogorov-Smirnov for numbers and dates,
    total variation for others; 0 is no drift, 1 all.

    Of live rows as treated it says what suppression and the persons held back do, of those untreated what the treatment does.
    """
    measured = {}
    for name, frame in live.items():
        for column in frame.columns:
            if f"{name}.{column}" not in skip and frame.height and released[name].height:
                measured[f"{name}.{column}"] = round(_distance(frame[column], released[name][column]), 6)
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


def _attack(victims: pl.DataFrame, out: pl.DataFrame, key: str, columns: Sequence[str]) -> dict[str, float]:
    fits = out.group_by(columns).len("fits")
    there = pl.col(key).is_in(out[key].implode())
    found = victims.join(fits, on=columns, how="left", nulls_equal=True).with_columns(
        pl.when(there & pl.col("fits").is_not_null()).then(1 / pl.col("fits")).otherwise(0.0).alias("chance")
    )
    return {
        "expected": round(float(found["chance"].sum()) / found.height, 6),
        "unique": round(float((found["chance"] == 1).sum()) / found.height, 6),
    }


def _distance(before: pl.Series, after: pl.Series) -> float:
    if before.dtype.is_numeric() or before.dtype.is_temporal():
        values = pl.concat([before, after]).drop_nulls().unique().sort()
        if values.is_empty():
            return 0.0
        return float(max(abs(a - b) for a, b in zip(_below(before, values), _below(after, values), strict=True)))
    shares = [s.to_frame("v").group_by("v").len("n").with_columns(pl.col("n") / s.len()) for s in (before, after)]
    both = shares[0].join(shares[1], on="v", how="full", nulls_equal=True).with_columns(pl.col("n", "n_right").fill_null(0.0))
    return float((both["n"] - both["n_right"]).abs().sum()) / 2


def _below(column: pl.Series, values: pl.Series) -> list[float]:
    """The share of `column` at or below each of `values`."""
    ordered = column.drop_nulls().sort()
    return [count / max(ordered.len(), 1) for count in ordered.search_sorted(values, side="right")]
