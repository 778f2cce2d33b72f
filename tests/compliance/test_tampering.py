"""What somebody with superuser rights does to the ledger, and what somebody does to a bundle: found, and named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compliance.verify import Verification, verify_bundle
from tests.compliance.conftest import fill
from tests.compliance.test_bundle import export


@pytest.fixture
def bundle(app: Any, tmp_path: Path) -> Path:
    fill(app, 20)
    export(app, tmp_path / "bundle", 3, 18)
    return tmp_path / "bundle"


def codes(found: Verification) -> set[str]:
    assert not found.ok
    return {problem.code for problem in found.problems}


@pytest.mark.parametrize("line", [0, 7, 14])
@pytest.mark.parametrize("place", [0, 0.2, 0.5, 0.9, 0.999])
def test_a_changed_byte_of_an_entry_names_the_entry(bundle: Path, line: int, place: float) -> None:
    path = bundle / "entries.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    changed = bytearray(lines[line])
    changed[int(place * (len(changed) - 1))] ^= 0x01
    lines[line] = bytes(changed)
    path.write_bytes(b"".join(lines))
    found = verify_bundle(bundle)
    named = [problem.sentence for problem in found.problems if problem.code == "entry_changed"]
    assert len(named) == 1 and named[0].startswith(f"entry {line + 3} (decision:made) was changed"), found.problems


def test_flipping_any_byte_of_any_file_is_found(bundle: Path, tmp_path: Path) -> None:
    files = sorted(path for path in bundle.rglob("*") if path.is_file() and path.stat().st_size)

    @settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(files), st.floats(0, 1, exclude_max=True), st.integers(0, 7))
    def flip(path: Path, place: float, bit: int) -> None:
        before = path.read_bytes()
        after = bytearray(before)
        after[int(place * len(before))] ^= 1 << bit
        path.write_bytes(after)
        try:
            assert not verify_bundle(bundle).ok
        finally:
            path.write_bytes(before)

    flip()
    assert verify_bundle(bundle).ok
