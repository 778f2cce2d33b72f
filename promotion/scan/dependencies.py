"""Dependency files: names and versions from the package index, and nothing that points elsewhere."""

from __future__ import annotations

import re
from typing import Any

from promotion.scan.report import require

NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
VERSION = r"(?:===|[=<>!~]=|[<>=])\s*[\w.*+!-]+"
MARKER = (
    r"\(*\s*(?:python_version|python_full_version|os_name|sys_platform|platform_[a-z_]+|implementation_[a-z]+|extra)\s*"
    r"(?:[=<>!~]=?=?|in|not in)\s*(?:'[\w.* -]*'|\"[\w.* -]*\")\s*\)*"
)
REQUIREMENT = re.compile(
    rf"(?:(?:conda-forge|defaults)::)?{NAME}(?:\s*\[[\w\s,.-]+\])?\s*\(?(?:{VERSION}(?:\s*,\s*{VERSION})*)?(?:=[\w.*]+)?\)?"
    rf"(?:\s*;\s*{MARKER}(?:\s+(?:and|or)\s+{MARKER})*)?",
)
ARCHIVE = re.compile(r"\.(?:whl|zip|egg|tar|tgz|tbz|txz|tlz|gz|bz2|xz|lzma)\b", re.I)  # a file's name, to an installer
HASH = re.compile(r"\s--hash=(?:sha256|sha384|sha512):[0-9a-f]{64,128}")
COMMENT = re.compile(r"(?:^|\s)#.*$")
CONTINUED_COMMENT = re.compile(r"#.*\\\s*$", re.M)
BESIDE = ("-r requirements.txt", "-c constraints.txt")
CHANNELS = frozenset({"conda-forge", "defaults", "nodefaults", "anaconda", "main"})
CONDA_KEYS = frozenset({"name", "channels", "dependencies"})
PYTHON_ENV_KEYS = frozenset({"python", "build_dependencies", "dependencies"})
OUTSIDE = "A dependency points outside the package index."
POINTER = re.compile(
    r"^\s*(?:-[erfi]\b|--?(?:index-url|extra-index-url|find-links|editable|requirement)\b|(?:git|hg|svn|bzr)\+)", re.M
)


def require_requirements(text: str) -> None:
    """Every line names a package of the index. Raises Refused."""
    # An installer ends a comment at the end of its line, whatever the line ends with: what follows is not hidden by it.
    require(not CONTINUED_COMMENT.search(text), "dependency_reference", "A comment ends with a backslash.")
    for line in text.replace("\\\n", " ").splitlines():
        bare = HASH.sub("", " " + COMMENT.sub("", line)).strip()
        if bare:
            require(bare in BESIDE or _named(bare), "dependency_reference", OUTSIDE)


def require_environment(value: Any) -> None:
    """A conda.yaml or python_env.yaml names packages of the index and known channels only. Raises Refused."""
    good = isinstance(value, dict) and (set(value) <= CONDA_KEYS or set(value) <= PYTHON_ENV_KEYS)
    require(good, "dependency_reference", "The environment file has entries that are not on the list.")
    channels = value.get("channels") or []
    known = isinstance(channels, list) and all(channel in CHANNELS for channel in channels)
    require(known, "dependency_reference", "The environment file names a channel that is not on the list.")
    for item in [*(value.get("dependencies") or []), *(value.get("build_dependencies") or [])]:
        lines = [item]
        if isinstance(item, dict):
            require(set(item) == {"pip"} and isinstance(item["pip"], list), "dependency_reference", OUTSIDE)
            lines = item["pip"]
        for line in lines:
            require(isinstance(line, str) and (line in BESIDE or _named(line)), "dependency_reference", OUTSIDE)
    python = str(value.get("python", "3"))
    require(bool(re.fullmatch(r"[0-9][0-9.]*", python)), "dependency_reference", "The environment names no Python version.")


def points_elsewhere(text: str) -> bool:
    """A text has lines that an installer of packages would follow to another place."""
    return bool(POINTER.search(text))


def _named(line: str) -> bool:
    return bool(REQUIREMENT.fullmatch(line.strip())) and not ARCHIVE.search(line.partition(";")[0])
