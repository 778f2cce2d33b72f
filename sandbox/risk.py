"""Disclosure risk of a table: k-anonymity (Sweeney 2002), l-diversity (Machanavajjhala 2007), t-closeness (Li et al. 2007).

A class is the rows alike in all quasi-identifiers; null is a value like another. l is the fewest distinct values of a sensitive
column in a class, t the largest distance between a class's distribution and the table's: earth mover's distance over the ordered
values for numbers, total variation for others. With several sensitive columns the worst counts.
The risks are El Emam's: prosecutor 1/k; marketer the share of rows an attacker who links all of them gets right, classes / rows;
journalist one over the smallest class of the population that a class of the table belongs to, None without a population.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from sandbox.errors import InvalidTable


@dataclass(frozen=True, slots=True)
class Risk:
    """What an attacker who knows the quasi-identifiers can expect. Without sensitive columns l and t are None."""

    rows: int
    k: int
    classes: int
    l: int | None  # noqa: E741 - the field's name
    t: float | None
    prosecutor_risk: float
    unique_rows: int
    marketer_risk: float = 0.0
    journalist_risk: float | None = None
    entropy_l: float | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def measure(
    frame: pl.DataFrame, quasi: Sequence[str], sensitive: Sequence[str] = (), *, population: pl.DataFrame | None = None
) -> Risk:
    """The risk of `frame`, drawn from `population`. Raises InvalidTable for a column they do not have or no quasi-identifier."""
    _require_columns(frame, quasi, sensitive)
    sizes = frame.group_by(quasi).len("size")["size"]
    k = int(sizes.min() or 0)  # type: ignore[arg-type]
    return Risk(
        rows=frame.height,
        k=k,
        classes=len(sizes),
        l=min((_l(frame, quasi, name) for name in sensitive), default=None),
        t=max((_t(frame, quasi, name) for name in sensitive), default=None),
        prosecutor_risk=1 / k if k else 0.0,
        unique_rows=int((sizes == 1).sum()),
        marketer_risk=len(sizes) / frame.height if frame.height else 0.0,
        journalist_risk=None if population is None else _journalist(frame, quasi, population),
        entropy_l=min((_entropy_l(frame, quasi, name) for name in sensitive), default=None),
    )


def class_sizes(frame: pl.DataFrame, quasi: Sequence[str]) -> pl.Series:
    """For each row, how many rows its class has."""
    return frame.select(pl.len().over(quasi).alias("size")).to_series()


def read_table(path: Path) -> pl.DataFrame:
    """A CSV (also .gz) or Parquet table. Raises InvalidTable."""
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        return pl.read_csv(path, infer_schema_length=None)
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise InvalidTable("The table cannot be read as CSV or Parquet in UTF-8.") from error


def _l(frame: pl.DataFrame, quasi: Sequence[str], sensitive: str) -> int:
    if frame.is_empty():
        return 0
    counts = frame.group_by(quasi).agg(pl.col(sensitive).n_unique().alias("n"))["n"]
    return int(counts.min())  # type: ignore[arg-type]


def _entropy_l(frame: pl.DataFrame, quasi: Sequence[str], sensitive: str) -> float:
    """The least exp(entropy) of a class's distribution of `sensitive` (Machanavajjhala 2007, definition 4.1)."""
    if frame.is_empty():
        return 0.0
    share = pl.col("n") / pl.col("n").sum()
    counts = frame.group_by([*quasi, sensitive]).len("n").group_by(quasi).agg((-(share * share.log()).sum()).exp().alias("e"))
    return float(counts["e"].min())  # type: ignore[arg-type]


def _journalist(frame: pl.DataFrame, quasi: Sequence[str], population: pl.DataFrame) -> float:
    """One over the smallest class of the population that rows of the table are in; one it lacks counts as the table has it."""
    _require_columns(population, quasi, ())
    try:
        found = (
            frame.group_by(quasi)
            .len("here")
            .join(population.group_by(quasi).len("there"), on=quasi, how="left", nulls_equal=True)
        )
    except pl.exceptions.PolarsError as error:
        raise InvalidTable("The quasi-identifiers of table and population are of different types.") from error
    smallest = found.select(pl.max_horizontal("here", "there").min()).item()
    return 1 / smallest if smallest else 0.0


def _t(frame: pl.DataFrame, quasi: Sequence[str], sensitive: str) -> float:
    """The largest distance between a class's distribution of `sensitive` and the table's."""
    if frame.is_empty():
        return 0.0
    values = frame.group_by(sensitive).len("total").sort(sensitive, nulls_last=True).with_row_index("rank")
    numeric = frame[sensitive].dtype.is_numeric()
    ids = frame.select([*quasi, sensitive]).join(values, on=sensitive, nulls_equal=True)
    classes = ids.group_by([*quasi, "rank"]).len("n").with_columns(pl.col("n").sum().over(quasi).alias("size"))
    shares = (values["total"] / frame.height).to_numpy()
    return _worst(classes, quasi, shares, numeric=numeric)


def _worst(classes: pl.DataFrame, quasi: Sequence[str], shares: Any, *, numeric: bool) -> float:
    """Only the values that a class has are visited, so that many classes and many values need no table of both."""
    import numpy as np

    ordered = classes.with_columns(pl.struct(quasi).rank("dense").alias("class")).sort("class", "rank")
    number = ordered["class"].to_numpy().astype(np.int64) - 1
    rank, share = ordered["rank"].to_numpy().astype(np.int64), (ordered["n"] / ordered["size"]).to_numpy()
    if not numeric:
        apart = np.bincount(number, np.abs(share - shares[rank])) + 1 - np.bincount(number, shares[rank])
        return float(apart.max() / 2)
    if len(shares) == 1:
        return 0.0
    return float(moved(number, rank, share, shares).max() / (len(shares) - 1))


def moved(number: Any, rank: Any, share: Any, shares: Any) -> Any:
    """For each class the sum of |its cumulative share - the table's| over all ranks; between two of its values its own stays."""
    import numpy as np

    first = np.flatnonzero(np.diff(number, prepend=-1))
    running = np.cumsum(share)
    before = np.repeat(running[first] - share[first], np.diff(np.append(first, len(number))))
    own = np.append(running - before, np.zeros(len(first)))  # after each value; and 0 before a class's first
    start = np.append(rank, np.zeros(len(first), dtype=np.int64))
    following = np.append(rank[1:], len(shares))
    following[np.append(first[1:] - 1, len(number) - 1)] = len(shares)
    end = np.append(following, rank[first])
    table = np.cumsum(shares)
    total = np.append(0.0, np.cumsum(table))
    crossing = np.clip(np.searchsorted(table, own), start, end)
    under = own * (crossing - start) - (total[crossing] - total[start])
    over = (total[end] - total[crossing]) - own * (end - crossing)
    return np.bincount(np.append(number, number[first]), under + over)


def _require_columns(frame: pl.DataFrame, quasi: Sequence[str], sensitive: Sequence[str]) -> None:
    missing = sorted({*quasi, *sensitive} - set(frame.columns))
    if missing:
        raise InvalidTable(f"The table has no column {', '.join(missing)}.")
    if not quasi:
        raise InvalidTable("Name at least one quasi-identifier.")
