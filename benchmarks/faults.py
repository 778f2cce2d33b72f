"""The load of `benchmarks.load` while parts are killed (kill -9) at random and `sallyport up --watch` starts them again.

Afterwards: how long each kind of part was away, what failed meanwhile, and whether anything was lost: the whole ledger verifies
against a checkpoint from before, no lease outlives its end, every request that was answered is there. One JSON object.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.load import PARTS, PEOPLE, SECONDS, clinic_stack, figures, start_people

SECONDS_BETWEEN_KILLS = float(os.environ.get("FAULT_SECONDS", "20"))
SECONDS_TO_RECOVER = 120


def kill_and_wait(home: Any, part: str) -> float:
    """Seconds from the kill of `part` until the whole stack runs and the gateway says that it is ready."""
    from gateway.embedded import processes, stack

    process = processes.running(home, part)
    if process is None:
        return 0.0
    started = time.monotonic()
    os.kill(process.pid, signal.SIGKILL)
    while time.monotonic() - started < SECONDS_TO_RECOVER:
        if stack.is_up(home) and ready(home):
            return round(time.monotonic() - started, 2)
        time.sleep(0.1)
    raise TimeoutError(f"{part} did not come back")


def ready(home: Any) -> bool:
    import httpx

    url = f"http://127.0.0.1:{home.stack()['ports']['gateway']}/health/ready"
    try:
        return httpx.get(url, timeout=3, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def left_over(home: Any) -> dict[str, Any]:
    """What must be nothing: leases past their end, login roles without a lease; and whether the ledger verifies as a whole."""
    from compliance.publishing import ledger_tree
    from gateway.embedded import postgres
    from gateway.settings import Settings

    assert Settings.load()
    with psycopg.connect(postgres.superuser(home, "control")) as control:
        tree = ledger_tree(control)
        entries = control.execute("SELECT count(*), max(seq) FROM ledger.entries").fetchone()
        late = control.execute(
            "SELECT count(*) FROM access.leases WHERE state = 'open' AND expires < now() - interval '15 seconds'"
        ).fetchone()
        leases = {row[0] for row in control.execute("SELECT id FROM access.leases WHERE state IN ('open', 'opening', 'ending')")}
    with psycopg.connect(postgres.superuser(home, "live")) as live:
        roles = [row[0] for row in live.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'lease-%' AND rolcanlogin")]
    orphans = [role for role in roles if not any(lease in role for lease in leases)]
    return {
        "entries": entries[0] if entries else 0, "gaps": bool(entries and entries[0] != entries[1]), "tree_size": tree.size,
        "leases_past_their_end": late[0] if late else -1, "roles_without_a_lease": len(orphans),
    }  # fmt: skip


def main() -> int:
    dice, away = random.Random(7), {part: [] for part in PARTS}
    with clinic_stack() as home, tempfile.TemporaryDirectory() as work:
        sallyport = str(Path(sys.executable).parent / "sallyport")
        watcher = subprocess.Popen([sallyport, "up", "--watch"], stdout=sys.stderr, stderr=sys.stderr)
        people, until = start_people(Path(work) / "load"), time.monotonic() + SECONDS - 30
        kills = 0
        while time.monotonic() < until and people.poll() is None:
            time.sleep(SECONDS_BETWEEN_KILLS * dice.uniform(0.5, 1.5))
            part = PARTS[kills % len(PARTS)] if kills < len(PARTS) else dice.choice(PARTS)
            away[part].append(kill_and_wait(home, part))
            kills += 1
        people.wait()
        time.sleep(20)  # the reconciler's turn
        left, found = left_over(home), figures(Path(work) / "load")
        watcher.terminate()
        watcher.wait()
    failed, sent = (sum(one[what] for one in found.values()) for what in ("failed", "requests"))
    result = {"people": PEOPLE, "seconds": SECONDS, "kills": kills, "seconds_away": away, "failed": failed, "requests": sent,
              "left": left}  # fmt: skip
    json.dump(result, sys.stdout, indent=1)
    print()
    lost = left["gaps"] or left["leases_past_their_end"] or left["roles_without_a_lease"] or left["tree_size"] != left["entries"]
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
