"""The contract's features over the tables of one folder, as the jail reads them; the query sees those tables and no file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np

MOST_ROWS = 200_000  # in scoring; beyond, a sample tells as much
SEED = 7


class Unreadable(Exception):
    """The contract's query does not run on these tables."""


class Rows:
    """The contract's features over the tables of one folder: `snapshot`, `holdout` or `live`."""

    def __init__(self, which: str, contract: dict[str, Any], most: int = MOST_ROWS) -> None:
        try:
            frame = self._frame(Path("/sallyport") / which, contract)
        except duckdb.Error as error:
            raise Unreadable(which) from error
        self.frame = frame if len(frame) <= most else frame.sample(most, random_state=SEED)
        self.labels = (self.frame["label"].astype(str) == str(contract["positive"])).to_numpy()
        self.inputs = {column["name"]: self._input(column) for column in contract["inputs"]}

    @staticmethod
    def _frame(folder: Path, contract: dict[str, Any]) -> Any:
        connection = duckdb.connect()
        tables: dict[str, list[str]] = {}
        for file in sorted(folder.glob("*.parquet")):
            tables.setdefault(file.name.split("-")[0], []).append(str(file))
        for name, files in tables.items():
            connection.read_parquet(files).create(name)
        # From here on the contract's query sees these tables and no file.
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        return connection.execute(contract["features"]).df()

    def _input(self, column: dict[str, Any]) -> Any:
        values = self.frame[column["name"]]
        if column["type"] == "string":
            return values.astype("object").fillna("").astype(str).to_numpy(dtype=object)
        return values.to_numpy(dtype=np.float32, na_value=np.nan)

    def column(self, name: str) -> Any:
        return self.frame[name].astype("object").fillna("").astype(str).to_numpy()
