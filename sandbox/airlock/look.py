"""Run in the jail on the files in /in: what is found in each, its texts, and its tables as cells, written to /out/report.json.

usage: look.py, with /in/request.json: {"files": [name], "tables": {name: declared}, "rules": {...}}; file n is /in/files/n
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox.airlock import disclosure, images, listed, office, tables
from sandbox.airlock.findings import Finding, Text
from sandbox.airlock.kinds import kind_of

MOST_TEXT = 4_000_000
CONTROL = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")


class Report:
    """What was found so far."""

    def __init__(self, declared: Mapping[str, Any], rules: disclosure.Rules) -> None:
        self.declared, self.rules = declared, rules
        self.findings: list[Finding] = []
        self.texts: list[Text] = []
        self.cells: list[dict[str, Any]] = []

    def file(self, name: str, content: bytes) -> None:
        """The file's findings, texts and cells are in the report."""
        kind = kind_of(name, content)
        if kind is None:
            sentence = "Files of this kind may not leave, or this one is not what its name says; models leave through promotion."
            self.findings.append(Finding("kind_not_allowed", "stop", name, "", sentence))
            return
        self.texts.append(Text(name, "its name", re.sub(r"[_\W]+", " ", name.rsplit(".", 1)[0])))
        try:
            getattr(self, f"_{kind}")(name, content)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            sentence = "The file cannot be read whole, so it cannot be checked."
            self.findings.append(Finding("unreadable", "stop", name, "", sentence))

    def _png(self, name: str, content: bytes) -> None:
        self.findings += [*images.png(name, content), _picture(name)]

    def _jpeg(self, name: str, content: bytes) -> None:
        self.findings += [*images.jpeg(name, content), _picture(name)]

    def _text(self, name: str, content: bytes) -> None:
        lines = content.decode("utf-8").splitlines()
        self.texts += [Text(name, f"line {number}", line) for number, line in enumerate(lines, 1)]
        if first := listed.first_line_of_table(lines):
            self.findings.append(Finding("table_in_text", "judge", name, f"line {first}", listed.IN_TEXT))

    def _table(self, name: str, content: bytes) -> None:
        self._rows(name, tables.parse_csv(content.decode("utf-8")))

    def _office(self, name: str, content: bytes) -> None:
        book = office.read(name, content)
        self.findings += book.findings
        self.texts += book.texts
        for sheet, rows in book.sheets.items():
            if any(any(row) for row in rows):
                self._rows(name, [row for row in rows if any(row)], f"{sheet}: ")

    def _json(self, name: str, content: bytes) -> None:
        value = json.loads(content)
        self.texts += [Text(name, where, text) for where, text in strings(value, "")]
        for where, rows in listed.tables(value):
            self._rows(name, rows, where)
        self.findings += [Finding("numbers", "judge", name, where[:80], listed.SENTENCE) for where in listed.numbers(value)]

    def _notebook(self, name: str, content: bytes) -> None:
        book = json.loads(content)
        for number, cell in enumerate(book.get("cells", ()), 1):
            self.texts.append(Text(name, f"cell {number}", _joined(cell.get("source", ""))))
            self.texts += [Text(name, f"metadata of cell {number}: {w}", t) for w, t in strings(cell.get("metadata", {}), "")]
            if cell.get("attachments"):
                self.findings.append(Finding("attached_file", "stop", name, f"cell {number}", "A file is attached to the cell."))
            for output in cell.get("outputs", ()):
                self._output(name, f"output of cell {number}", output)
        known = {"kernelspec", "language_info"}
        more = {key: value for key, value in book.get("metadata", {}).items() if key not in known}
        self.texts += [Text(name, f"metadata: {where}", text) for where, text in strings(more, "")]

    def _output(self, name: str, where: str, output: Mapping[str, Any]) -> None:
        data = output.get("data", {})
        parts = [*data.items(), ("text/plain", output.get("text", "")), ("text/plain", output.get("traceback", ""))]
        for kind, value in parts:
            text = _joined(value)
            if kind.startswith("text/") and text:
                self.texts.append(Text(name, where, re.sub(r"<[^>]{0,300}>", " ", text)))
            if (kind == "text/html" and "<table" in text) or (kind == "application/vnd.dataresource+json"):
                sentence = "An output shows a table, which is not checked as one; release it as a CSV file."
                self.findings.append(Finding("table_in_output", "stop", name, where, sentence))
            elif kind.startswith("image/"):
                self.findings.append(_picture(name, where))
            elif not kind.startswith("text/"):
                self.findings.append(Finding("output_not_read", "stop", name, where, "An output of this kind cannot be checked."))
        if output.get("output_type") in ("execute_result", "stream", "display_data") and not data.get("text/html"):
            self.findings.append(
                Finding("output", "judge", name, where, "An output of code; see that it tells of no single person.")
            )

    def _rows(self, name: str, rows: Sequence[Sequence[str]], place: str = "") -> None:
        declared = self.declared.get(name, {})
        table = tables.read(name, rows, tables.Declared.of(declared))
        for number, row in enumerate(rows, 1):
            words = [part for part in row if re.search(r"[^\W\d_]", part) or len(re.sub(r"\D", "", part)) >= 7]
            self.texts += [Text(name, f"{place}line {number}", part) for part in words]
        if table is None:
            sentence = (
                "It cannot be told which column counts the people of each row, so this may be rows of single people; release"
                " aggregates with a column called n, or declare groups and count."
            )
            self.findings.append(Finding("table_undeclared", "stop", name, place, sentence))
            return
        evidence = declared.get("evidence_rows")
        self.findings += disclosure.judge(table, evidence if isinstance(evidence, list) else None, self.rules)
        self.cells += [
            {"table": f"{name} {place}".strip(), "group": dict(cell.where), "n": cell.n}
            for cell in table.cells
            if cell.n is not None
        ]


def _picture(name: str, where: str = "") -> Finding:
    return Finding("picture", "judge", name, where, "No program reads what a picture shows; look at it, point by point.")


def _joined(value: Any) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else str(value)


def strings(value: Any, where: str) -> list[tuple[str, str]]:
    """Every text in a JSON value with its place; names of members are texts too."""
    if isinstance(value, str):
        return [(where, value)]
    if isinstance(value, dict):
        names = [(where, " ".join(map(str, value)))] if value else []
        return names + [found for key, item in value.items() for found in strings(item, f"{where}.{key}"[:80])]
    if isinstance(value, list):
        return [found for number, item in enumerate(value) for found in strings(item, f"{where}[{number}]"[:80])]
    return []


def main(folder: Path = Path("/in"), out: Path = Path("/out")) -> None:
    request = json.loads((folder / "request.json").read_text("utf-8"))
    report = Report(request["tables"], disclosure.Rules.of(request["rules"]))
    for number, name in enumerate(request["files"]):
        content = (folder / "files" / str(number)).read_bytes()
        report.file(name, content)
    if sum(len(text.text) for text in report.texts) > MOST_TEXT:
        report.texts.clear()
        report.findings.append(
            Finding("too_much_text", "stop", "", "", "There is more text than can be searched; release less at once.")
        )
    found = list(dict.fromkeys(report.findings))
    texts = [[one.file, one.where, one.text] for one in report.texts if one.text.strip()]
    (out / "report.json").write_text(
        json.dumps({"findings": [f.as_json() for f in found], "texts": texts, "cells": report.cells})
    )


if __name__ == "__main__":
    main()
