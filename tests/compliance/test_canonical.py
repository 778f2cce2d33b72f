"""Canonical JSON: one byte string for one value (RFC 8785)."""

from __future__ import annotations

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from compliance.canonical import canonical_json, digest, digest_file
from compliance.errors import InvalidEntry


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": 1, "a": [True, None, "x"]}, b'{"a":[true,null,"x"],"b":1}'),
        # RFC 8785 3.2.2.3 and appendix B: numbers as ECMAScript writes them
        ([333333333.33333329, 1e30, 4.50, 2e-3, 1e-27], b"[333333333.3333333,1e+30,4.5,0.002,1e-27]"),
        ([-0.0, 1e21, 1e20], b"[0,1e+21,100000000000000000000]"),
        # RFC 8785 3.2.3: names in the order of UTF-16 code units
        ({"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\x80": 6, "\u00f6": 7},
         '{"\\r":2,"1":4,"\x80":6,"\u00f6":7,"\u20ac":1,"\U0001f600":5,"\ufb33":3}'.encode()),
        ("\u20ac$\x0f\nA'B\"\\\"/", '"€$\\u000f\\nA\'B\\"\\\\\\"/"'.encode()),
    ],
)  # fmt: skip
def test_values_have_the_bytes_of_the_standard(value: Any, expected: bytes) -> None:
    assert canonical_json(value) == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**60, {1: 2}, "\ud800", object(), b"x"])
def test_what_json_cannot_hold_exactly_is_refused(value: Any) -> None:
    with pytest.raises(InvalidEntry):
        canonical_json(value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4),
)


@given(VALUES)
def test_the_fast_way_writes_the_same_bytes_as_the_standards_own_code(value: Any) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)


@given(VALUES)
def test_reading_and_writing_again_gives_the_same_bytes(value: Any) -> None:
    assert canonical_json(json.loads(canonical_json(value))) == canonical_json(value)


def test_a_files_digest_is_that_of_its_bytes(tmp_path: Any) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    expected = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest_file(tmp_path / "f") == digest(b"abc") == expected
