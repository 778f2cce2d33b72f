"""What the airlock finds in single files: kinds, hidden parts, metadata, and tables that tell of single people."""

from __future__ import annotations

import io
import json
import struct
import warnings
import zipfile
import zlib

import pytest

from sandbox.airlock.disclosure import Rules
from sandbox.airlock.look import Report

CONTENT = '<?xml version="1.0"?><w xmlns:r="r">{}</w>'


def codes(name: str, content: bytes | str, declared: dict | None = None) -> set[str]:
    return {finding.code for finding in report(name, content, declared).findings if finding.weight == "stop"}


def report(name: str, content: bytes | str, declared: dict | None = None) -> Report:
    made = Report({name: declared or {}}, Rules())
    made.file(name, content.encode() if isinstance(content, str) else content)
    return made


def xlsx(sheet: str = "", workbook: str = '<sheets><sheet name="a"/></sheets>', **parts: bytes | str) -> bytes:
    out = io.BytesIO()
    cells = '<sheetData><row><c r="A1" t="inlineStr"><is><t>n</t></is></c></row><row><c r="A2"><v>50</v></c></row></sheetData>'
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("xl/workbook.xml", CONTENT.format(workbook))
        archive.writestr("xl/worksheets/sheet1.xml", CONTENT.format(cells + sheet))
        for name, content in parts.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return out.getvalue()


def ods(body: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("content.xml", f'<o xmlns:table="t" xmlns:text="x" xmlns:style="s" xmlns:office="f">{body}</o>')
    return out.getvalue()


def packed(parts: dict[str, str], remark: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.comment = remark
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def remarked() -> bytes:
    with zipfile.ZipFile(out := io.BytesIO(xlsx()), "a") as archive:
        archive.comment = b"Ada"
    return out.getvalue()


def twice() -> bytes:
    with zipfile.ZipFile(out := io.BytesIO(xlsx()), "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        archive.writestr("xl/workbook.xml", archive.read("xl/workbook.xml"))
    return out.getvalue()


def between() -> bytes:
    """The list of parts comes later than it could, and says so."""
    made = xlsx()
    at = made.index(b"PK\x01\x02")
    return made[:at] + b"secret" + made[at:-6] + struct.pack("<I", at + 6) + made[-2:]


def png(*more: tuple[bytes, bytes], after: bytes = b"", pixels: bytes = b"\0\0") -> bytes:
    head = (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    chunks = [head, *more] + [(b"IDAT", zlib.compress(pixels))] * (b"IDAT" not in dict(more)) + [(b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body + after


def jpeg(*segments: tuple[int, bytes], after: bytes = b"") -> bytes:
    made = b"".join(b"\xff" + bytes([m]) + struct.pack(">H", len(d) + 2) + d for m, d in ((0xE0, b"JFIF\0"), *segments))
    return b"\xff\xd8" + made + b"\xff\xda\x00\x02\x01\xff\xd9" + after


GOOD = {
    "a table of large groups": ("t.csv", "sex,n\nF,120\nM,100"),
    "a share of large groups": ("t.csv", "sex,n,rate\nF,120,0.5\nM,100,0.5"),
    "a text": ("notes.md", "The model reaches an AUC of 0.81."),
    "a picture": ("a.png", png()),
    "a picture drawn by matplotlib": ("a.png", png((b"tEXt", b"Software\0Matplotlib version3.10, https://matplotlib.org/"))),
    "a photograph without camera data": ("a.jpg", jpeg()),
    "a spreadsheet": ("a.xlsx", xlsx()),
    "an open spreadsheet": ("a.ods", ods('<table:table><table:table-row><table:table-cell><text:p>n</text:p></table:table-cell>'
                                         '</table:table-row><table:table-row><table:table-cell><text:p>40</text:p></table:table-cell>'
                                         "</table:table-row></table:table>")),
    "a notebook without outputs": ("a.ipynb", json.dumps({"cells": [{"cell_type": "code", "source": "1 + 1", "outputs": []}]})),
}  # fmt: skip


@pytest.mark.parametrize("name", list(GOOD))
def test_a_harmless_file_is_not_stopped(name: str) -> None:
    assert codes(*GOOD[name]) == set()


BAD = {
    "a pickle": ("model.pkl", b"\x80\x04", "kind_not_allowed"),
    "a model": ("model.onnx", b"x", "kind_not_allowed"),
    "rows as parquet": ("rows.parquet", b"PAR1", "kind_not_allowed"),
    "a program called text": ("a.txt", b"\x7fELF\x00\x00", "kind_not_allowed"),
    "a zip called picture": ("a.png", b"PK\x03\x04", "kind_not_allowed"),
    "rows of single people": ("rows.csv", "age,sex,los\n61,F,3\n62,M,4", "table_undeclared"),
    "a list of names": ("names.csv", "name,city\nAda,Rome\nBob,Bonn", "table_undeclared"),
    "a small group": ("t.csv", "sex,n\nF,120\nM,9", "below_threshold"),
    "a small group in another column": ("t.csv", "ward,n,n_died\nA,120,4", "below_threshold"),
    "a small group in JSON": ("t.json", json.dumps([{"sex": "F", "n": 3}]), "below_threshold"),
    "a small share": ("t.csv", "ward,n,rate\nA,120,0.025", "small_numerator"),
    "a share of nearly all": ("t.csv", "ward,n,pct\nA,120,98.0", "small_numerator"),
    "a largest value": ("t.csv", "ward,n,max_age\nA,120,97", "extreme_value"),
    "a middle value": ("t.csv", "ward,n,cost_median\nA,120,97", "extreme_value"),
    "a sum without evidence": ("t.csv", "ward,n,sum_cost\nA,120,9000", "contributions_missing"),
    "a mean without evidence": ("t.csv", "ward,n,mean cost\nA,120,75", "contributions_missing"),
    "a hidden sheet": ("a.xlsx", xlsx(workbook='<sheets><sheet name="a" state="veryHidden"/></sheets>'), "hidden_sheet"),
    "hidden rows": ("a.xlsx", xlsx('<row hidden="1"/>'), "hidden_cells"),
    "hidden columns": ("a.xlsx", xlsx('<col hidden="true"/>'), "hidden_cells"),
    "a formula": ("a.xlsx", xlsx("<c><f>SUM(Hidden!A1)</f></c>"), "formula"),
    "comments": ("a.xlsx", xlsx(xl__comments1_dot_xml=CONTENT.format("<t>x</t>")), "comment"),
    "an embedded object": ("a.xlsx", xlsx(xl__embeddings__o_dot_bin=b"x"), "attached_file"),
    "a zip in the zip": ("a.xlsx", xlsx(xl__media__a_dot_dat=b"PK\x03\x04x"), "attached_file"),
    "macros": ("a.xlsx", xlsx(xl__vbaProject_dot_bin=b"x"), "attached_file"),
    "a pivot cache": ("a.xlsx", xlsx(xl__pivotCache__r_dot_xml="<a/>"), "source_data"),
    "a hidden sheet, open": (
        "a.ods",
        ods(
            '<style:style style:name="h"><style:table-properties table:display="false"/></style:style>'
            '<table:table table:style-name="h"/>'
        ),
        "hidden_sheet",
    ),
    "a formula, open": ("a.ods", ods('<table:table-cell table:formula="of:=1"/>'), "formula"),
    "a comment, open": ("a.ods", ods("<office:annotation/>"), "comment"),
    "camera data": ("a.jpg", jpeg((0xE1, b"Exif\0\0GPS")), "image_metadata"),
    "a comment in a photograph": ("a.jpg", jpeg((0xFE, b"Ada")), "image_metadata"),
    "bytes after a photograph": ("a.jpg", jpeg(after=b"PK\x03\x04"), "bytes_after_end"),
    "camera data in a picture": ("a.png", png((b"eXIf", b"MM")), "image_metadata"),
    "text in a picture": ("a.png", png((b"tEXt", b"Comment\0Ada")), "image_metadata"),
    "bytes after a picture": ("a.png", png(after=b"secret"), "bytes_after_end"),
    "a table in a notebook": ("a.ipynb", json.dumps({"cells": [{"outputs": [
        {"output_type": "execute_result", "data": {"text/html": "<table><tr><td>1"}}]}]}), "table_in_output"),
    "an attachment in a notebook": ("a.ipynb", json.dumps({"cells": [{"attachments": {"a.png": {}}}]}), "attached_file"),
    "a chart with its numbers": ("a.xlsx", xlsx(xl__charts__chart1_dot_xml="<c><v>61</v></c>"), "source_data"),
    "a part of no spreadsheet": ("a.xlsx", xlsx(customXml__item1_dot_xml="<rows>61</rows>"), "unknown_part"),
    "a sheet where none stands": ("a.xlsx", xlsx(xl__data__s_dot_xml="<sheetData/>"), "unknown_part"),
    "a row that is too flat to see": ("a.xlsx", xlsx('<row ht="0"/>'), "hidden_cells"),
    "a column without width": ("a.xlsx", xlsx('<col width="0"/>'), "hidden_cells"),
    "a remark in the text of a sheet": ("a.xlsx", xlsx("<!-- Ada -->"), "unreadable"),
    "an instruction in a sheet": ("a.xlsx", xlsx("<?note Ada?>"), "unreadable"),
    "a sheet in another alphabet": ("a.xlsx", xlsx(xl__styles_dot_xml='<?xml encoding="cp037"?><a/>'), "unreadable"),
    "bytes before a spreadsheet's parts": ("a.xlsx", b"PK\x03\x04secret" + xlsx(), "unreadable"),
    "bytes after a spreadsheet": ("a.xlsx", xlsx() + b"secret", "unreadable"),
    "bytes between the parts": ("a.xlsx", between(), "unreadable"),
    "a remark on the zip": ("a.xlsx", remarked(), "unreadable"),
    "a part twice": ("a.xlsx", twice(), "unreadable"),
    "what was changed, open": ("a.ods", ods("<table:tracked-changes><text:p>61</text:p></table:tracked-changes>"), "source_data"),
    "a covered cell, open": ("a.ods", ods("<table:covered-table-cell><p>61</p></table:covered-table-cell>"), "hidden_cells"),
    "bytes in a part that is empty": ("a.ods", packed({"content.xml": "<o/>", "Configurations2/x": "61"}), "unknown_part"),
    "a photograph in a photograph's head": ("a.jpg", jpeg((0xE0, b"JFIF\0" + b"\1" * 9 + b"row" * 9)), "image_metadata"),
    "a colour profile": ("a.jpg", jpeg((0xE2, b"ICC_PROFILE\0Ada")), "image_metadata"),
    "a segment nobody knows": ("a.jpg", jpeg((0x42, b"Ada")), "image_metadata"),
    "bytes between two ends": ("a.jpg", jpeg(after=b"secret\xff\xd9"), "bytes_after_end"),
    "bytes in a small chunk": ("a.png", png((b"gAMA", b"secret")), "image_metadata"),
    "bytes behind the pixels": ("a.png", png((b"IDAT", zlib.compress(b"\0\0") + b"secret")), "bytes_after_end"),
    "more pixels than the picture has": ("a.png", png(pixels=b"\0\0secret"), "bytes_after_end"),
    "fewer pixels than the picture has": ("a.png", png(pixels=b"\0"), "image_damaged"),
    "rows within JSON": ("a.json", json.dumps({"all": [{"age": 61, "los": 3}, {"age": 62, "los": 4}]}), "table_undeclared"),
    "columns of JSON": ("a.json", json.dumps({"age": [61, 62], "los": [3, 4]}), "table_undeclared"),
    "lists below a header in JSON": ("a.json", json.dumps([["age", "los"], [61, 3]]), "table_undeclared"),
    "a member that the first row has not": ("a.json", json.dumps([{"sex": "F", "n": 40}, {"sex": "M", "n": 40, "max": 9}]),
                                            "extreme_value"),
    "cells beyond the header": ("t.csv", "sex,n\nF,120,61\nM,100,62", "table_undeclared"),
    "a broken notebook": ("a.ipynb", "{", "unreadable"),
    "a broken spreadsheet": ("a.xlsx", b"PK\x03\x04broken", "unreadable"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(BAD))
def test_a_file_that_tells_too_much_is_stopped(name: str) -> None:
    file, content, expected = BAD[name]
    assert expected in codes(file, content)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.xlsx", xlsx(workbook='<sheets><sheet name="a"/></sheets><definedName name="n">1</definedName>'), "defined_name"),
        ("a.xlsx", xlsx(xl__media__a_dot_png=png()), "attached_picture"),
        ("a.png", png(), "picture"),
        ("a.json", json.dumps({"curve": [[n, n] for n in range(10)]}), "numbers"),
        ("notes.txt", "Rows\n" + "61,3\n" * 5, "table_in_text"),
        ("a.ipynb", json.dumps({"cells": [{"outputs": [{"output_type": "stream", "text": "auc 0.8"}]}]}), "output"),
        ("a.ipynb", json.dumps({"cells": [{"outputs": [{"data": {"image/png": "x"}}]}]}), "picture"),
    ],
)
def test_what_no_program_can_judge_is_left_to_the_reviewers(name: str, content: bytes | str, code: str) -> None:
    assert code in {one.code for one in report(name, content).findings if one.weight == "judge"}


def test_an_output_of_an_unknown_kind_is_stopped() -> None:
    book = {"cells": [{"outputs": [{"data": {"application/x-widget": "rows"}}]}]}
    assert "output_not_read" in codes("a.ipynb", json.dumps(book))


def test_a_spreadsheet_with_a_document_type_is_not_read() -> None:
    """Entities could read files or fill memory (XML 1.0, 4.2.2)."""
    made = xlsx(xl__sharedStrings_dot_xml='<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><sst><si>&b;</si></sst>')
    assert "unreadable" in codes("a.xlsx", made)


def test_what_a_spreadsheet_says_outside_of_its_cells_is_searched() -> None:
    sheet = "<headerFooter><oddHeader>Ada</oddHeader></headerFooter>"
    sheet += '<dataValidation prompt="Bob"><formula1>"Eva"</formula1></dataValidation>'
    drawn = CONTENT.format('<t>Ida</t><p descr="Max"/>')
    found = {text.text for text in report("a.xlsx", xlsx(sheet, xl__drawings__drawing1_dot_xml=drawn)).texts}
    assert {"Ada", "Bob", '"Eva"', "Ida", "Max"} <= found
    assert "Ada" in {text.text for text in report("a.ods", ods("<text:p>Ada</text:p>")).texts}


def test_the_number_of_a_cell_counts_and_not_what_is_shown_of_it() -> None:
    cells = "<table:table-row><table:table-cell><text:p>n</text:p></table:table-cell></table:table-row><table:table-row>"
    cells += '<table:table-cell office:value="3"><text:p>many</text:p></table:table-cell></table:table-row>'
    assert codes("a.ods", ods(f"<table:table>{cells}</table:table>")) == {"below_threshold"}


PNG, BASELINE = ("a.png", {"format": "PNG"}), ("a.jpg", {"format": "JPEG"})
PROGRESSIVE = ("a.jpg", {"format": "JPEG", "progressive": True})


@pytest.mark.parametrize(
    ("mode", "kind"),
    [(mode, PNG) for mode in ("1", "L", "LA", "P", "RGB", "RGBA")]
    + [(mode, kind) for mode in ("L", "RGB", "CMYK") for kind in (BASELINE, PROGRESSIVE)],
)
def test_a_picture_as_programs_write_it_is_whole(mode: str, kind: tuple[str, dict]) -> None:
    from PIL import Image

    name, how = kind
    Image.effect_noise((61, 35), 90).convert(mode).save(out := io.BytesIO(), **how)
    assert codes(name, out.getvalue()) == set()
    assert "bytes_after_end" in codes(name, out.getvalue() + b"secret\xff\xd9")


def test_a_workbook_as_programs_write_it_is_read() -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["sex", "n"], ["F", 50], ["M", 60]):
        book.active.append(row)
    book.save(out := io.BytesIO())
    assert codes("a.xlsx", out.getvalue()) == set()


def test_a_sheet_is_judged_as_a_table() -> None:
    small = xlsx().replace(b"<v>50</v>", b"<v>03</v>")  # stored without compression, but its checksum is wrong now
    assert codes("a.xlsx", small) == {"unreadable"}
    rows = '<row><c r="A3"><v>3</v></c></row>'
    assert codes("a.xlsx", xlsx(rows)) == {"below_threshold"}


@pytest.mark.parametrize(("largest", "second", "expected"), [
    (60.0, 35.0, "dominance"), (40.0, 10.0, None), (70.0, 15.0, None), (80.0, 14.0, "dominance")
])  # fmt: skip
def test_a_sum_is_judged_by_its_largest_contributions(largest: float, second: float, expected: str | None) -> None:
    declared = {"evidence_rows": [{"sum_cost__largest": largest, "sum_cost__second": second}]}
    found = codes("t.csv", "ward,n,sum_cost\nA,50,100", declared)
    assert found == ({expected} if expected else set())


def test_the_second_largest_must_not_come_close_to_the_largest() -> None:
    declared = {"evidence_rows": [{"sum_cost__largest": 89.0, "sum_cost__second": 0.5}]}
    made = Report({"t.csv": declared}, Rules(dominance_share=1.0, p_percent=0.2))
    made.file("t.csv", b"ward,n,sum_cost\nA,50,100")
    assert {finding.code for finding in made.findings} == {"p_percent"}


def test_declared_groups_and_counts_are_used() -> None:
    declared = {"groups": ["ward"], "counts": {"female": {"sex": "F"}, "male": {"sex": "M"}}}
    made = report("t.csv", "ward,female,male\nA,40,50\nB,3,60", declared)
    assert "below_threshold" in {finding.code for finding in made.findings}
    assert {"table": "t.csv", "group": {"ward": "a", "sex": "f"}, "n": 40} in made.cells


def test_no_finding_repeats_a_value_of_the_file() -> None:
    for file, content, _ in BAD.values():
        for finding in report(file, content).findings:
            assert not {"Ada", "Bob", "97", "secret"} & set(finding.sentence.replace(":", " ").split())
