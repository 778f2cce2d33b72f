"""Groups of people as tables of counts name them: conditions on columns, and the intervals that values stand for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import inf

RANGE = re.compile(r"[\[(]?\s*(-?\d+(?:\.\d+)?)\s*(?:-|–|to|,|\.\.|:)\s*(-?\d+(?:\.\d+)?)\s*([\])]?)")
BELOW = re.compile(r"(?:<|under|below|up to|<=|≤)\s*(=?)\s*(-?\d+(?:\.\d+)?)")
ABOVE = re.compile(r"(?:>=|≥|>|over|above|from)\s*(-?\d+(?:\.\d+)?)|(-?\d+(?:\.\d+)?)\s*(?:\+|plus|and over|or more)")

Condition = tuple[str, str]
Group = frozenset[Condition]


@dataclass(frozen=True, slots=True)
class Counted:
    """A group's count in one table of one request; `request` is None for the request that is looked at."""

    table: str
    group: Group
    n: int
    request: str | None


def interval(value: str) -> tuple[float, float] | None:
    """The half-open interval that a group's value names, such as 60-64 (whole numbers: to 65), <65, 65+ or [60, 65)."""
    text = value.strip()
    if match := RANGE.fullmatch(text):
        low, high = float(match[1]), float(match[2])
        open_end = match[3] == ")" or "." in match[2]
        return (low, high if open_end else high + 1) if low <= high else None
    if match := BELOW.fullmatch(text):
        closed = match[1] == "=" or text[0] == "≤" or text.startswith(("<=", "up to"))
        return -inf, float(match[2]) + (1 if closed else 0)
    if match := ABOVE.fullmatch(text):
        strictly = (text[0] == ">" and not text.startswith(">=")) or text.startswith(("over", "above"))
        return float(match[1] or match[2]) + (1 if strictly else 0), inf
    if re.fullmatch(r"-?\d+", text):
        return float(text), float(text) + 1
    return None
