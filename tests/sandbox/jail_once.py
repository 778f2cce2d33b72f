"""Runs the escape suite in the jail and prints what bubblewrap's process gave: jail_once.py ESCAPES.py TARGETS.json.

A program of its own, so that the suite can be run as another account too.
"""

import json
import os
import sys
from pathlib import Path

from sandbox.jail import Limits, run_isolated

if __name__ == "__main__":
    script, targets = Path(sys.argv[1]), Path(sys.argv[2])
    on = json.loads(targets.read_text())
    os.environ["ESCAPE_TEST_SECRET"] = "x"
    os.set_inheritable(os.open(on["secret"], os.O_RDONLY), True)
    # The targets' places are the same inside, so that an attempt that fails does not fail for a wrong name.
    outcome = run_isolated(
        [sys.executable, str(script), str(targets)],
        read_only={script: str(script), targets: str(targets), Path(on["read_only"]): on["read_only"]},
        writable={Path(on["scratch"]): on["scratch"]},
        limits=Limits(memory_mb=2048),
        timeout=120,
    )
    sys.stderr.write(outcome.stderr)
    sys.stdout.write(outcome.stdout)
    sys.exit(outcome.exit_code)
