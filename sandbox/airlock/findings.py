"""What a check found in a file that is to leave. No finding repeats a value of the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

# stop: the author must change the file. judge: each approving reviewer must accept it in so many words. note: to know.
Weight = Literal["stop", "judge", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing in one file; `where` is a place in it (line, sheet, cell), in words."""

    code: str
    weight: Weight
    file: str
    where: str
    sentence: str

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "weight": self.weight, "file": self.file, "where": self.where, "sentence": self.sentence}


@dataclass(frozen=True, slots=True)
class Text:
    """Words of a file that people would read, to be searched for personal data."""

    file: str
    where: str
    text: str
