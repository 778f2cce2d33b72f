"""The measures of sandbox/risk.py for tables larger than memory: the same numbers, counted by DuckDB, which spills to disk.

Files are read where they stand (CSV, also .gz, or Parquet; several of one kind are one table). Rows are only ever counted: by
class, and by class and sensitive value; l, entropy and distances come from those counts, class by class.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.errors import InvalidTable
from sandbox.risk import Risk, moved

DEFAULT_MEMORY = "1GB"
NUMERIC = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINY", "USMALL", "UINT", "UBIG", "FLOAT", "DOUBLE", "DECIMAL")
ENDINGS = (".csv", ".csv.gz", ".parquet")
BATCH = 200_000


@contextmanager
def opened(
    paths: Sequence[Path], *, population: Sequence[Path] = (), memory: str = DEFAULT_MEMORY, threads: int = 0
) -> Iterator[Any]:
    """A DuckDB of its own with the views `given` and `population`: it takes at most `memory`, and its spill is gone afterwards.

    Raises InvalidTable, also for what goes wrong while it is used.
    """
    import duckdb

    with tempfile.TemporaryDirectory(prefix="sallyport-risk-") as spill:
        settings: dict[str, Any] = {
            "memory_limit": memory, "temp_directory": spill, "preserve_insertion_order": False,
            "autoinstall_known_extensions": False, "autoload_known_extensions": False,
        }  # fmt: skip
        try:
            with duckdb.connect(config=settings | ({"threads": threads} if threads else {})) as duck:
                duck.execute(f"CREATE VIEW given AS SELECT * FROM {_scan(paths)}")  # noqa: S608 - quoted names
                if population:
                    duck.execute(f"CREATE VIEW population AS SELECT * FROM {_scan(population)}")  # noqa: S608
                yield duck
        except duckdb.OutOfMemoryException as error:
            raise InvalidTable(f"The table cannot be measured in {memory} of memory; give more with --memory.") from error
        except (duckdb.ParserException, duckdb.InvalidInputException) as error:
            what = "The table cannot be read as CSV or Parquet in UTF-8, or the memory limit is no size such as 500MB."
            raise InvalidTable(what) from error
        except duckdb.Error as error:
            raise InvalidTable("The table cannot be read as CSV or Parquet in UTF-8.") from error


def table_files(paths: Sequence[Path]) -> list[Path]:
    """The files themselves, and of each folder its CSV and Parquet files. Raises InvalidTable where there are none."""
    found = [file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    kept = [file for file in found if file.name.endswith(ENDINGS) or file in paths]
    if not kept:
        raise InvalidTable(f"There is no table file ({', '.join(ENDINGS)}).")
    return kept


def measure_files(duck: Any, quasi: Sequence[str], sensitive: Sequence[str] = ()) -> Risk:
    """The risk of the opened table, drawn from the population where there is one. Raises InvalidTable."""
    count_classes(duck, quasi, sensitive)
    rows, k, classes, unique = duck.execute(
        "SELECT coalesce(sum(size), 0)::BIGINT, coalesce(min(size), 0), count(*), count(*) FILTER (size = 1) FROM classes"
    ).fetchone()
    found = [_diversity(duck, quasi, name) for name in sensitive]
    return Risk(
        rows=rows,
        k=k,
        classes=classes,
        l=min((one[0] for one in found), default=None),
        t=max((one[2] for one in found), default=None),
        prosecutor_risk=1 / k if k else 0.0,
        unique_rows=unique,
        marketer_risk=classes / rows if rows else 0.0,
        journalist_risk=_journalist(duck, quasi) if "population" in _views(duck) else None,
        entropy_l=min((one[1] for one in found), default=None),
    )


def count_classes(duck: Any, quasi: Sequence[str], sensitive: Sequence[str] = ()) -> None:
    """The table `classes` holds each class once, with its number and its size. Raises InvalidTable."""
    views = _views(duck)
    require_columns(views["given"], quasi, sensitive)
    if "population" in views:
        require_columns(views["population"], quasi, ())
    names = _names(quasi)
    duck.execute(
        f"CREATE OR REPLACE TEMP TABLE classes AS SELECT row_number() OVER () - 1 AS class, * FROM"  # noqa: S608 - quoted names
        f" (SELECT {names}, count(*) AS size FROM given GROUP BY {names})"
    )


def require_columns(columns: Sequence[str], quasi: Sequence[str], sensitive: Sequence[str]) -> None:
    """Raises InvalidTable for a column that is not there, and where there is no quasi-identifier."""
    if missing := sorted({*quasi, *sensitive} - set(columns)):
        raise InvalidTable(f"The table has no column {', '.join(missing)}.")
    if not quasi:
        raise InvalidTable("Name at least one quasi-identifier.")


def _diversity(duck: Any, quasi: Sequence[str], name: str) -> tuple[int, float, float]:
    """The least number of values of a class, its least exp(entropy), and the largest distance from the whole table."""
    same = " AND ".join(f"c.{_name(q)} IS NOT DISTINCT FROM g.{_name(q)}" for q in quasi)
    duck.execute(
        f"CREATE OR REPLACE TEMP TABLE pairs AS SELECT class, size, v, n FROM"  # noqa: S608 - quoted names
        f" (SELECT {_names(quasi)}, {_name(name)} AS v, count(*) AS n FROM given GROUP BY ALL) g JOIN classes c ON {same}"
    )
    duck.execute(
        "CREATE OR REPLACE TEMP TABLE totals AS SELECT v, row_number() OVER (ORDER BY v NULLS LAST) - 1 AS rank,"
        " n / sum(n) OVER () AS share FROM (SELECT v, sum(n) AS n FROM pairs GROUP BY v)"
    )
    values, entropy = duck.execute(
        "SELECT coalesce(min(values), 0), coalesce(min(entropy), 0) FROM"
        " (SELECT count(*) AS values, exp(-sum(n / size * ln(n / size))) AS entropy FROM pairs GROUP BY class)"
    ).fetchone()
    kind = duck.execute("SELECT any_value(typeof(v)) FROM totals WHERE v IS NOT NULL").fetchone()[0] or ""
    return values, entropy, _numeric(duck) if kind.startswith(NUMERIC) else _categorical(duck)


def _categorical(duck: Any) -> float:
    """The largest total variation distance between a class's distribution and the table's."""
    found = duck.execute(
        "SELECT coalesce(max(apart), 0) / 2 FROM (SELECT sum(abs(n / size - share)) + 1 - sum(share) AS apart FROM pairs"
        " JOIN totals ON pairs.v IS NOT DISTINCT FROM totals.v GROUP BY class)"
    ).fetchone()
    return float(found[0])


def _numeric(duck: Any) -> float:
    """The largest earth mover's distance over the ordered values; whole classes are taken from an ordered stream."""
    import numpy as np

    shares = duck.execute("SELECT share FROM totals ORDER BY rank").fetchnumpy()["share"].astype(np.float64)
    if len(shares) <= 1:
        return 0.0
    stream = duck.sql(
        "SELECT class, rank, n / size AS share FROM pairs JOIN totals ON pairs.v IS NOT DISTINCT FROM totals.v"
        " ORDER BY class, rank"
    )
    worst, rest = 0.0, np.empty((3, 0))
    for batch in stream.to_arrow_reader(BATCH):
        new = np.vstack([column.to_numpy(zero_copy_only=False).astype(np.float64) for column in batch.columns])
        both = np.hstack([rest, new])
        whole = int(np.searchsorted(both[0], both[0, -1])) if both.size else 0  # the last class may go on in the next batch
        worst, rest = max(worst, _furthest(both[:, :whole], shares)), both[:, whole:]
    return max(worst, _furthest(rest, shares)) / (len(shares) - 1)


def _furthest(rows: Any, shares: Any) -> float:
    import numpy as np

    if not rows.size:
        return 0.0
    number = (np.diff(rows[0], prepend=rows[0, 0]) != 0).cumsum()
    return float(moved(number, rows[1].astype(np.int64), rows[2], shares).max())


def _journalist(duck: Any, quasi: Sequence[str]) -> float:
    """One over the smallest class of the population that rows of the table are in; one it lacks counts as the table has it."""
    names = _names(quasi)
    same = " AND ".join(f"c.{_name(q)} IS NOT DISTINCT FROM p.{_name(q)}" for q in quasi)
    smallest = duck.execute(
        f"SELECT min(greatest(size, coalesce(there, 0))) FROM classes c LEFT JOIN"  # noqa: S608 - quoted names
        f" (SELECT {names}, count(*) AS there FROM population GROUP BY {names}) p ON {same}"
    ).fetchone()[0]
    return 1 / smallest if smallest else 0.0


def _views(duck: Any) -> dict[str, list[str]]:
    """View -> its columns."""
    found: dict[str, list[str]] = {}
    for view, column in duck.execute("SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal").fetchall():
        found.setdefault(view, []).append(column)
    return found


def _scan(paths: Sequence[Path]) -> str:
    parquet = [path for path in paths if path.suffix == ".parquet"]
    if parquet and len(parquet) < len(paths):
        raise InvalidTable("The files of one table are all CSV or all Parquet.")
    listed = ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
    if parquet:
        return f"read_parquet([{listed}])"
    return f"read_csv([{listed}], header = true, sample_size = -1, delim = ',', quote = '\"', escape = '\"')"


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _names(columns: Sequence[str]) -> str:
    return ", ".join(map(_name, columns))
