"""Which snapshots kernels open, by the word of the host (inotify(7)), which no code in a jail can keep from being said."""

from __future__ import annotations

import ctypes
import os
import struct
import threading
import time
from pathlib import Path

IN_OPEN, IN_ISDIR, IN_Q_OVERFLOW = 0x20, 0x40000000, 0x4000
HEAD = struct.Struct("iIII")  # watch, mask, cookie, length of the name
BLOCK = 65_536


class Reading:
    """Looks at a folder of snapshots, each in a folder that its digest names, from now on."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError where the system cannot look."""
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._digests: dict[int, str] = {}
        self._opened: dict[str, float] = {}
        self._lock = threading.Lock()
        for snapshot in sorted(one for one in folder.iterdir() if one.is_dir()):
            for place in (snapshot, *(one for one in snapshot.rglob("*") if one.is_dir())):
                watch = libc.inotify_add_watch(self._descriptor, os.fsencode(place), IN_OPEN)
                if watch < 0:
                    raise OSError(ctypes.get_errno(), "a snapshot cannot be watched")
                self._digests[watch] = f"sha256:{snapshot.name}"

    def since(self, when: float) -> list[str]:
        """The digests of the snapshots of which a file was opened since then (time.monotonic)."""
        with self._lock:
            self._take()
            return sorted(digest for digest, last in self._opened.items() if last >= when)

    def _take(self) -> None:
        """What was opened until now is known."""
        while True:
            try:
                said = os.read(self._descriptor, BLOCK)
            except BlockingIOError:
                return
            now, at = time.monotonic(), 0
            while at < len(said):
                watch, mask, _, length = HEAD.unpack_from(said, at)
                at += HEAD.size + length
                lost = self._digests.values() if mask & IN_Q_OVERFLOW else ()  # then it can be any of them
                found = [self._digests[watch]] if watch in self._digests and not mask & IN_ISDIR else []
                self._opened |= dict.fromkeys([*found, *lost], now)
