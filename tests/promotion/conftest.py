"""A control database with the real schemas, and door 3 over it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import psycopg
import pytest
from door_three import Gate

from policies.bundle import Bundle
from policies.client import PolicyClient
from policies.embedded import EmbeddedEngine
from promotion.store import ModelStore


@pytest.fixture(scope="session")
def policy() -> PolicyClient:
    return PolicyClient(EmbeddedEngine(Bundle.load()))


@pytest.fixture
def control(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """The control database as the application's role."""
    with psycopg.connect(database_url) as connection:
        for package in ("compliance", "promotion"):
            connection.execute((resources.files(package) / "schema.sql").read_text("utf-8"))  # type: ignore[arg-type]
        connection.execute("SET ROLE sallyport_app")
        connection.commit()
        yield connection


@pytest.fixture
def gate(control: psycopg.Connection[Any], policy: PolicyClient, tmp_path: Path) -> Gate:
    (tmp_path / "given").mkdir()
    return Gate(control, policy, ModelStore(tmp_path / "store"), tmp_path / "given")
