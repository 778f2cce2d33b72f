"""Bar charts as SVG, drawn on the server: no script, no style of their own, readable as a table too."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from markupsafe import Markup

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 640, 220, 64, 14, 30
ids = count(1)


@dataclass(frozen=True, slots=True)
class Bar:
    """A value and what it is of; None where there is nothing to show."""

    label: str
    value: float | None


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawn chart with the numbers it shows."""

    title: str
    unit: str
    svg: Markup
    bars: tuple[Bar, ...]

    @property
    def empty(self) -> bool:
        return all(bar.value is None for bar in self.bars)


def bars(title: str, unit: str, values: list[Bar]) -> Plot:
    """The chart of `values`, from zero to the largest."""
    top = nice(max((bar.value for bar in values if bar.value is not None), default=1.0))
    inner_width, inner_height = WIDTH - LEFT, HEIGHT - TOP - BOTTOM
    step = inner_width / max(len(values), 1)
    shapes = Markup("")
    for number, bar in enumerate(values):
        x = LEFT + number * step
        if bar.value is not None:
            height = inner_height * bar.value / top
            shapes += Markup('<rect class="bar" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
                x + 1, TOP + inner_height - max(height, 1), step - 2, max(height, 1)
            )
        if number % max(len(values) // 4, 1) == 0:
            shapes += Markup('<text class="tick" x="{:.1f}" y="{}">{}</text>').format(x, HEIGHT - 8, bar.label)
    for share in (0.0, 0.5, 1.0):
        y = TOP + inner_height * (1 - share)
        shapes += Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(LEFT, WIDTH, y, y)
        shapes += Markup('<text class="tick end" x="{}" y="{:.1f}">{}</text>').format(LEFT - 6, y + 6, number_text(top * share))
    name = f"plot-{next(ids)}"
    svg = Markup('<svg viewBox="0 0 {} {}" role="img" aria-labelledby="{}"><title id="{}">{}</title>{}</svg>').format(
        WIDTH, HEIGHT, name, name, f"{title}{f' in {unit}' if unit else ''}; the numbers are in the table below", shapes
    )
    return Plot(title, unit, svg, tuple(values))


@dataclass(frozen=True, slots=True)
class Pair:
    """Two shares of one thing: before and now."""

    label: str
    before: float
    now: float


@dataclass(frozen=True, slots=True)
class Pairs:
    """A drawn chart of pairs with the numbers it shows."""

    title: str
    svg: Markup
    pairs: tuple[Pair, ...]


def pairs(title: str, values: list[Pair]) -> Pairs:
    """The chart of `values` side by side: the first of each pair an outline, the second filled."""
    top = nice(max((max(pair.before, pair.now) for pair in values), default=1.0))
    step, inner_height, shapes = WIDTH / max(len(values), 1), HEIGHT - 2 * TOP, Markup("")
    for number, pair in enumerate(values):
        for place, (value, kind) in enumerate(((pair.before, "bar before"), (pair.now, "bar"))):
            height = max(inner_height * value / top, 1)
            shapes += Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
                kind, number * step + 2 + place * (step / 2 - 1), TOP + inner_height - height, step / 2 - 3, height
            )
    name = f"plot-{next(ids)}"
    svg = Markup('<svg viewBox="0 0 {} {}" role="img" aria-labelledby="{}"><title id="{}">{}</title>{}</svg>').format(
        WIDTH, HEIGHT, name, name, f"{title}; the numbers are in the table below", shapes
    )
    return Pairs(title, svg, tuple(values))


def nice(largest: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50, ... that is not below `largest`."""
    size = 1e-3
    while True:
        for step in (1, 2, 5):
            if step * size >= largest:
                return step * size
        size *= 10


def number_text(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"
