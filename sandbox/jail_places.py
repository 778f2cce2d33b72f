"""What of the host a jail shows to read: the system's programs and libraries, this Python, and Sallyport's own packages."""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
from pathlib import Path

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/alternatives")
OURS = ("sandbox", "promotion", "compliance", "policies")
START, START_FILE = "/run/start.py", Path(__file__).parent / "jail_start.py"


def system_folders() -> list[Path]:
    """Those of the system's folders that this machine has."""
    return [Path(path) for path in SYSTEM if Path(path).is_symlink() or Path(path).exists()]


@functools.cache
def python_folders() -> tuple[str, ...]:
    """The folders that hold this Python, its libraries and Sallyport's own packages, and nothing above them."""
    ours = Path(__file__).resolve().parents[1]
    wanted = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parents[1]}
    wanted |= {Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))}
    wanted |= {ours / name for name in OURS}
    outside = sorted(path for path in wanted if path.exists() and not str(path).startswith("/usr/"))
    return tuple(str(path) for path in outside if not any(path.is_relative_to(o) and path != o for o in outside))


def covers() -> list[str]:
    """Folders of secrets that stand inside what is shown; an empty folder is laid over each."""
    shown = [*map(Path, python_folders()), *(path.resolve() for path in system_folders())]
    home = Path(os.environ.get("SALLYPORT_HOME") or ".sallyport").expanduser().absolute()
    secret = [home, home.resolve(), Path("/usr/local/etc")]
    return sorted({str(path) for path in secret if path.is_dir() and any(path.is_relative_to(one) for one in shown)})
