"""From inside the jail the gateway is reached under one's own identity, and under no other."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from gateway.client import Gateway
from sandbox.jail import run_isolated

CALLERS = Path(__file__).with_name("callers.py")


def test_no_other_identity_works_through_the_socket(as_user: Callable[[str], Gateway], clinic: Path, stack_home: Path) -> None:
    dana = as_user("dana")
    outcome = run_isolated(
        [sys.executable, "/callers/callers.py", dana.token()],
        read_only={CALLERS: "/callers/callers.py"}, writable={}, socket=dana.socket,
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.stderr
    found = json.loads(outcome.stdout)
    assert found.pop("own identity") == 200
    assert {name: status for name, status in found.items() if status not in (401, 403, 404)} == {}
    unknown = (
        "no identity",
        "unsigned",
        "another person",
        "more roles",
        "never ending",
        "damaged signature",
        "identity by header",
    )
    assert {found[name] for name in unknown} == {401}


def test_the_homes_secrets_are_out_of_sight(stack_home: Path) -> None:
    known = [str(path) for path in stack_home.rglob("*") if path.is_file()]
    tried = "import json, os, sys; print(json.dumps([p for p in json.load(sys.stdin) if os.path.exists(p)]))"
    code = tried.replace("json.load(sys.stdin)", "json.load(open('/list/paths.json'))")
    paths = stack_home / "run" / "paths.json"
    paths.write_text(json.dumps([*known, str(stack_home)]))
    outcome = run_isolated([sys.executable, "-c", code], read_only={paths: "/list/paths.json"}, writable={})
    assert json.loads(outcome.stdout) == []
    assert len(known) > 20
