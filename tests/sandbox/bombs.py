"""Processes that use all they can get: bombs.py NAME. Prints how far it came."""

import contextlib
import mmap
import os
import sys
import time
from pathlib import Path

MIB = 1 << 20
MOST_PROCESSES = 2_000  # far beyond every limit under test, and few enough that a watch that loses takes no machine down


def forks() -> None:
    while True:
        with contextlib.suppress(OSError):
            if os.fork() == 0:
                while True:
                    if len(os.listdir("/proc")) > MOST_PROCESSES:
                        time.sleep(60)
                    with contextlib.suppress(OSError):
                        os.fork()
                    time.sleep(0.001)


def threads() -> None:
    import threading

    started = 0
    try:
        while True:
            threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
            started += 1
    except RuntimeError:
        print(started, flush=True)


def memory() -> None:
    kept = []
    while True:
        kept.append(b"x" * (16 * MIB))


def memory_of_many() -> None:
    for _ in range(8):
        if os.fork() == 0:
            break
    block = mmap.mmap(-1, 200 * MIB)
    for at in range(0, 200 * MIB, 4096):
        block[at] = 1
    time.sleep(600)


def memory_without_owner() -> None:
    descriptor, written = os.memfd_create("hidden"), 0
    for _ in range(400):
        written += os.write(descriptor, b"x" * MIB)
    print(written, flush=True)


def disk_in(folder: str) -> None:
    written = 0
    try:
        for number in range(100_000):
            with Path(folder, str(number)).open("wb") as file:
                for _ in range(4):
                    file.write(b"\1" * MIB)
                    written += 1
    except OSError as error:
        print(written, error.errno, flush=True)


def files_in(folder: str) -> None:
    for number in range(1_000_000):
        Path(folder, str(number)).touch()
    print("all made", flush=True)


def output() -> None:
    line = b"x" * 65536
    for _ in range(1_000):
        os.write(1, line)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
