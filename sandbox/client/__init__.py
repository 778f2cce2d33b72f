"""What a data scientist works with: `import sandbox.client as sp`, inside the sandbox and outside.

sp.snapshots()                              what there is
sp.load("clinic", table="encounters")       a table of the newest snapshot, as pandas, polars, arrow, duckdb or ibis
sp.features("readmission")                  what a model learns from, by a published definition
sp.track("my experiment", "clinic")         an MLflow run bound to the snapshot
sp.promote("runs:/...", "model.yaml")       towards production
sp.export({"table.csv": frame}, why="...")  out of the sandbox, after two reviews
sp.request_access(...), sp.live(...)        live data, for hours, under a lease
sp.packages(), sp.install("name")           packages that came in through two reviews
"""

from __future__ import annotations

from sandbox.client.access import AccessRequest, live, request_access, requests
from sandbox.client.data import Snapshot, load, snapshots, tables
from sandbox.client.errors import ClientError, NotConnected, NotFound, NotHere, Refused
from sandbox.client.features import feature_definitions, features, live_features
from sandbox.client.packages import Package, install, packages
from sandbox.client.work import Submitted, export, promote, safe_table, track

__all__ = [
    "AccessRequest", "ClientError", "NotConnected", "NotFound", "NotHere", "Package", "Refused", "Snapshot", "Submitted",
    "export", "feature_definitions", "features", "install", "live", "live_features", "load", "packages", "promote",
    "request_access", "requests", "safe_table", "snapshots", "tables", "track",
]  # fmt: skip
