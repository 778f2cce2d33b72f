"""Figures in a notebook: how a snapshot stands against its limits, and how a model's checks ended. Drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

COLOURS = {"passed": "#2e7d32", "waived": "#b26a00", "failed": "#b3261e", "skipped": "#757575"}


def certificate(dataset: str, measured: Mapping[str, Any]) -> Any:
    """A figure of the measured k and l beside what is asked, each on a scale of its own."""
    shown = [name for name in ("k", "l") if measured.get(name) is not None and measured.get(f"{name}_asked")]
    figure, axes = _figure(1.2 + 0.5 * len(shown))
    for place, name in enumerate(shown):
        ratio = float(measured[name]) / float(measured[f"{name}_asked"])
        axes.barh(place, ratio, color=COLOURS["passed" if ratio >= 1 else "failed"])
        axes.text(ratio, place, f" {measured[name]} (asked: {measured[f'{name}_asked']})", va="center")
    axes.axvline(1, color="black", linewidth=1)
    axes.set_yticks(range(len(shown)), shown)
    axes.set_xlabel("times what is asked")
    axes.set_title(f"{dataset}: disclosure risk as measured")
    axes.margins(x=0.4)
    return figure


def checks(title: str, found: Sequence[Mapping[str, Any]]) -> Any:
    """A figure with a line for each check: its name, how it ended, and in how many seconds where that is known."""
    figure, axes = _figure(1.2 + 0.35 * max(1, len(found)))
    for place, one in enumerate(reversed(found)):
        outcome = str(one["outcome"])
        axes.barh(place, 1, color=COLOURS.get(outcome, "#757575"))
        axes.text(0.02, place, f"{one['name']}: {outcome}", va="center", color="white")
    axes.set_axis_off()
    axes.set_title(title)
    return figure


def _figure(height: float) -> tuple[Any, Any]:
    """A figure of its own, which no window shows: a notebook displays what a cell ends with."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, height), layout="constrained")
    return figure, figure.subplots()
