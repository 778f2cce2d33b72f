"""Run in a process of its own by `scan_model`: prints the report on the path it is given as JSON."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from promotion.scan.scanner import scan_here


def main(path: str) -> None:
    report = scan_here(Path(os.fsdecode(bytes.fromhex(path))))
    json.dump({"findings": [asdict(one) for one in report.findings], "formats": report.formats}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
