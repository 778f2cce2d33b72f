"""Published feature definitions in a notebook: on a snapshot for training, on a lease for scoring; the same definition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sandbox.client import connection, data
from sandbox.client.display import table
from sandbox.client.errors import NotFound

SHOWN = ("name", "version", "dataset", "project", "shared", "digest")


class FeatureDefinitions(list[dict[str, Any]]):
    """The published definitions you may use."""

    def _repr_html_(self) -> str:
        return table("Features", self, SHOWN)


def feature_definitions() -> FeatureDefinitions:
    """The definitions of your projects and those shared with all, oldest first."""
    return FeatureDefinitions(connection.call("GET", "/v1/features")["items"])


def features(name: str, version: str | None = None, *, snapshot: str | None = None, as_: str = "pandas") -> Any:
    """The rows a model learns from: row_id, person, as_of, label and the features of `name`, in one order.

    On the newest snapshot of the definition's dataset, or the one named; `version` None is the newest. `as_` is pandas, polars
    or arrow.
    """
    from sandbox.features import Compiled
    from sandbox.features.running import on_files, table_files

    found = _published(name, version)
    made = on_files(found["snapshot_sql"], table_files(data.folder(snapshot or found["dataset"])), Compiled.of(found).columns)
    if as_ == "polars":
        return made
    return made.to_arrow() if as_ == "arrow" else made.to_pandas()


def live_features(opened: Any, name: str, version: str | None = None, *, entities: Sequence[str] | None = None) -> Any:
    """The features of live rows as a pandas table, of all or of those `entities`; `opened` is what `sp.live(...)` gave."""
    from sandbox.features import Compiled
    from sandbox.features.running import on_postgres

    found = _published(name, version)
    return on_postgres(found["live_sql"], opened, Compiled.of(found).columns, entities).to_pandas()


def _published(name: str, version: str | None) -> dict[str, Any]:
    from sandbox.features import Compiled

    there = feature_definitions()
    for one in reversed(there):
        if one["name"] == name and version in (None, one["version"]):
            return {field: one[field] for field in Compiled.__slots__}
    known = ", ".join(f"{one['name']} {one['version']}" for one in there) or "none yet"
    said = f"{name} {version}" if version else name
    raise NotFound(f"There are no published features '{said}'.", f"Choose one of: {known}; or run sallyport features publish.")
