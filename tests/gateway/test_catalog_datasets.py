"""Registered contracts as policy reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import resources

import psycopg

from compliance.entries import Actor
from gateway.catalog import datasets
from gateway.catalog.projects import ensure_project
from sandbox.contracts import load_contract
from sandbox.domains import contract_path

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STEWARD = Actor("sam", "person", ("data-steward",))


def test_a_contract_that_cannot_be_read_any_more_is_unknown_to_policy_and_no_hindrance_to_others(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        for package in ("compliance", "gateway.catalog"):
            connection.execute((resources.files(package) / "schema.sql").read_text("utf-8"))  # type: ignore[arg-type]
        ensure_project(connection, "p", new_key=lambda: (b"key", "wrapped"), actor=STEWARD, now=NOW)
        for name in ("adult", "clinic"):
            path = contract_path(name)
            datasets.register(
                connection, project="p", contract=load_contract(path), text=path.read_text("utf-8"), actor=STEWARD,
                decision_id="d", now=NOW,
            )  # fmt: skip
        assert set(datasets.policy_data(connection)) == {"adult", "clinic"}
        connection.execute("UPDATE catalog.datasets SET contract = contract || 'id: twice' WHERE id = 'adult'")
        assert set(datasets.policy_data(connection)) == {"clinic"}
