"""`sallyport new`: a project from the template, which Copier renders as a program of its own."""

from __future__ import annotations

import getpass
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from gateway.console import fail, say

TEMPLATE = Path(__file__).parents[1] / "template"
NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
INSTALL = "install it beside Sallyport: pip install copier"


@click.command()
@click.argument("name")
@click.option(
    "--contract", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The contract of the dataset the project works on.",
)  # fmt: skip
@click.option("--label", help="The column a model is to learn, as TABLE.COLUMN; default: the only one of zeros and ones.")
@click.option("--as-of", help="The column that says when a row's features are asked for; default: the table's last date or time.")
@click.option("--project", help="The Sallyport project; default: the contract's.")
@click.option("--out", type=click.Path(path_type=Path), help="A folder that does not exist yet; default: NAME.")
def command(name: str, contract: Path, label: str | None, as_of: str | None, project: str | None, out: Path | None) -> None:
    """Make the project NAME: features, training script, notebook, tests, model contract, CI and one Makefile."""
    import yaml

    from sandbox.errors import SandboxError
    from sandbox.features.outline import outline

    copier, target = _copier(), out or Path(name)
    if not NAME.fullmatch(name):
        fail("invalid_name", "A project's name is of a-z, 0-9 and _, and begins with a letter.")
    if target.exists():
        fail("out_exists", f"{target} exists already.", "name a folder that does not exist yet")
    try:
        from sandbox.contracts import load_contract

        found = load_contract(contract)
        answers: dict[str, Any] = outline(found, label=label, as_of=as_of)
    except SandboxError as error:
        fail(error.code, str(error), "name the columns with --label TABLE.COLUMN and --as-of COLUMN")
    answers |= {"name": name, "dataset": found.id, "project": project or found.project or "default", "owner": getpass.getuser()}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "answers.yml"
        file.write_text(yaml.safe_dump(answers), "utf-8")
        words = [*copier, "copy", "--defaults", "--quiet", "--data-file", str(file), str(TEMPLATE), str(target)]
        ended = subprocess.run(words, capture_output=True, text=True, check=False)
    if ended.returncode:
        fail("template_failed", f"The template could not be rendered: {ended.stderr.strip()[-500:]}")
    shutil.copyfile(contract, target / "contract.yaml")
    (target / "snapshot.digest").touch()
    say(f"{target} is made. Next: put the digest of a snapshot into {target}/snapshot.digest, and run make model there.")


def _copier() -> list[str]:
    """The program, beside this Python or on the path; it is never imported, for a part of it stands under the GPL."""
    beside = Path(sys.executable).parent / "copier"
    found = str(beside) if beside.is_file() else shutil.which("copier")
    if found is None:
        fail("part_missing", "Projects are made by Copier, which is not installed.", INSTALL)
    return [found]
