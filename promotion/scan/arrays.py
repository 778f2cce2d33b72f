"""NumPy's own files inside an archive: numbers and texts only, of exactly the size their header says."""

from __future__ import annotations

import io
import warnings
import zipfile
from typing import Any

from promotion.scan.report import Refused, require

LARGEST_ARRAY = 1 << 30
NPZ_MEMBERS = frozenset({"indices.npy", "indptr.npy", "format.npy", "shape.npy", "data.npy", "_is_array.npy"})


def require_array(data: bytes) -> Any:
    """The array in a .npy file. Raises Refused."""
    import numpy as np

    stream = io.BytesIO(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            version = np.lib.format.read_magic(stream)
            read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
            shape, order, kind = read(stream)
    except (ValueError, KeyError, SyntaxError) as error:
        raise Refused("not_array", "An array of the archive is none.") from error
    require(not kind.hasobject, "pickle", "An array of the archive holds pickled objects.")
    count = 1
    for length in shape:
        count *= length
    left = len(data) - stream.tell()
    require(count * kind.itemsize == left, "not_array", "An array of the archive has not the size it says.")
    # A dtype with no size says any shape in no bytes.
    require(count <= LARGEST_ARRAY, "not_array", "An array of the archive has not the size it says.")
    array = np.frombuffer(data, dtype=kind, offset=stream.tell()) if left else np.empty(count if kind.itemsize else 0, dtype=kind)
    return array.reshape(shape, order="F" if order else "C") if array.size == count else array


def require_sparse(data: bytes) -> None:
    """A sparse matrix as SciPy writes it: a zip of arrays that fit each other. Raises Refused."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        require(set(names) <= NPZ_MEMBERS and len(set(names)) == len(names), "archive", "A sparse matrix holds something else.")
        require(
            sum(member.file_size for member in archive.infolist()) <= LARGEST_ARRAY,
            "archive_bomb",
            "A matrix unpacks to too much.",
        )
        found = {name.removesuffix(".npy"): require_array(archive.read(name)) for name in names}
    _require_fitting(found)


def _require_fitting(found: dict[str, Any]) -> None:
    """Compiled code follows these indices: each must be inside the shape."""
    require(
        {"indptr", "indices", "data", "shape", "format"} <= set(found), "not_array", "A sparse matrix is of no reviewed kind."
    )
    indices, starts, values, shape = (found[name] for name in ("indices", "indptr", "data", "shape"))
    kind = found["format"].item()
    kind = kind.decode() if isinstance(kind, bytes) else str(kind)
    rows, columns = (int(one) for one in shape)
    outer, inner = (rows, columns) if kind == "csr" else (columns, rows)
    good = kind in ("csr", "csc") and len(starts) == outer + 1 and starts[0] == 0 and starts[-1] == len(indices) == len(values)
    good = good and bool((starts[1:] >= starts[:-1]).all()) and bool(((indices >= 0) & (indices < inner)).all())
    require(good, "not_array", "A sparse matrix's indices point outside it.")
