"""Live rows for a model's checks: read by an identity Vault makes for one reading, and in the ledger before they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
from psycopg.conninfo import make_conninfo

from compliance.entries import Actor
from gateway.catalog.datasets import Dataset
from gateway.composition import Services
from promotion import requests
from promotion.errors import LiveRowsUnfit, SnapshotOutdated
from promotion.requests import Promotion
from sandbox.contracts import Contract
from sandbox.errors import SourceMismatch
from sandbox.held_back import live_rows
from sandbox.sources import PostgresSource
from sandbox.survey import read_tables
from sandbox.writing import write_tables

VAULT_ROLE = "promotion-checker"
CHECKER = Actor(VAULT_ROLE, "service")


@dataclass(frozen=True, slots=True)
class LiveRows:
    """The live tables of the dataset a promotion's contract names, for one of its checks; `manifests` by snapshot digest."""

    given: Services
    promotion: Promotion
    dataset: Dataset
    check: str
    manifests: Mapping[str, Mapping[str, Any]]

    def held_back(self, snapshot: str, into: Path) -> None:
        """`into` holds the live rows of the persons held back from that snapshot.

        Raises SnapshotOutdated, LiveRowsUnfit, VaultError.
        """
        manifest = self.manifests[snapshot]
        if manifest["contract"]["digest"] != self.dataset.digest:
            raise SnapshotOutdated("The snapshot was built under another version of its dataset contract.")
        key = self.given.vault.unwrap_data_key(manifest["wrapped_key"])
        into.mkdir(mode=0o700)
        write_tables(live_rows(self.dataset.contract, self._read(), key), into / "tables")

    def tables(self) -> dict[str, Any]:
        """Table -> its live rows. Raises LiveRowsUnfit where they are not as the contract says, VaultError."""
        return {name: frame.to_pandas() for name, frame in self._read().items()}

    def _read(self) -> dict[str, pl.DataFrame]:
        contract: Contract = self.dataset.contract
        try:
            with self._connected() as live:
                return read_tables(contract, PostgresSource(live, self.dataset.id))
        except SourceMismatch as error:
            raise LiveRowsUnfit(str(error)) from error

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        credential = self.given.vault.credential(VAULT_ROLE)
        try:
            self._record(credential.lease_id, credential.username)
            address = make_conninfo(
                self.given.database("gateway_live", "live"), user=credential.username, password=credential.password
            )
            with psycopg.connect(address) as live:
                yield live
        finally:
            self.given.vault.revoke_lease(credential.lease_id)

    def _record(self, lease: str, username: str) -> None:
        """The ledger says who is about to read what, and for which check."""
        refs = {"check": self.check, "dataset": self.dataset.id, "lease": lease, "username": username}
        detail = {"contract": self.dataset.digest, "tables": ", ".join(table.name for table in self.dataset.contract.tables)}
        with self.given.pool.connection() as connection:
            requests.record(
                connection, self.promotion, "check:live-read", "done", CHECKER, self.given.clock(), refs=refs, detail=detail
            )
