"""The ledger as an auditor reads it through the API, however long other tests have made it."""

from __future__ import annotations

from typing import Any

from gateway.client import Gateway

PAGE = 1000


def whole_ledger(carl: Gateway, after: int = 0) -> list[dict[str, Any]]:
    """Every entry after that number. Reading is in the ledger too, so a page that is not full is the last."""
    found: list[dict[str, Any]] = []
    while True:
        page = carl.get("/v1/audit/entries", after=found[-1]["seq"] if found else after, limit=PAGE)["items"]
        found += page
        if len(page) < PAGE:
            return found
