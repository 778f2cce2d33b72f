"""Checkpoints in a place the database's administrator does not own: one file each, in a folder that only grows.

A checkpoint is signed only when the ledger still agrees with every one published before, so a rewritten ledger gets none.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from psycopg import Connection

from compliance.attestations import Signer
from compliance.checkpoints import ORIGIN, sign_checkpoint, size_of
from compliance.errors import LedgerRewritten
from compliance.extent import leaf_hashes
from compliance.ledger import last_seq
from compliance.merkle import Tree

MOST_IN_BUNDLE = 200


def published(folder: Path) -> list[bytes]:
    """The checkpoints in `folder`, smallest first."""
    if not folder.is_dir():
        return []
    return [path.read_bytes() for path in sorted(folder.glob("*.txt"))]


def thinned(notes: Sequence[bytes], size: int) -> list[bytes]:
    """Those that a bundle over a tree of `size` holds: MOST_IN_BUNDLE spread over the ledger's life, the newest among them.

    Which ones depends on those up to `size` alone, so that the same period gives the same bundle however many come later;
    those beyond are kept, as a ledger that was cut shows by them.
    """
    before = [note for note in notes if size_of(note) <= size]
    step = -(-len(before) // MOST_IN_BUNDLE) or 1
    return [*before[::-1][::step][::-1], *(note for note in notes if size_of(note) > size)]


def publish(folder: Path, checkpoint: bytes) -> Path:
    """The checkpoint stands in `folder`, for good: a file is never written over."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{size_of(checkpoint):012d}-{root_of(checkpoint).hex()[:12]}.txt"
    path, partial = folder / name, folder / f".{name}.{os.getpid()}"
    if not path.exists():
        with partial.open("wb") as file:
            file.write(checkpoint)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    return path


def ledger_tree(connection: Connection[Any]) -> Tree:
    """The Merkle tree over all entries that stand now."""
    return Tree(last_seq(connection), lambda first, end: leaf_hashes(connection, first, end))


def new_checkpoint(connection: Connection[Any], signer: Signer, folder: Path, *, origin: str = ORIGIN) -> bytes:
    """A signed checkpoint of the ledger as it is, published in `folder`. Raises LedgerRewritten, and then signs nothing."""
    tree = ledger_tree(connection)
    for note in published(folder):
        require_agreement(tree, note)
    checkpoint = sign_checkpoint(tree.size, tree.root(), signer, origin=origin)
    publish(folder, checkpoint)
    return checkpoint


def publish_growth(connection: Connection[Any], signer: Signer, folder: Path, *, origin: str = ORIGIN) -> bytes | None:
    """A checkpoint of what was added since the newest one is published; None when nothing was.

    Holds the ledger against the newest one only, so that it may be done often: that one was held against those before it.
    """
    newest = published(folder)[-1:]
    if newest and last_seq(connection) == size_of(newest[0]):
        return None
    tree = ledger_tree(connection)
    for note in newest:
        require_agreement(tree, note)
    if not tree.size:
        return None
    checkpoint = sign_checkpoint(tree.size, tree.root(), signer, origin=origin)
    publish(folder, checkpoint)
    return checkpoint


def require_agreement(tree: Tree, note: bytes) -> None:
    """The ledger still begins as it was when `note` was signed. Raises LedgerRewritten."""
    size = size_of(note)
    if size > tree.size:
        raise LedgerRewritten(f"The ledger has {tree.size} entries, but had {size} when a checkpoint was published: it was cut.")
    if tree.root(size) != root_of(note):
        raise LedgerRewritten(f"The first {size} entries are not those of the checkpoint published: the ledger was rewritten.")


def root_of(note: bytes) -> bytes:
    """The root in a checkpoint; empty for what is none."""
    try:
        return base64.b64decode(note.split(b"\n")[2], validate=True)
    except (IndexError, binascii.Error):
        return b""
