"""Lines as pgaudit documents them, in a JSON log: what a statement touched reaches the ledger, what it said does not.

No server with pgaudit is run here: the lines are made by its documented format.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.access import pgaudit
from gateway.access.pgaudit import Audited, Waiting, parse

LEASE, OTHER = "0123456789abcdef", "fedcba9876543210"
READ = f"AUDIT: SESSION,3,1,READ,SELECT,VIEW,lease_{LEASE}.patients,<not logged>,<not logged>"


def line(message: str = READ, **changed: Any) -> bytes:
    said = {
        "timestamp": "2026-11-24 12:00:01.250 UTC", "user": f"lease-{LEASE}-AbCdEfGhIj", "session_id": "s.1", "ps": "SELECT",
        "error_severity": "LOG", "message": message,
    }  # fmt: skip
    return json.dumps(said | changed).encode() + b"\n"


def test_a_line_says_which_view_of_the_lease_was_read() -> None:
    assert parse(line()) == Audited("s.1", 3, "READ", "patients", None)
    assert parse(line(READ + ",17")) == Audited("s.1", 3, "READ", "patients", 17)
    assert parse(line(READ.replace("SESSION", "OBJECT"))) == Audited("s.1", 3, "READ", "patients", None)


def test_neither_statement_nor_parameters_are_taken() -> None:
    text = '"SELECT ssn, \'it\'\'s ""a"" secret\',\n1","123-45-6789,secret"'
    found = parse(line(f"AUDIT: SESSION,1,1,READ,SELECT,VIEW,lease_{LEASE}.patients,{text},2"))
    assert found == Audited("s.1", 1, "READ", "patients", 2)
    assert "secret" not in repr(found)


@pytest.mark.parametrize("name", [f"lease_{OTHER}.patients", "clinic.patients", "", "a secret", f"lease_{LEASE}.Ann Smith"])
def test_an_object_that_is_no_view_of_this_lease_is_counted_and_not_named(name: str) -> None:
    found = parse(line(f'AUDIT: SESSION,1,1,READ,SELECT,TABLE,"{name}",<not logged>,<not logged>'))
    assert found is not None and found.view is None


@pytest.mark.parametrize(
    "other",
    [line("duration: 1.5 ms"), line(user="gateway_live"), line("AUDIT: SESSION,1,1"), line("AUDIT: ELSE" + READ[14:]),
     line(READ.replace(",3,", ",x,")), line('AUDIT: SESSION,1,1,READ,SELECT,VIEW,x,"open'), b"{half", b"[]\n", b"\xff\n", b"7"],
)  # fmt: skip
def test_other_lines_are_none_of_pgaudits(other: bytes) -> None:
    assert parse(other) is None


def test_what_was_touched_goes_with_the_statement_of_its_own_session() -> None:
    waiting = Waiting()
    for found in (line(), line(READ.replace("patients", "notes")), line(READ.replace(f"lease_{LEASE}", "clinic")),
                  line(session_id="s.2")):  # fmt: skip
        audited = parse(found)
        assert audited
        waiting.add(audited)
    assert waiting.take("s.1") == {"classes": ["READ"], "views": ["notes", "patients"], "other_objects": 1}
    assert waiting.take("s.1") == {} == waiting.take(None)
    assert waiting.take("s.2") == {"classes": ["READ"], "views": ["patients"]}
    counted = parse(line(READ + ",17"))
    assert counted
    waiting.add(counted)
    assert waiting.take("s.1")["rows"] == 17


def test_a_session_that_never_ends_its_statement_does_not_fill_the_memory() -> None:
    waiting = Waiting(most=3)
    for number in range(10):
        for session in ("s", f"s{number}"):
            waiting.add(pgaudit.Audited(session, number, "READ", "patients", None))
    assert len(waiting._found) == 3
    assert all(len(held) <= 3 for held in waiting._found.values())
