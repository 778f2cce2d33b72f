"""`%sql` in a notebook, for as long as a lease is open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def sql_magic(connection: Any) -> Iterator[None]:
    """`%sql` and `%%sql` run on the connection and give a pandas table; afterwards they are what they were. Only in IPython."""
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        yield
        return
    shell = get_ipython()
    if shell is None:
        yield
        return
    kinds = ("line", "cell")
    before = {kind: shell.magics_manager.magics[kind].get("sql") for kind in kinds}

    def sql(line: str, cell: str | None = None) -> Any:
        return _run(connection, f"{line}\n{cell or ''}")

    shell.register_magic_function(sql, "line_cell", "sql")  # type: ignore[arg-type]
    try:
        yield
    finally:
        for kind in kinds:
            magics = shell.magics_manager.magics[kind]
            magics.pop("sql", None)
            if before[kind] is not None:
                magics["sql"] = before[kind]


def _run(connection: Any, query: str) -> Any:
    import pandas as pd

    with connection.cursor() as cursor:
        cursor.execute(query)
        return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description or ()])
