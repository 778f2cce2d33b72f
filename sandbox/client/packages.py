"""Packages in a notebook: those that came in through two reviews, from the sandbox's own wheelhouse."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sandbox.client.display import table
from sandbox.client.errors import ClientError, NotFound, NotHere

MISSING = re.compile(r"(?:No matching distribution found for|satisfies the requirement) ([^\s(]+)")


@dataclass(frozen=True, slots=True)
class Package:
    """A package that can be installed here."""

    name: str
    version: str


class Packages(list[Package]):
    """What the wheelhouse holds, by name."""

    def _repr_html_(self) -> str:
        return table("Packages", [{"name": one.name, "version": one.version} for one in self], ("name", "version"))


def packages() -> Packages:
    """What can be installed here beside what is there already."""
    named = [file.name.split("-") for file in sorted(_wheelhouse().glob("*.whl"))]
    return Packages(Package(parts[0], parts[1]) for parts in named)


def install(*names: str) -> None:
    """The packages of the wheelhouse can be imported; they stay in your home. Raises NotFound for one that is not there."""
    _wheelhouse()
    code, said = run_pip("install", *names)
    if code:
        missing = MISSING.search(said)
        what = missing[1] if missing else " ".join(names)
        step = (
            "sp.packages() shows what there is. Ask for another one, outside of the sandbox:"
            " sallyport wheelhouse add FILE.whl --project PROJECT --why ...; two people look at it."
        )
        if missing:
            raise NotFound(f"{what} is not in the wheelhouse, and there is no network to fetch it from.", step)
        raise ClientError(
            f"{what} could not be installed: {said.strip().splitlines()[-1] if said.strip() else 'pip failed'}", step
        )
    importlib.invalidate_caches()


def run_pip(*words: str) -> tuple[int, str]:
    """How pip ended, and what it said."""
    done = subprocess.run([sys.executable, "-m", "pip", *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def _wheelhouse() -> Path:
    folder = os.environ.get("SALLYPORT_WHEELS")
    if not folder:
        raise NotHere("There is no wheelhouse here.", "Packages are installed inside of `sallyport notebook`.")
    return Path(folder)
