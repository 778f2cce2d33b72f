"""A model's folder as one digest: SHA-256 over the canonical JSON of its files' digests by relative path."""

from __future__ import annotations

import stat
from pathlib import Path

from compliance.canonical import canonical_json, digest, digest_file
from promotion.errors import InvalidModelTree


def files_of(folder: Path) -> dict[str, str]:
    """Relative path -> digest of every file. Raises InvalidModelTree for links and special files, and for an empty folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            continue
        if not stat.S_ISREG(mode):
            raise InvalidModelTree("A model's folder holds plain files only, no links, devices or sockets.")
        name = path.relative_to(folder).as_posix()
        if not name.isprintable():
            raise InvalidModelTree("A model's files have names that can be printed.")
        found[name] = digest_file(path)
    if not found:
        raise InvalidModelTree("The model's folder holds no file.")
    return found


def tree_digest(folder: Path) -> str:
    """The digest that names the folder's bytes."""
    return digest(canonical_json(files_of(folder)))
