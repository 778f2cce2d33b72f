"""The boundary map for people: as Markdown and as one page of HTML, and what changed between two of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from policies.acts import Act, permitted
from policies.boundary import Entry

TITLE = "Who can see what, where, and under which conditions"
INTRODUCTION = (
    "Computed by asking the policies. In brackets stands the reason one is told where that condition is not met. Columns not "
    "asked for do not exist in the view; whoever and whatever is not listed sees nothing."
)
ACTS = "Who may do what besides"
ACT_HEADINGS = ("What", "Who", "Conditions")
HEADINGS = ("Who", "Purpose", "Way in", "Seen", "Columns", "Conditions", "Terms")
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem;max-width:110rem;color:#111;background:#fff}"
    "table{border-collapse:collapse;width:100%;margin:1rem 0 2rem}caption{text-align:left;font-weight:600;padding:.5rem 0}"
    "th,td{border:1px solid #767676;padding:.4rem .6rem;text-align:left;vertical-align:top}thead th{background:#eee}"
    "code{white-space:nowrap}"
)


@dataclass(frozen=True, slots=True)
class Row:
    """Entries that say the same for several roles, purposes and columns."""

    zone: str
    dataset: str
    who: tuple[str, ...]
    purposes: tuple[str, ...]
    columns: tuple[str, ...]
    entry: Entry

    def cells(self) -> tuple[str, ...]:
        entry = self.entry
        conditions = "; ".join(f"{each.name} ({', '.join(each.reasons)})" for each in entry.conditions)
        terms = "; ".join(f"{name} {value}" for name, value in entry.terms)
        if entry.seen == "denied":
            conditions = f"denied: {', '.join(entry.reasons)}"
        return (", ".join(self.who), ", ".join(self.purposes), entry.way, entry.seen, ", ".join(self.columns), conditions, terms)


def rows(entries: Iterable[Entry]) -> list[Row]:
    """As few rows as say the same: first columns are joined, then purposes, then roles."""
    columns: dict[Any, list[str]] = {}
    first: dict[Any, Entry] = {}
    for each in entries:
        key = (each.zone, each.dataset, each.who, each.purpose, _said(each))
        columns.setdefault(key, []).append(each.column)
        first.setdefault(key[4], each)
    purposes: dict[Any, list[str]] = {}
    for (zone, dataset, who, purpose, said), names in columns.items():
        purposes.setdefault((zone, dataset, who, said, tuple(names)), []).append(purpose)
    people: dict[Any, list[str]] = {}
    for (zone, dataset, who, said, names), told in purposes.items():
        people.setdefault((zone, dataset, said, names, tuple(told)), []).append(who)
    every = _everything(columns)
    found = [
        Row(zone, dataset, tuple(who), _all(told, every[dataset, 3], "every purpose"),
            _all(names, every[dataset, 4], f"all {len(names)} columns"), first[said])
        for (zone, dataset, said, names, told), who in people.items()
    ]  # fmt: skip
    return sorted(found, key=lambda row: (row.dataset, row.zone, row.entry.seen == "denied", row.who, row.purposes, row.columns))


def _everything(columns: Mapping[Any, Sequence[str]]) -> dict[tuple[str, int], set[str]]:
    """All purposes (3) and all columns (4) of each dataset."""
    found: dict[tuple[str, int], set[str]] = {}
    for (_, dataset, _, purpose, _), names in columns.items():
        found.setdefault((dataset, 3), set()).add(purpose)
        found.setdefault((dataset, 4), set()).update(names)
    return found


def _all(some: tuple[str, ...], every: set[str], name: str) -> tuple[str, ...]:
    return (name,) if len(some) > 1 and set(some) == every else some


def markdown(entries: Sequence[Entry], digest: str, acts: Sequence[Act] = ()) -> str:
    """The map as Markdown."""
    lines = [f"# {TITLE}", "", INTRODUCTION, "", f"Policies: `{digest}`", ""]
    for title, table in _tables(entries):
        lines += [f"## {title}", "", _line(HEADINGS), _line(["---"] * len(HEADINGS)), *(_line(row.cells()) for row in table), ""]
    if acts:
        lines += [f"## {ACTS}", "", _line(ACT_HEADINGS), _line(["---"] * 3), *map(_line, permitted(acts)), ""]
    return "\n".join(lines)


def html(entries: Sequence[Entry], digest: str, acts: Sequence[Act] = ()) -> str:
    """The map as one page without scripts, readable by screen readers and on paper."""
    tables = "".join(_html_table(title, HEADINGS, [row.cells() for row in table]) for title, table in _tables(entries))
    tables += _html_table(ACTS, ACT_HEADINGS, permitted(acts)) if acts else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{TITLE}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body><main><h1>{TITLE}</h1>'
        f"<p>{escape(INTRODUCTION)}</p><p>Policies: <code>{escape(digest)}</code></p>{tables}</main></body></html>\n"
    )


def markdown_changes(
    changed: Sequence[tuple[Entry | None, Entry | None]], acts: Sequence[tuple[Act | None, Act | None]] = ()
) -> str:
    """What a change of policies does to the map."""
    lines = ["# What would change", "", f"{len(changed)} entries differ.", ""]
    if changed:
        heads = ("Zone", "Who", "Purpose", "Dataset", "Column", "Before", "After")
        lines += [_line(heads), _line(["---"] * len(heads))]
    for before, after in changed:
        key = (before or after).key  # type: ignore[union-attr]
        lines.append(_line((*(key[place] for place in (0, 1, 2, 3, 4)), _brief(before), _brief(after))))
    if acts:
        lines += ["", f"{len(acts)} deeds differ.", "", _line(("What", "Who", "Before", "After")), _line(["---"] * 4)]
    for old, new in acts:
        lines.append(_line((*(old or new).key, _may(old), _may(new))))  # type: ignore[union-attr]
    return "\n".join([*lines, ""])


def _may(act: Act | None) -> str:
    if act is None:
        return "not there"
    if not act.allowed:
        return f"denied ({', '.join(act.reasons)})"
    return f"allowed, with {', '.join(each.name for each in act.conditions) or 'no condition'}"


def _tables(entries: Sequence[Entry]) -> list[tuple[str, list[Row]]]:
    tables: dict[str, list[Row]] = {}
    for row in rows(entries):
        tables.setdefault(f"Dataset {row.dataset}, {row.zone} zone", []).append(row)
    return list(tables.items())


def _said(entry: Entry) -> Any:
    return (entry.seen, entry.way, entry.conditions, entry.terms, entry.reasons)


def _html_table(title: str, headings: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    heads = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    body = "".join(_html_row(cells) for cells in rows)
    return f"<table><caption>{escape(title)}</caption><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _html_row(cells: Sequence[str]) -> str:
    first, *others = cells
    return f'<tr><th scope="row">{escape(first)}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in others) + "</tr>"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _brief(entry: Entry | None) -> str:
    if entry is None:
        return "not there"
    if entry.seen == "denied":
        return f"denied ({', '.join(entry.reasons)})"
    needed = ", ".join(each.name for each in entry.conditions)
    terms = ", ".join(f"{name} {value}" for name, value in entry.terms)
    return f"{entry.seen}, with {needed or 'no condition'}; {terms}"
