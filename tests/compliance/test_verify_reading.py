"""The verifier reads usual entries by a pattern and all others by the JSON library: it makes no difference to what it finds."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from compliance import verify
from compliance.canonical import canonical_json

LOOKED_AT = ("prev", "recorded_at", "seq", "source", "source_seq", "type")
TEXTS = st.text(max_size=8) | st.sampled_from(['"', "\\", '","v":1}', '"seq":7', "{", "}", "[", "]", ",", "\x1f", "envelope"])
VALUES = TEXTS | st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(allow_nan=False, allow_infinity=False)
NESTED = st.dictionaries(TEXTS, VALUES | st.lists(VALUES, max_size=3) | st.dictionaries(TEXTS, VALUES, max_size=2), max_size=4)
ENTRIES = st.fixed_dictionaries({
    "actor": NESTED, "detail": NESTED, "id": TEXTS, "object": NESTED, "occurred_at": TEXTS, "outcome": TEXTS,
    "prev": TEXTS, "project": TEXTS | st.none(), "reasons": st.lists(TEXTS, max_size=3), "recorded_at": TEXTS, "refs": NESTED,
    "seq": st.integers(1, 10**9), "source": TEXTS, "source_seq": st.integers(1, 10**9), "type": TEXTS, "v": st.just(1),
})  # fmt: skip
PLAIN: dict[str, Any] = {
    "actor": {"id": "dana", "kind": "person", "roles": ["a", "b"]}, "detail": {"n": 3, "none": None, "list": []}, "id": "i",
    "object": {}, "occurred_at": "t", "outcome": "done", "prev": "sha256:0", "project": None, "reasons": [], "recorded_at": "t",
    "refs": {"a": "b"}, "seq": 12, "source": "gateway", "source_seq": 11, "type": "a:b", "v": 1,
}  # fmt: skip


def test_a_usual_entry_is_read_by_the_pattern() -> None:
    assert verify.parsed(canonical_json(PLAIN)).keys() == set(LOOKED_AT)
    assert verify.parsed(canonical_json(PLAIN | {"detail": {"envelope": "sha256:1"}}))["detail"] == {"envelope": "sha256:1"}


@example(PLAIN)
@given(ENTRIES)
def test_every_entry_is_read_as_the_json_library_reads_it(entry: dict[str, Any]) -> None:
    read = verify.parsed(canonical_json(entry))
    assert {name: read[name] for name in LOOKED_AT} == {name: entry[name] for name in LOOKED_AT}
    known = json.loads(canonical_json(entry))  # a large number with a fraction is written as one without
    assert read.get("detail", {}).get("envelope") == known["detail"].get("envelope")


@given(st.data())
def test_what_json_does_not_allow_is_read_as_no_entry(data: Any) -> None:
    raw = bytearray(canonical_json(PLAIN))
    place = data.draw(st.integers(0, len(raw) - 1))
    changed = bytes(
        raw[:place] + data.draw(st.sampled_from([b"", b'"', b"{", b"}", b",", b"]", b":", b"x", b"0"])) + raw[place + 1 :]
    )
    try:
        wanted = json.loads(changed)
    except ValueError:
        assert verify.parsed(changed).keys() <= {"type"}
    else:
        read = verify.parsed(changed)
        assert all(read.get(name) == wanted.get(name) for name in LOOKED_AT)
