"""The persons held back from a snapshot: who they are, by the project's key, and their live rows as production reads them.

Live rows are not masked. A column whose treatment is a recoding (a year, three digits of a postcode, groups of categories), or
gives another type, is recoded all the same: the model's features are defined in it. What pseudonyms, noise, rounding, moved dates
and scrubbed texts cost can then be measured, for they are the only difference.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from sandbox.contracts import Column, Contract, Table
from sandbox.errors import SourceMismatch
from sandbox.treatments import TREATMENTS, Keyed

KIND = "holdout"
RECODINGS = ("year", "zip3")


def chosen(contract: Contract, table: Table, live: pl.DataFrame, persons: pl.Series | None, key: bytes) -> pl.Series:
    """Which of the table's live rows are held back; `persons` names the person of each as the snapshot does.

    Rows of no person go by all they hold. Where a dataset has persons, a table that is of none is held back nowhere.
    """
    if not contract.holdout or (persons is None and contract.person_key is not None):
        return pl.repeat(value=False, n=live.height, dtype=pl.Boolean, eager=True)
    if persons is None:
        names = live.select(pl.concat_str(pl.all().cast(pl.String).fill_null("\x00"), separator="\x1f")).to_series()
    else:
        names = persons.cast(pl.String)
    distinct = [str(name) for name in names.unique()]
    held = [int.from_bytes(mac[:8]) / 2**64 < contract.holdout for mac in Keyed(key).macs(KIND, distinct)]
    told = dict(zip(distinct, held, strict=True))
    return pl.Series([told[str(name)] for name in names], dtype=pl.Boolean)


def live_rows(contract: Contract, live: Mapping[str, pl.DataFrame], key: bytes) -> dict[str, pl.DataFrame]:
    """Table -> live rows of who is held back, in a snapshot's columns; a table of no person is whole. Raises SourceMismatch."""
    found = {}
    for table in contract.tables:
        frame, person = live[table.name], contract.person_column(table)
        persons = frame[person] if person else None
        columns, named = [], None
        for column in table.columns:
            treated = _treated(column, frame[column.name], Keyed(key, column.kind, persons))
            if column.name == person:
                named = treated
            if column.treatment != "suppress":
                columns.append(_as_read(column, frame[column.name], treated))
        held = chosen(contract, table, frame, named, key)
        found[table.name] = pl.DataFrame(columns) if _everybodys(contract, named) else pl.DataFrame(columns).filter(held)
    return found


def _everybodys(contract: Contract, persons: pl.Series | None) -> bool:
    return persons is None and contract.person_key is not None


def _as_read(column: Column, given: pl.Series, treated: pl.Series) -> pl.Series:
    recoded = column.treatment in RECODINGS or "groups" in column.options or treated.dtype != given.dtype
    return (treated if recoded else given).alias(column.name)


def _treated(column: Column, given: pl.Series, keyed: Keyed) -> pl.Series:
    apply = TREATMENTS.get(str(column.treatment))
    try:
        return apply(given, column.options, keyed) if apply else given
    except (pl.exceptions.PolarsError, ValueError, TypeError, OverflowError) as error:
        raise SourceMismatch(f"{column.name}: treatment {column.treatment} fails on its {len(given):,} live rows.") from error
