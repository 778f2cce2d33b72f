"""Run in the jail: shadow models of the submitted model's kind, which itself is not there; what they say of each row is written.

usage: shadow_in_jail.py KIND MODELS SECONDS, with everything below /sallyport
"""

import json
import sys
import time
from pathlib import Path

from promotion import membership
from promotion.feature_rows import Rows, Unreadable

MOST_ROWS = 10_000  # of each kind


def main(kind: str, models: str, seconds: str) -> None:
    until = time.monotonic() + float(seconds)
    contract = json.loads(Path("/sallyport/work/contract.json").read_text())
    try:
        members, others = (Rows(which, contract, MOST_ROWS) for which in ("snapshot", "holdout"))
    except Unreadable:
        return
    learner = membership.learner_of(json.loads(kind))
    found = membership.train(members, others, learner, most=int(models), go_on=lambda: time.monotonic() < until)
    if found is not None:
        found.write(Path("/sallyport/work/shadows.npz"))


if __name__ == "__main__":
    main(*sys.argv[1:])
