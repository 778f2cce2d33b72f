"""Run in the jail on the files in /in that are to come into the sandbox: findings and texts, written to /out/report.json.

usage: arriving.py, with /in/request.json: {"files": [name], "rules": {...}}; file n is /in/files/n
"""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePosixPath
from typing import Any

from sandbox.airlock import images, tables, wheels
from sandbox.airlock.findings import Finding, Text
from sandbox.airlock.kinds import incoming_kind
from sandbox.airlock.look import MOST_TEXT, strings

SOURCE_ARCHIVES = (".tar.gz", ".tgz", ".tar.bz2", ".zip", ".egg")


def looked_at(name: str, content: bytes, rules: wheels.Rules) -> tuple[list[Finding], list[Text]]:
    """What is found in one file that is to come in, and its words."""
    if name.lower().endswith(SOURCE_ARCHIVES):
        sentence = "Archives of sources run code while they are installed; send a wheel (.whl), or the files one by one."
        return [Finding("source_archive", "stop", name, "", sentence)], []
    kind = incoming_kind(name, content)
    try:
        match kind:
            case None:
                sentence = "Files of this kind may not come in, or this one is not what its name says."
                return [Finding("kind_not_allowed", "stop", name, "", sentence)], []
            case "wheel":
                return wheels.wheel(name, content, rules), []
            case "png":
                return images.png(name, content), []
            case "jpeg":
                return images.jpeg(name, content), []
        return [], _words(kind, name, content.decode("utf-8"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return [Finding("unreadable", "stop", name, "", "The file cannot be read whole, so it cannot be checked.")], []


def _words(kind: str, name: str, text: str) -> list[Text]:
    """The words of a file of text, with their places."""
    title = Text(name, "its name", re.sub(r"[_\W]+", " ", PurePosixPath(name).stem))
    if kind in ("json", "notebook"):
        return [title, *(Text(name, where, said) for where, said in strings(json.loads(text), ""))]
    if kind == "table":
        rows = tables.parse_csv(text)
        return [
            title,
            *(Text(name, f"line {number}", part) for number, row in enumerate(rows, 1) for part in row if part.strip()),
        ]
    return [title, *(Text(name, f"line {number}", line) for number, line in enumerate(text.splitlines(), 1))]


def main(folder: Path = Path("/in"), out: Path = Path("/out")) -> None:
    request: dict[str, Any] = json.loads((folder / "request.json").read_text("utf-8"))
    findings: list[Finding] = []
    texts: list[Text] = []
    for number, name in enumerate(request["files"]):
        content = (folder / "files" / str(number)).read_bytes()
        found, words = looked_at(name, content, wheels.Rules.of(request["rules"]))
        findings += found
        texts += words
    if sum(len(one.text) for one in texts) > MOST_TEXT:
        texts.clear()
        findings.append(Finding("too_much_text", "stop", "", "", "There is more text than can be searched; send less at once."))
    report = {
        "findings": [one.as_json() for one in dict.fromkeys(findings)], "cells": [],
        "texts": [[one.file, one.where, one.text] for one in texts if one.text.strip()],
    }  # fmt: skip
    (out / "report.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main()
