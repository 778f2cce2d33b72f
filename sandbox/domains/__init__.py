"""Example domains: contracts for three datasets, and a generator for the invented clinic."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def contract_path(name: str) -> Path:
    """The contract of an example domain."""
    return FOLDER / name / "contract.yaml"
