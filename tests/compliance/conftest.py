"""A ledger in a database of the test's own, written to as the application writes, and a key like Vault's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from compliance.entries import Actor, Entry, ObjectRef
from compliance.ledger import append, integrate

START = datetime(2026, 11, 1, 8, tzinfo=UTC)


class LocalSigner:
    """An ed25519 key in memory, as the tests' stand-in for a key in Vault transit (same Protocol)."""

    def __init__(self, seed: int = 1, keyid: str = "sallyport-evidence:v1") -> None:
        self._key, self.keyid = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32), keyid

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)

    def public_key_pem(self) -> str:
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture
def signer() -> LocalSigner:
    return LocalSigner()


@pytest.fixture
def ledger_url(database_url: str) -> str:
    """A database with an empty ledger, addressed as its superuser."""
    with psycopg.connect(database_url) as connection:
        connection.execute((resources.files("compliance") / "schema.sql").read_text("utf-8"))
    return database_url


@pytest.fixture
def superuser(ledger_url: str) -> Iterator[psycopg.Connection[Any]]:
    """Somebody who may do anything in the database, with the ledger's triggers out of the way."""
    with psycopg.connect(ledger_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection


@pytest.fixture
def app(ledger_url: str) -> Iterator[psycopg.Connection[Any]]:
    """The application's role, which may add and read."""
    with psycopg.connect(ledger_url) as connection:
        connection.execute("SET ROLE sallyport_app")
        connection.commit()
        yield connection


def decision(number: int = 1, **changes: Any) -> Entry:
    """An entry such as the gateway writes."""
    values: dict[str, Any] = {
        "type": "decision:made",
        "actor": Actor("dana", "person", ("data-scientist",)),
        "object": ObjectRef("dataset", "clinic"),
        "project": "readmission",
        "outcome": "allow",
        "refs": {"decision_id": f"d{number}", "policy_digest": "sha256:" + "ab" * 32},
        "detail": {"action": "read"},
        "occurred_at": START + timedelta(minutes=number),
    }
    return Entry(**(values | changes))


def fill(connection: psycopg.Connection[Any], count: int, *, first: int = 1, **changes: Any) -> list[str]:
    """`count` entries, one a minute, committed and in their place; their ids."""
    made = [
        append(connection, decision(number, **changes), now=START + timedelta(minutes=number))
        for number in range(first, first + count)
    ]
    connection.commit()
    integrate(connection)
    return made
