"""Table files wherever they are: a folder, or a URL that fsspec can open."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from gateway.console import fail

ENDINGS = (".csv", ".csv.gz", ".jsonl", ".parquet")
NEXT_STEP = f"give a folder or URL that holds one file a table ({', '.join(ENDINGS)})"


@contextmanager
def table_files(source: str) -> Iterator[Sequence[Path]]:
    """The table files of `source`, as local files; the command ends with a sentence where there are none."""
    if "://" not in source:
        yield _local(Path(source), source)
        return
    with tempfile.TemporaryDirectory(prefix="sallyport-source-") as made:
        _fetch(source, Path(made))
        yield _local(Path(made), source)


def _local(folder: Path, source: str) -> Sequence[Path]:
    if not folder.is_dir():
        fail("source_not_found", f"{source} is no folder.", NEXT_STEP)
    paths = sorted(path for path in folder.iterdir() if path.is_file() and path.name.endswith(ENDINGS))
    if not paths:
        fail("source_empty", f"{source} holds no table file.", NEXT_STEP)
    return paths


def _fetch(source: str, target: Path) -> None:
    import fsspec

    try:
        files, root = fsspec.core.url_to_fs(source)
        for path in files.ls(root, detail=False):
            if str(path).endswith(ENDINGS):
                files.get_file(path, str(target / PurePosixPath(path).name))
    except (OSError, ValueError, ImportError) as error:
        fail("source_unreadable", f"{source} cannot be read ({type(error).__name__}).", NEXT_STEP)
