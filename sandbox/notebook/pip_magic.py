"""A kernel's `%pip`: packages come from the wheelhouse, and what is not there is said with what to do about it."""

from __future__ import annotations

from typing import Any


def load_ipython_extension(shell: Any) -> None:
    """`%pip install NAME...` installs from the wheelhouse; other words go to pip as they are."""
    shell.register_magic_function(pip, "line", "pip")


def pip(line: str) -> None:
    """Install packages of the wheelhouse, or run another command of pip."""
    import shlex

    from sandbox.client.packages import install, run_pip

    words = shlex.split(line)
    if words[:1] == ["install"] and not any(word.startswith("-") for word in words[1:]):
        install(*words[1:])
    else:
        print(run_pip(*words)[1])
