"""An embedded stack for one measurement: nobody else is in it, and nothing of it is left."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.embedded.home import Home


@contextmanager
def own_stack() -> Iterator[Home]:
    """The stack runs, and `SALLYPORT_HOME` names its home; its parent has room for more files."""
    from gateway.embedded import stack
    from gateway.embedded.home import Home

    folder = Path(tempfile.mkdtemp(prefix="sp-bench-"))
    os.environ["SALLYPORT_HOME"] = str(folder / "home")
    home = Home.here()
    try:
        stack.up(home, lambda name, seconds: None)
        yield home
    finally:
        stack.down(home, lambda name, seconds: None)
        for left in (home.sockets, folder):
            shutil.rmtree(left, ignore_errors=True)
