"""Snapshots in a notebook: listed, fetched once, loaded as what the notebook works with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sandbox.client import connection
from sandbox.client.display import Progress, table
from sandbox.client.errors import ClientError, NotFound

As = Literal["pandas", "polars", "arrow", "duckdb", "ibis"]
SHOWN = ("dataset", "project", "state", "digest", "requested_at")
AT_A_GLANCE = ("dataset", "project", "state", "k", "l", "asked for", "digest")
ASK_FOR_ONE = "Ask a data steward to build one (sallyport snapshot create), and start the notebook again."


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One de-identified snapshot. `state` is 'built' once it can be loaded."""

    id: str
    dataset: str
    project: str
    state: str
    digest: str | None
    requested_at: str
    certificate: dict[str, Any]

    def _repr_html_(self) -> str:
        facts = [{"": name, "value": getattr(self, name)} for name in SHOWN]
        facts += [{"": name, "value": value} for name, value in self.certificate.items()]
        return table(f"Snapshot of {self.dataset}", facts, ("", "value"))

    def plot(self) -> Any:
        """A matplotlib figure of the measured k and l beside what is asked."""
        from sandbox.client import plots

        return plots.certificate(self.dataset, self.certificate)


class Snapshots(list[Snapshot]):
    """The snapshots of your projects, newest first."""

    def _repr_html_(self) -> str:
        if not self:
            return table("No snapshots yet", [], (), ASK_FOR_ONE)
        return table("Snapshots", [_at_a_glance(one) for one in self], AT_A_GLANCE)

    @property
    def newest(self) -> Snapshot:
        """The newest that can be loaded. Raises NotFound."""
        for one in self:
            if one.state == "built":
                return one
        raise NotFound("There is no built snapshot of your projects yet.", ASK_FOR_ONE)


def _at_a_glance(one: Snapshot) -> dict[str, Any]:
    """What a person compares snapshots by."""
    risk = {name: _measured(one.certificate, name) for name in ("k", "l")}
    asked_at = one.requested_at[:16].replace("T", " ")
    return {
        "dataset": one.dataset,
        "project": one.project,
        "state": one.state,
        **risk,
        "asked for": asked_at,
        "digest": one.digest,
    }


def _measured(certificate: dict[str, Any], name: str) -> str:
    """A measure beside what is asked of it; empty where neither is known."""
    if certificate.get(name) is None:
        return ""
    asked = certificate.get(f"{name}_asked")
    return f"{certificate[name]}" + (f" (asked: {asked})" if asked is not None else "")


def snapshots(dataset: str | None = None) -> Snapshots:
    """The snapshots of your projects, newest first; those of one dataset when it is named."""
    found = connection.every("/v1/snapshots")
    return Snapshots(_snapshot(one) for one in found if dataset in (None, one["dataset"]))


def tables(name: str) -> list[str]:
    """The tables of a snapshot, by its dataset, id or digest."""
    return sorted({_table_of(file.name) for file in _folder(name)[1].rglob("*.parquet")})


def load(name: str, table: str | None = None, as_: As = "pandas", columns: Sequence[str] | None = None) -> Any:
    """A table of the newest snapshot of dataset `name` (or of the snapshot of that id or digest).

    `as_` is "pandas", "polars", "arrow" (a Table), or "duckdb" or "ibis" (read as it is used); `columns` None is all.
    Raises NotFound, with what there is.
    """
    snapshot, folder = _folder(name)
    there = sorted({_table_of(file.name) for file in folder.rglob("*.parquet")})
    chosen = table or (there[0] if len(there) == 1 else None)
    if chosen not in there:
        said = f"has no table '{table}'" if table else "has several tables"
        raise NotFound(f"The snapshot of {snapshot} {said}.", f"Name one with table=: {', '.join(there)}.")
    files = [str(file) for file in sorted(folder.rglob("*.parquet")) if _table_of(file.name) == chosen]
    return _read(files, as_, list(columns) if columns is not None else None)


def folder(name: str) -> Path:
    """Where the files of the snapshot stand that `load(name)` reads."""
    return _folder(name)[1]


def snapshot_digest(name: str) -> str:
    """The digest of the snapshot that `load(name)` reads."""
    return _newest(name)["digest"] if not _given(name) else os.environ["SALLYPORT_SNAPSHOT_DIGEST"]


def _read(files: list[str], as_: As, columns: list[str] | None) -> Any:
    if as_ == "polars":
        import polars

        return polars.read_parquet(files, columns=columns)
    if as_ == "duckdb":
        import duckdb

        relation = duckdb.read_parquet(files)
        return relation.project(", ".join(f'"{column}"' for column in columns)) if columns else relation
    if as_ == "ibis":
        import ibis

        table = ibis.duckdb.connect().read_parquet(files)
        return table.select(columns) if columns else table
    if as_ not in ("pandas", "arrow"):
        raise ClientError(f"Tables are not loaded as '{as_}'.", "Use pandas, polars, arrow, duckdb or ibis.")
    from pyarrow import parquet

    read = parquet.read_table(files if len(files) > 1 else files[0], columns=columns)
    return read.to_pandas() if as_ == "pandas" else read


def _folder(name: str) -> tuple[str, Path]:
    """The dataset and the folder of its files: given to this process, shown to the jail, or fetched once."""
    if _given(name):
        return name, Path(os.environ["SALLYPORT_SNAPSHOT"])
    found = _newest(name)
    digest = found["digest"].removeprefix("sha256:")
    for place in (os.environ.get("SALLYPORT_SNAPSHOTS"), _cache()):
        if place and (Path(place) / digest).is_dir():
            return found["dataset"], Path(place) / digest
    return found["dataset"], _fetch(found["id"], Path(_cache()) / digest)


def _given(name: str) -> bool:
    known = (os.environ.get("SALLYPORT_SNAPSHOT_DIGEST"), os.environ.get("SALLYPORT_SNAPSHOT_DATASET"))
    return "SALLYPORT_SNAPSHOT" in os.environ and name in known


def _newest(name: str) -> dict[str, Any]:
    built = [one for one in connection.every("/v1/snapshots") if one["state"] == "built"]
    for one in built:
        if name in (one["dataset"], one["id"], one["digest"]):
            return dict(one)
    there = ", ".join(sorted({one["dataset"] for one in built})) or "none yet"
    raise NotFound(f"There is no built snapshot of '{name}'.", f"Choose one of: {there}; or ask a data steward to build one.")


def _fetch(snapshot: str, target: Path) -> Path:
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    names = connection.call("GET", f"/v1/snapshots/{snapshot}/files")["items"]
    progress = Progress("fetching the snapshot")
    for done, name in enumerate(names, 1):
        file = partial / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as opened:
            for part in connection.download(f"/v1/snapshots/{snapshot}/files/{name}"):
                opened.write(part)
        file.chmod(0o444)
        progress.at(done, len(names))
    progress.end()
    partial.rename(target)
    return target


def _cache() -> str:
    return str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sallyport" / "snapshots")


def _table_of(file: str) -> str:
    return file.split(".", maxsplit=1)[0].split("-", maxsplit=1)[0]


def _snapshot(one: dict[str, Any]) -> Snapshot:
    return Snapshot(
        one["id"],
        one["dataset"],
        one["project"],
        one["state"],
        one["digest"],
        one["requested_at"],
        _certificate(one.get("envelope")),
    )


def _certificate(envelope: Any) -> dict[str, Any]:
    """k and l as the signed manifest says them, measured and asked."""
    import base64
    import json

    if not envelope:
        return {}
    said = json.loads(base64.b64decode(envelope["payload"]))["predicate"]
    risk, limits = said.get("risk", {}), said.get("limits", {})
    asked = {"k_asked": limits.get("k"), "l_asked": limits.get("min_l")}
    return {name: risk[name] for name in ("k", "l", "t", "prosecutor_risk") if name in risk} | asked
