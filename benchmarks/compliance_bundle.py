"""A bundle of evidence of many gigabytes, written without a database, and verified: what memory and time that takes.

`python -m benchmarks.compliance_bundle [--gigabytes 10] [--entry-bytes 5000]` prints JSON. It needs as much free disk.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.compliance_ledger import Key, measured, rows
from compliance.bundle import Keys, _seal
from compliance.canonical import canonical_json
from compliance.checkpoints import sign_checkpoint
from compliance.gathering import Gathered
from compliance.verify import CHECKPOINT, COMPLETENESS, EARLIER, ENTRIES, PROOF, CompactTree, verify_bundle


def write_bundle(folder: Path, wanted: int, width: int) -> int:
    """`folder` is a signed bundle of all entries of a ledger of about `wanted` bytes; how many entries it holds."""
    tree, count, last = CompactTree(set()), wanted // width, tuple[Any, ...]()
    with (folder / ENTRIES).open("xb") as lines:
        for last in rows(count, padding="x" * max(0, width - 750)):
            lines.write(last[13] + b"\n")
            tree.add(last[12])
    keys, gathered = Keys(Key()), Gathered(last_hash=f"sha256:{last[12].hex()}")
    (folder / CHECKPOINT).write_bytes(sign_checkpoint(count, tree.root(), keys.signer))
    (folder / EARLIER).write_bytes(b"")
    with (folder / ENTRIES).open("rb") as lines:
        first = json.loads(lines.readline())["recorded_at"]
    stated = {
        "period": {"since": first, "until": "9999"}, "range": {"first": 1, "last": count, "entries": count},
        "ledger_size": count, "last_hash": gathered.last_hash, "clock_steps_back": [], "outside_the_period": 0,
        "sources": {"gateway": {"first": 1, "last": count, "entries": count}}, "reaches_the_end_of_the_ledger": True,
        "recorded": {"first": first, "last": json.loads(last[13])["recorded_at"]},
    }  # fmt: skip
    for name, value in ((COMPLETENESS, stated), (PROOF, {"first": 0, "end": count, "size": count, "hashes": []})):
        (folder / name).write_bytes(canonical_json(value))
    _seal(folder, keys, gathered)
    return count


def main() -> None:
    """Prints what was measured as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=10)
    parser.add_argument("--entry-bytes", type=int, default=5_000)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="sp-bench-"))
    try:
        count = write_bundle(folder, int(given.gigabytes * 1e9), given.entry_bytes)
        size = sum(path.stat().st_size for path in folder.iterdir())
        found: dict[str, Any]
        found, figures = measured(lambda: {"ok": (said := verify_bundle(folder)).ok, "problems": len(said.problems)})
        print(json.dumps({"entries": count, "bundle_gb": round(size / 1e9, 2), **found, "verify": figures}, indent=2))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
