"""A DuckDB for counting and sorting what may be larger than memory: bounded, alone, and gone with its spill afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.errors import BuildFailed

MEMORY = "256MB"


@contextmanager
def counting(folder: Path | None = None, *, memory: str = MEMORY) -> Iterator[Any]:
    """A DuckDB that takes at most `memory` and spills into a private folder in `folder`. Raises BuildFailed where it fails."""
    import duckdb

    spill = tempfile.mkdtemp(prefix="spill-", dir=folder)
    settings: dict[str, Any] = {
        "memory_limit": memory, "temp_directory": spill, "preserve_insertion_order": False,
        "autoinstall_known_extensions": False, "autoload_known_extensions": False,
    }  # fmt: skip
    try:
        with duckdb.connect(config=settings) as duck:
            duck.execute("SET TimeZone = 'UTC'")
            yield duck
    except duckdb.Error as error:  # whose own words can repeat values
        raise BuildFailed(f"The rows could not be counted ({type(error).__name__}); nothing of the build was kept.") from None
    finally:
        shutil.rmtree(spill, ignore_errors=True)
