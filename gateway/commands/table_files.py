"""Table files wherever they are: in a folder, or at a URL that fsspec can open; of a table one, or a folder of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from gateway.console import fail

ENDINGS = (".csv", ".csv.gz", ".jsonl", ".parquet")
NEXT_STEP = f"give a folder or URL that holds a file ({', '.join(ENDINGS)}), or a folder of files, for each table"


@contextmanager
def table_files(source: str) -> Iterator[Mapping[str, Path]]:
    """The table files of `source`, as local files by the name they are sent under; the command ends where there are none."""
    if "://" not in source:
        yield _local(Path(source), source)
        return
    with tempfile.TemporaryDirectory(prefix="sallyport-source-") as made:
        _fetch(source, Path(made))
        yield _local(Path(made), source)


def _local(folder: Path, source: str) -> Mapping[str, Path]:
    if not folder.is_dir():
        fail("source_not_found", f"{source} is no folder.", NEXT_STEP)
    found = [path for place in ("*", "*/*") for path in sorted(folder.glob(place))]
    paths = {path.relative_to(folder).as_posix(): path for path in found if path.is_file() and path.name.endswith(ENDINGS)}
    if not paths:
        fail("source_empty", f"{source} holds no table file.", NEXT_STEP)
    return paths


def _fetch(source: str, target: Path) -> None:
    import fsspec

    try:
        files, root = fsspec.core.url_to_fs(source)
        for path in files.find(root, maxdepth=2):
            place = PurePosixPath(str(path)).relative_to(str(root))
            if place.name.endswith(ENDINGS):
                (target / place).parent.mkdir(exist_ok=True)
                files.get_file(path, str(target / place))
    except (OSError, ValueError, ImportError) as error:
        fail("source_unreadable", f"{source} cannot be read ({type(error).__name__}).", NEXT_STEP)
