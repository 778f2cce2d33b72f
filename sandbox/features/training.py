"""The rows a training script learns from, by a definition of its own project."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sandbox.features.definitions import Definition


def training_frame(definition: Definition, snapshot: Path | str | None = None) -> Any:
    """row_id, person, as_of, label and the features on the snapshot (default: the one given to this process), as Polars.

    Raises InvalidFeatures.
    """
    from sandbox.features.compiling import compiled
    from sandbox.features.running import on_files, table_files
    from sandbox.features.trial import schemas

    tables = table_files(Path(snapshot or os.environ["SALLYPORT_SNAPSHOT"]))
    types = schemas(tables)
    made = compiled(definition, treated=types, live=types)
    return on_files(made.snapshot_sql, tables, made.columns)
