"""Spreadsheets (.xlsx, .ods) read as what they are, a zip of XML: what is hidden, computed, commented or attached is found."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from xml.etree import ElementTree

from sandbox.airlock import packed
from sandbox.airlock.findings import Finding, Text

# Attributes whose values a person reads.
SAID = {"descr", "title", "prompt", "promptTitle", "error", "errorTitle", "tooltip", "display", "formatCode"}
ENCODING = re.compile(rb"<\?xml[^>]*encoding=[\"']([^\"']*)")
ATTACHED = (".zip", ".xlsx", ".docx", ".ods", ".bin", ".exe", ".7z", ".gz", ".tar", ".rar", ".parquet", ".pkl")
# What a spreadsheet of cells is made of; every other part could carry anything.
XLSX_PARTS = re.compile(
    r"\[Content_Types\]\.xml|_rels/\.rels|docProps/(core|app|custom)\.xml|xl/(_rels/)?workbook\.xml(\.rels)?|xl/sharedStrings\.xml"
    r"|xl/(styles|metadata|calcChain)\.xml|xl/theme/[^/]+\.xml|xl/(worksheets|drawings|tables)/(_rels/)?[^/]+\.xml(\.rels)?"
)
ODS_PARTS = re.compile(r"mimetype|(content|meta|styles|settings)\.xml|manifest\.rdf|META-INF/manifest\.xml|Configurations2/.*")
EMPTY = "Configurations2"
READ_APART = re.compile(r"mimetype|meta\.xml|docProps/.*|xl/sharedStrings\.xml|xl/worksheets/[^/]+\.xml")
DRAWN = (".png", ".jpg", ".jpeg", ".gif", ".emf", ".wmf", ".svg", ".tiff")


@dataclass(slots=True)
class Book:
    """What stands in a spreadsheet: sheets as rows of texts, and what was found."""

    sheets: dict[str, list[list[str]]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)


def read(name: str, content: bytes) -> Book:
    """The spreadsheet's sheets and findings; what cannot be read whole is a finding of its own."""
    book = Book()
    try:
        parts = packed.parts(content)
        _attached(name, parts, book)
        (_ods if name.lower().endswith(".ods") else _xlsx)(name, parts, book)
    except (zipfile.BadZipFile, ElementTree.ParseError, ValueError, KeyError, RuntimeError, IndexError):
        book.findings.append(
            Finding("unreadable", "stop", name, "", "The spreadsheet cannot be read whole, so it cannot be checked.")
        )
    return book


def _attached(name: str, parts: dict[str, bytes], book: Book) -> None:
    known = ODS_PARTS if name.lower().endswith(".ods") else XLSX_PARTS
    for part, content in parts.items():
        suffix = PurePosixPath(part).suffix.lower()
        if suffix in ATTACHED or content.startswith(b"PK\x03\x04") or "embeddings/" in part or "vbaProject" in part:
            book.findings.append(
                Finding("attached_file", "stop", name, part, "Another file is packed inside (zip in zip, object or macro).")
            )
        elif suffix in DRAWN:
            book.findings.append(
                Finding("attached_picture", "judge", name, part, "A picture stands in the spreadsheet; look at it.")
            )
        elif re.search(r"(comments|threadedComment|persons?/|notesSlide)", part):
            book.findings.append(Finding("comment", "stop", name, part, "Cells carry comments; remove them."))
        elif re.search(r"(externalLink|connections\.xml|pivotCache|queryTable|charts?/)", part):
            book.findings.append(
                Finding(
                    "source_data",
                    "stop",
                    name,
                    part,
                    "The file carries rows or a link of its source (chart, pivot cache, connection).",
                )
            )
        elif not known.fullmatch(part) or (content and part.startswith(EMPTY)):
            book.findings.append(Finding("unknown_part", "stop", name, part[:80], "A part that no plain spreadsheet has."))
        elif content and not READ_APART.fullmatch(part):
            book.texts += _said(name, part, _xml(content))


def _xml(content: bytes) -> ElementTree.Element:
    said = ENCODING.match(content)
    if b"\x00" in content or (said and said[1].lower() != b"utf-8"):
        raise ValueError("another encoding, in which what follows would not be seen")
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content or b"<!--" in content or content.count(b"<?") > 1:
        raise ValueError("a document type, a comment or an instruction")
    return ElementTree.fromstring(content)  # noqa: S314 - no document types, bounded, and run in the jail


def _local(element: ElementTree.Element) -> str:
    return element.tag.rsplit("}", 1)[-1]


def _value(element: ElementTree.Element, attribute: str) -> str:
    return next((value for key, value in element.attrib.items() if key.rsplit("}", 1)[-1] == attribute), "")


def _said(name: str, part: str, root: ElementTree.Element) -> list[Text]:
    """What a person may read in a part, but for its cells: headers, choices, drawn words, names and formats."""
    cells = {id(e) for cell in root.iter() if _local(cell) in ("c", "table-cell") for e in cell.iter()}
    others = [e for e in root.iter() if id(e) not in cells]
    words = [text for e in others for text in (e.text, e.tail) if text and text.strip()]
    words += [value for e in others for key, value in e.attrib.items() if key in SAID]
    return [Text(name, part, text) for text in words]


def _xlsx(name: str, parts: dict[str, bytes], book: Book) -> None:
    shared = []
    if "xl/sharedStrings.xml" in parts:
        shared = ["".join(item.itertext()) for item in _xml(parts["xl/sharedStrings.xml"]) if _local(item) == "si"]
    workbook = _xml(parts["xl/workbook.xml"])
    names = [element for element in workbook.iter() if _local(element) == "sheet"]
    for sheet in names:
        if sheet.get("state", "visible") != "visible":
            book.findings.append(Finding("hidden_sheet", "stop", name, "workbook", "A sheet is hidden; remove or show it."))
    if any(_local(element) == "definedName" for element in workbook.iter()):
        book.findings.append(
            Finding("defined_name", "judge", name, "workbook", "Named ranges can hold formulas and values; look at them.")
        )
    sheets = sorted(part for part in parts if re.fullmatch(r"xl/worksheets/[^/]+\.xml", part))
    for part in sheets:
        root = _xml(parts[part])
        _hidden(name, part, root, book)
        book.sheets[part] = _rows(root, shared)
        book.texts += _said(name, part, root)
    used = {cell for rows in book.sheets.values() for row in rows for cell in row}
    for left in set(shared) - used:
        book.texts.append(Text(name, "a text no cell shows", left))
    for part in ("docProps/core.xml", "docProps/app.xml", "docProps/custom.xml"):
        if part in parts:
            book.texts.append(Text(name, part, " ; ".join(text for text in _xml(parts[part]).itertext() if text.strip())))


def _hidden(name: str, part: str, root: ElementTree.Element, book: Book) -> None:
    elements = list(root.iter())
    if any(_local(e) in ("row", "col") and (e.get("hidden") in ("1", "true") or _flat(e)) for e in elements):
        book.findings.append(Finding("hidden_cells", "stop", name, part, "Rows or columns are hidden; remove or show them."))
    if any(_local(e) == "f" for e in elements):
        book.findings.append(
            Finding("formula", "stop", name, part, "Cells hold formulas, which tell of other cells; paste values instead.")
        )


def _flat(element: ElementTree.Element) -> bool:
    """A row or column of less than a point is not to be seen either."""
    size = element.get("ht" if _local(element) == "row" else "width")
    return size is not None and float(size) < 1


def _rows(root: ElementTree.Element, shared: list[str]) -> list[list[str]]:
    rows = []
    for row in (element for element in root.iter() if _local(element) == "row"):
        cells: list[str] = []
        for cell in (element for element in row if _local(element) == "c"):
            column = _column(cell.get("r", ""))
            cells += [""] * (column - len(cells)) if column is not None else []
            value = next((e.text or "" for e in cell if _local(e) == "v"), "")
            inline = "".join("".join(e.itertext()) for e in cell if _local(e) == "is")
            cells.append(shared[int(value)] if cell.get("t") == "s" and value else value or inline)
        rows.append(cells)
    return rows


def _column(reference: str) -> int | None:
    letters = re.match(r"[A-Z]{1,3}", reference)
    if not letters:
        return None
    number = 0
    for letter in letters[0]:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _ods(name: str, parts: dict[str, bytes], book: Book) -> None:
    root = _xml(parts["content.xml"])
    hidden_styles = {
        _value(style, "name") for style in root.iter() if _local(style) == "style"
        and any(_local(e) == "table-properties" and _value(e, "display") == "false" for e in style)
    }  # fmt: skip
    for element in root.iter():
        kind = _local(element)
        if kind == "table" and _value(element, "style-name") in hidden_styles:
            book.findings.append(Finding("hidden_sheet", "stop", name, "content.xml", "A sheet is hidden; remove or show it."))
        if kind in ("table-row", "table-column") and _value(element, "visibility") in ("collapse", "filter"):
            book.findings.append(
                Finding("hidden_cells", "stop", name, "content.xml", "Rows or columns are hidden; remove or show them.")
            )
        if kind == "table-cell" and _value(element, "formula"):
            book.findings.append(Finding("formula", "stop", name, "content.xml", "Cells hold formulas; paste values instead."))
        if kind == "covered-table-cell" and (_value(element, "value") or "".join(element.itertext()).strip()):
            book.findings.append(Finding("hidden_cells", "stop", name, "content.xml", "A joined cell covers another's value."))
        if kind in ("tracked-changes", "scripts", "object") and len(element):
            book.findings.append(
                Finding("source_data", "stop", name, "content.xml", "The file keeps what was changed, a program or an object.")
            )
        if kind == "annotation":
            book.findings.append(Finding("comment", "stop", name, "content.xml", "Cells carry comments; remove them."))
        if kind == "table":
            book.sheets[_value(element, "name") or "sheet"] = _ods_rows(element)
    if "meta.xml" in parts:
        book.texts.append(Text(name, "meta.xml", " ; ".join(text for text in _xml(parts["meta.xml"]).itertext() if text.strip())))
    book.findings[:] = list(dict.fromkeys(book.findings))


def _ods_rows(table: ElementTree.Element) -> list[list[str]]:
    rows = []
    for row in (element for element in table.iter() if _local(element) == "table-row"):
        cells = []
        for cell in (element for element in row if _local(element) == "table-cell"):
            shown = " ".join("".join(e.itertext()) for e in cell if _local(e) == "p")
            words = _value(cell, "value") or shown  # the number itself, whatever is shown of it
            again = min(int(_value(cell, "number-columns-repeated") or 1), 1_000)
            cells += [words] * (again if words else min(again, 50))
        rows.append(cells)
    return [row for row in rows if any(row)]
