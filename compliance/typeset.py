"""The board's report as a tagged PDF (PDF/UA-1), by Typst with the fonts that come with it, so that it is the same everywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from compliance.errors import ExportFailed
from compliance.reports import visible

LONGEST_WORD = 9
BREAK = "\u200b"
# What the fonts that come with Typst can show: Latin, Greek, Cyrillic, and the punctuation of running text.
SHOWN = (
    (0x20, 0x7E),
    (0xA0, 0x17F),
    (0x391, 0x3A1),
    (0x3A3, 0x3C9),
    (0x400, 0x45F),
    (0x2013, 0x2014),
    (0x2018, 0x201E),
    (0x2026, 0x2026),
)


def report_pdf(report: Mapping[str, Any]) -> bytes:
    """The report, as `compliance.board` makes it, as PDF; the same report gives the same bytes. Raises ExportFailed."""
    import typst

    source = (resources.files("compliance") / "templates" / "report.typ").read_bytes()
    inputs = {"report": json.dumps(_shown(report))}
    try:
        made = typst.compile(source, sys_inputs=inputs, pdf_standards=["ua-1"], ignore_system_fonts=True, timestamp=0)
    except typst.TypstError as error:
        raise ExportFailed("The report could not be typeset.") from error
    assert isinstance(made, bytes)
    return made


def shown(text: str) -> str:
    """`text` with everything written out that could mislead or that the fonts lack, and long words able to break.

    Letters that are read from right to left are among what is written out: they would turn what stands around them.
    """
    plain = "".join(char if any(low <= ord(char) <= high for low, high in SHOWN) else _code(char) for char in visible(text))
    return " ".join(BREAK.join(_pieces(word)) for word in plain.split(" "))


def _pieces(word: str) -> list[str]:
    return [word[start : start + LONGEST_WORD] for start in range(0, len(word), LONGEST_WORD)] or [""]


def _code(char: str) -> str:
    return ascii(char)[1:-1]


def _shown(value: Any) -> Any:
    """Every text in it as `shown`; names of its parts stay."""
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, Mapping):
        return {name: _shown(item) for name, item in value.items()}
    return [_shown(item) for item in value] if isinstance(value, list | tuple) else value
