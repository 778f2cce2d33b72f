"""The model store: read-only folders named by the digest of their bytes, and signed statements of what is deployed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from compliance.attestations import Statement, verify_envelope
from compliance.errors import UntrustedAttestation
from promotion.errors import NotDeployed, StoreUnavailable, Tampered
from promotion.tree import tree_digest

PREDICATE_TYPE = "urn:sallyport:deployment:v1"
CHAMPION = "champion"
SUFFIX = ".dsse.json"


class ModelStore:
    """A content-addressed store in a folder of any mounted file system."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, folder: Path) -> str:
        """The bytes of `folder` are in the store, read-only and synced; their digest. Putting them again changes nothing.

        Raises StoreUnavailable, Tampered; then nothing of them is there.
        """
        digest = tree_digest(folder)
        target = self.folder(digest)
        if target.exists():
            return digest
        partial = self._root / "partial" / uuid4().hex
        with _writing():
            try:
                partial.parent.mkdir(parents=True, exist_ok=True)
                shutil.copytree(folder, partial, symlinks=True)
                if tree_digest(partial) != digest:
                    raise Tampered("The model changed while it was copied.")
                for path in partial.rglob("*"):
                    if path.is_file():
                        path.chmod(0o444)
                        _sync(path)
                target.parent.mkdir(parents=True, exist_ok=True)
                _rename(partial, target)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        return digest

    def folder(self, digest: str) -> Path:
        """Where the bytes of `digest` stand, or would."""
        return self._root / "sha256" / digest.removeprefix("sha256:")

    def deploy(self, project: str, name: str, envelope: Mapping[str, Any], *, stage: str = CHAMPION) -> None:
        """The signed statement says what is in production under that name, in that stage, from now on.

        Raises StoreUnavailable; then what stood there stands.
        """
        path = self._statement_file(project, name, stage)
        partial = path.with_suffix(f".{uuid4().hex}.partial")
        with _writing():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                partial.write_text(json.dumps(envelope), "utf-8")
                _sync(partial)
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)

    def withdraw(self, project: str, name: str, *, stage: str) -> None:
        """Nothing stands in that stage any more. Raises StoreUnavailable."""
        with _writing():
            self._statement_file(project, name, stage).unlink(missing_ok=True)

    def statement(self, project: str, name: str, *, stage: str = CHAMPION) -> dict[str, Any] | None:
        """The envelope that stands there, whoever signed it; None when there is none that can be read."""
        try:
            return dict(json.loads(self._statement_file(project, name, stage).read_text("utf-8")))
        except (OSError, ValueError):
            return None

    def deployed(self) -> list[tuple[str, str]]:
        """(project, name) of everything in production."""
        return [(project, name) for project, name, stage in self.statements() if stage == CHAMPION]

    def statements(self) -> list[tuple[str, str, str]]:
        """(project, name, stage) of every statement, whoever signed it."""
        files = self._root.glob(f"deployments/*/*{SUFFIX}")
        names = [(file.parent.name, *file.name.removesuffix(SUFFIX).partition("@")) for file in files]
        return sorted((project, name, stage or CHAMPION) for project, name, _, stage in names)

    def stamp(self, project: str, name: str, *, stage: str = CHAMPION) -> float | None:
        """Changes whenever another statement is deployed under that name; None when nothing is."""
        try:
            return os.stat(f"{self._root}/deployments/{project}/{_file(name, stage)}").st_mtime_ns  # noqa: PTH116 - asked each request
        except OSError:
            return None

    def open_verified(
        self, project: str, name: str, public_keys: Mapping[str, str], *, stage: str = CHAMPION
    ) -> tuple[Path, Statement]:
        """The folder of the deployed model, whose statement is signed and whose bytes are the signed ones.

        Raises NotDeployed, or Tampered when signature, name, stage or bytes are not right: then nothing is served.
        """
        try:
            envelope = json.loads(self._statement_file(project, name, stage).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise NotDeployed(f"No model {project}/{name} is deployed.") from error
        try:
            statement = verify_envelope(envelope, public_keys)
        except UntrustedAttestation as error:
            raise Tampered("The deployment's signature does not verify.") from error
        digest = next((subject.digest for subject in statement.subjects if subject.name == "model"), "")
        said = statement.predicate
        right = statement.predicate_type == PREDICATE_TYPE and said.get("model") == f"{project}/{name}"
        right = right and said.get("stage", CHAMPION) == stage
        folder = self.folder(digest)
        if not right or not folder.is_dir() or tree_digest(folder) != digest:
            raise Tampered("The deployed bytes are not those that were approved.")
        return folder, statement

    def _statement_file(self, project: str, name: str, stage: str = CHAMPION) -> Path:
        return self._root / "deployments" / project / _file(name, stage)


def _file(name: str, stage: str) -> str:
    """No model's name has an at sign in it."""
    return f"{name}{SUFFIX}" if stage == CHAMPION else f"{name}@{stage}{SUFFIX}"


@contextmanager
def _writing() -> Iterator[None]:
    """What the file system says against writing becomes ours."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailable("The model store cannot be written; ask your operator to look at its volume.") from error


def _rename(partial: Path, target: Path) -> None:
    """`target` holds the bytes, by us or by somebody who put the same ones first."""
    try:
        partial.rename(target)
    except OSError:
        if not target.is_dir():
            raise


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
