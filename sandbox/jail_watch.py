"""What a jail uses as a whole: processes, memory with its temporary files, and what it wrote to the host's folders.

Limits of the kernel bind one process each, and some of them do not bind root at all (RLIMIT_NPROC), so the sums are watched
from outside and the whole jail is ended when one is passed. Works as root and as an ordinary user, with or without cgroups.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

INODE_BYTES = 1024  # about what an empty file in memory costs


@dataclass(frozen=True, slots=True)
class Use:
    """Tasks (threads count, as for RLIMIT_NPROC), bytes of memory, and bytes on the host's disk."""

    tasks: int
    memory: int
    disk: int


class Watch:
    """Looks at the jail whose first process has the number `inside` on the host."""

    def __init__(self, inside: int, writable: Iterable[Path], temporary: Iterable[str]) -> None:
        """`temporary` names the folders inside that stand in memory; a folder of the host is measured as disk."""
        self._temporary = tuple(temporary)
        self._root = Path(f"/proc/{inside}/root")
        self._writable = tuple(writable)
        self._before = sum(_size(folder) for folder in self._writable)

    def use(self, *, with_disk: bool, exact_from: int) -> Use:
        """What the jail uses now; `disk` only when asked, since it is found by walking.

        Memory that processes share counts for each of them, till there is more than `exact_from`: then it is shared out.
        """
        disk = sum(_size(folder) for folder in self._writable) - self._before if with_disk else 0
        processes = self._processes()
        if not processes:
            return Use(0, 0, disk)
        found = [_process(self._root / "proc" / pid) for pid in processes]
        memory = sum(each.memory for each in found)
        if memory > exact_from:
            memory = sum(_exactly(self._root / "proc" / pid) for pid in processes)
        return Use(sum(each.tasks for each in found), memory + _in_memory(self._root, self._temporary), disk)

    def _processes(self) -> list[str]:
        """The jail's processes as its own /proc lists them; none while it is being set up, or has ended."""
        try:
            if (self._root / "proc").stat().st_dev == Path("/proc").stat().st_dev:
                return []
            return [name for name in os.listdir(self._root / "proc") if name.isdecimal()]  # noqa: PTH208 - names only
        except OSError:
            return []


def _process(folder: Path) -> Use:
    """Threads, and bytes that are not of files on a disk (those can be dropped)."""
    words = _words(folder / "status")
    return Use(words.get("Threads", 0), (words.get("RssAnon", 0) + words.get("RssShmem", 0)) << 10, 0)


def _exactly(folder: Path) -> int:
    """The same bytes with what is shared divided among those who share it; slower."""
    words = _words(folder / "smaps_rollup")
    return (words.get("Pss_Anon", 0) + words.get("Pss_Shmem", 0)) << 10


def _words(path: Path) -> dict[str, int]:
    """name -> number, of a file of /proc; nothing of a process that has ended."""
    try:
        lines = [line.split() for line in path.read_text("utf-8", "replace").splitlines()]
    except OSError:
        return {}
    return {words[0].rstrip(":"): int(words[1]) for words in lines if len(words) > 1 and words[1].isdecimal()}


def _in_memory(root: Path, folders: Iterable[str]) -> int:
    """Bytes and files in the jail's folders that stand in memory."""
    total = 0
    for name in folders:
        try:
            found = os.statvfs(root / name.lstrip("/"))
        except OSError:
            continue
        total += (found.f_blocks - found.f_bfree) * found.f_frsize + (found.f_files - found.f_ffree) * INODE_BYTES
    return total


def _size(folder: Path) -> int:
    """Bytes below `folder` as stored; each file counts at least one kibibyte, so that a million empty ones do too."""
    total, folders = 0, [str(folder)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    total += max(entry.stat(follow_symlinks=False).st_blocks * 512, 1024)
        except OSError:
            continue
    return total
