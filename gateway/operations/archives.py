"""A backup's file: a tar of plain files whose last member is a manifest with the digest of each of the others.

A file that was cut short has no manifest, so it cannot be taken for a whole one.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from gateway.embedded import home
from gateway.errors import BackupRefused

FORMAT = 1
MANIFEST = "manifest.json"
POSTGRES, VAULT, STACK = "postgres.tar", "openbao.snap", "stack.json"
# Vault and the databases are copied by their own means; what is being uploaded, logs and process ids are not kept.
FOLDERS = tuple(name for name in home.FOLDERS if "/" not in name and name not in ("openbao", "staging", "logs", "run", "shadows"))
MOST_MANIFEST_BYTES = 64 << 20
PIECE = 1 << 20


@dataclass(slots=True)
class Writer:
    """Adds files to an archive and remembers what they were."""

    tar: tarfile.TarFile
    files: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, name: str, path: Path) -> None:
        """The archive holds the file under `name`."""
        about = tarfile.TarInfo(name)
        with path.open("rb") as file:
            about.size, about.mode = os.fstat(file.fileno()).st_size, 0o600
            reading = Hashing(file)
            self.tar.addfile(about, reading)
        self.files[name] = {"sha256": reading.hexdigest(), "bytes": about.size}


class Hashing:
    """A file whose digest is known once it was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._hash = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._hash.update(data)
        return data

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


@contextmanager
def writing(out: Path, facts: Mapping[str, Any]) -> Iterator[Writer]:
    """After the block `out`, readable by this account only, holds what was added and the manifest; else it is as before."""
    partial = out.with_name(f".{out.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                writer = Writer(tar)
                yield writer
                _add_manifest(tar, {"format": FORMAT, **facts, "files": writer.files})
            file.flush()
            os.fsync(file.fileno())
        os.link(partial, out)  # unlike a renaming, this never replaces a file that came meanwhile
    finally:
        partial.unlink(missing_ok=True)


def plain_files(root: Path, folders: Iterable[str] = FOLDERS) -> Iterator[tuple[str, Path]]:
    """(name, path) of each plain file of the folders; what is being written just now is left out."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and not path.is_symlink() and "partial" not in path.name and "partial" not in path.parts:
                yield path.relative_to(root).as_posix(), path


def unpack(archive: IO[bytes], folder: Path) -> dict[str, Any]:
    """`folder` holds the archive's files, each with the digest its manifest names; the manifest. Raises BackupRefused."""
    found: dict[str, dict[str, Any]] = {}
    manifest: dict[str, Any] | None = None
    _require_whole_records(archive)
    try:
        with tarfile.open(fileobj=archive, mode="r:") as tar:
            for member in tar:
                if manifest is not None:
                    raise BackupRefused("Something follows the manifest of this backup.")
                content = _content(tar, member)
                if member.name == MANIFEST:
                    manifest = _manifest(content, member.size)
                else:
                    found[member.name] = _unpack(content, folder / _safe(member.name))
    except (tarfile.TarError, EOFError, OSError) as error:
        raise BackupRefused(f"The backup cannot be read or written out ({type(error).__name__}); it may be cut short.") from error
    if manifest is None:
        raise BackupRefused("The backup has no manifest: it was not written to its end.")
    if manifest["files"] != found:
        raise BackupRefused("The backup's files are not those that its manifest names.")
    if missing := [name for name in (POSTGRES, VAULT, STACK) if name not in found]:
        raise BackupRefused(f"The backup lacks {missing[0]}.")
    return manifest


def _require_whole_records(archive: IO[bytes]) -> None:
    """The archive was not cut in the padding at its end either, where the manifest is whole already. Raises BackupRefused."""
    size = archive.seek(0, os.SEEK_END)
    archive.seek(0)
    if not size or size % tarfile.RECORDSIZE:
        raise BackupRefused("The backup was cut short: its last record is not whole.")


def unpack_tree(tar_file: Path, folder: Path) -> None:
    """`folder` holds the tree of PostgreSQL's own backup. Raises BackupRefused."""
    folder.mkdir(mode=0o700)
    try:
        with tarfile.open(tar_file, mode="r:") as tar:
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, OSError) as error:
        raise BackupRefused(f"The databases in the backup cannot be unpacked ({type(error).__name__}).") from error


def _add_manifest(tar: tarfile.TarFile, manifest: Mapping[str, Any]) -> None:
    import io

    data = json.dumps(manifest, sort_keys=True).encode()
    about = tarfile.TarInfo(MANIFEST)
    about.size, about.mode = len(data), 0o600
    tar.addfile(about, io.BytesIO(data))


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member) if member.isreg() and not member.issparse() else None
    if content is None:
        raise BackupRefused("The backup holds something other than plain files.")
    return content


def _manifest(content: IO[bytes], size: int) -> dict[str, Any]:
    try:
        manifest = json.loads(content.read()) if size <= MOST_MANIFEST_BYTES else None
    except ValueError as error:
        raise BackupRefused("The backup's manifest cannot be read.") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT or not isinstance(manifest.get("files"), dict):
        raise BackupRefused("This is no backup that this release of Sallyport can read.")
    return manifest


def _safe(name: str) -> PurePosixPath:
    """The name as a path that stays inside and is one of those a backup holds."""
    path = PurePosixPath(name)
    inside = not path.is_absolute() and ".." not in path.parts and "\\" not in name and "\0" not in name
    if not inside or not (name in (POSTGRES, VAULT, STACK) or (path.parts[0] in FOLDERS and len(path.parts) > 1)):
        raise BackupRefused("The backup holds a file that does not belong into a home.")
    return path


def _unpack(content: IO[bytes], target: Path) -> dict[str, Any]:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    reading, size = Hashing(content), 0
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # a name that comes twice is refused
    with os.fdopen(descriptor, "wb") as file:
        while piece := reading.read(PIECE):
            size += file.write(piece)
    return {"sha256": reading.hexdigest(), "bytes": size}
