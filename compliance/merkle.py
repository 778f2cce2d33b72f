"""The Merkle tree over all leaves of the ledger (RFC 9162 2.1): roots, inclusion, consistency and range proofs.

Leaves are read in spans from wherever they are stored, so memory stays flat: only the roots of blocks are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

NODE_PREFIX = b"\x01"
EMPTY_ROOT = hashlib.sha256(b"").digest()
BLOCK = 1 << 10

Leaves = Callable[[int, int], Iterable[bytes]]


class CompactTree:
    """A tree that grows to the right, known by the roots of its perfect subtrees, largest first."""

    def __init__(self) -> None:
        self._nodes: list[tuple[int, bytes]] = []
        self.size = 0

    def add(self, node: bytes, leaves: int = 1) -> None:
        """The perfect subtree `node` over `leaves` (a power of two that divides the size so far) is the tree's last."""
        self.size += leaves
        nodes = self._nodes
        while nodes and nodes[-1][0] == leaves:
            node = node_hash(nodes.pop()[1], node)
            leaves *= 2
        nodes.append((leaves, node))

    def root(self) -> bytes:
        """The root over all leaves added."""
        if not self._nodes:
            return EMPTY_ROOT
        root = self._nodes[-1][1]
        for _, node in reversed(self._nodes[:-1]):
            root = node_hash(node, root)
        return root


class Tree:
    """The tree over the first `size` leaves; `leaves(first, end)` gives the leaf hashes of [first, end), in order."""

    def __init__(self, size: int, leaves: Leaves) -> None:
        self.size, self._leaves = size, leaves
        self._blocks: list[bytes] = []
        full = size // BLOCK
        block, inside = CompactTree(), 0
        for leaf in leaves(0, full * BLOCK):
            block.add(leaf)
            inside += 1
            if inside == BLOCK:
                self._blocks.append(block.root())
                block, inside = CompactTree(), 0
        if len(self._blocks) != full or inside:
            raise ValueError("Leaves are missing from the tree.")

    def root(self, size: int | None = None) -> bytes:
        """The root over the first `size` leaves (default: all)."""
        return self.hash(0, self.size if size is None else size)

    def hash(self, first: int, end: int) -> bytes:
        """MTH(D[first:end]), where `first` is a multiple of the perfect subtrees in it."""
        tree = CompactTree()
        for low, high in perfect(first, end):
            if high - low >= BLOCK:
                tree.add(self._of_blocks(low // BLOCK, high // BLOCK), high - low)
            else:
                for leaf in self._leaves(low, high):
                    tree.add(leaf)
        if tree.size != end - first:
            raise ValueError("Leaves are missing from the tree.")
        return tree.root()

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """The inclusion proof of the leaf `index` in the tree of `size` (RFC 9162 2.1.3.1)."""
        size = self.size if size is None else size
        if not 0 <= index < size <= self.size:
            raise ValueError("No such leaf in a tree of that size.")
        return [self.hash(*span) for span in _inclusion(index, 0, size)]

    def consistency(self, old: int, size: int | None = None) -> list[bytes]:
        """The proof that the tree of `old` leaves is a prefix of the tree of `size` (RFC 9162 2.1.4.1)."""
        size = self.size if size is None else size
        if not 0 < old <= size <= self.size:
            raise ValueError("No such trees.")
        return [self.hash(*span) for span in _consistency(old, 0, size, whole=True)]

    def around(self, first: int, end: int) -> list[bytes]:
        """What a reader of the leaves [first, end) needs to reach the root: the perfect subtrees left and right of them."""
        return [self.hash(*span) for span in (*perfect(0, first), *perfect(end, self.size))]

    def _of_blocks(self, first: int, end: int) -> bytes:
        tree = CompactTree()
        for block in self._blocks[first:end]:
            tree.add(block)
        return tree.root()


def perfect(first: int, end: int) -> Iterator[tuple[int, int]]:
    """The largest perfect, aligned subtrees that cover [first, end), left to right."""
    while first < end:
        width = first & -first or 1 << end.bit_length()
        while first + width > end:
            width //= 2
        yield first, first + width
        first += width


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node (RFC 9162 2.1.1)."""
    return hashlib.sha256(NODE_PREFIX + left + right).digest()


def _split(first: int, end: int) -> int:
    return first + (1 << (end - first - 1).bit_length() - 1)


def _inclusion(index: int, first: int, end: int) -> list[tuple[int, int]]:
    if end - first == 1:
        return []
    middle = _split(first, end)
    if index < middle:
        return [*_inclusion(index, first, middle), (middle, end)]
    return [*_inclusion(index, middle, end), (first, middle)]


def _consistency(old: int, first: int, end: int, *, whole: bool) -> list[tuple[int, int]]:
    if old == end:
        return [] if whole else [(first, end)]
    middle = _split(first, end)
    if old <= middle:
        return [*_consistency(old, first, middle, whole=whole), (middle, end)]
    return [*_consistency(old, middle, end, whole=False), (first, middle)]
