"""Attacks by differencing against the airlock: tables safe one by one and not together, and tables that never tell of anyone.

usage: airlock_differencing.py [SEQUENCES [SEED]]; prints one JSON object.

Each attack is a sequence of requests of one project. Of every one it is shown first that each request by itself passes the rules,
and that sums and differences of the counts give a group of one to nine people. Harmless sequences are made of groups of
which every possible cross-section is of ten people or more, so no arithmetic leads to fewer.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

from sandbox.airlock.differencing import differences
from sandbox.airlock.disclosure import Rules, judge
from sandbox.airlock.groups import Counted
from sandbox.airlock.tables import Declared, read

LIMIT = 10
Person = Mapping[str, Any]
Rows = list[dict[str, Any]]
VALUES = {"sex": ("F", "M"), "ward": tuple("ABCDEF"), "smoker": ("yes", "no", "former"), "region": ("north", "south", "east")}


def main() -> None:
    """Prints one JSON object."""
    sequences = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    draw = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 11)
    started, result = time.perf_counter(), {}
    for name, attack in ATTACKS.items():
        made = [one for one in (attack(draw) for _ in range(sequences)) if _is_attack(one[0], one[1])]
        stopped = sum(_stopped(requests) for requests, _ in made)
        result[name] = {"attacks": len(made), "stopped": stopped}
    harmless = [_harmless(draw) for _ in range(sequences)]
    result["harmless"] = {"sequences": len(harmless), "returned": sum(_stopped(one) for one in harmless)}
    found = [one for name, one in result.items() if name != "harmless"]
    total = {"attacks": sum(one["attacks"] for one in found), "stopped": sum(one["stopped"] for one in found)}
    print(json.dumps({"limit": LIMIT, **result, "all": total, "seconds": round(time.perf_counter() - started, 1)}))


def population(draw: random.Random, people: int = 1200) -> list[dict[str, Any]]:
    """Invented people."""
    return [
        {name: draw.choice(values) for name, values in VALUES.items()} | {"age": draw.randrange(18, 95)} for _ in range(people)
    ]


def counted(people: Sequence[Person], *columns: str) -> Rows:
    """The table of counts by these columns."""
    counts = Counter(tuple(str(person[column]) for column in columns) for person in people)
    return [dict(zip(columns, group, strict=True)) | {"n": n} for group, n in sorted(counts.items())]


def _cells(rows: Rows, request: int, where: Mapping[str, str]) -> list[Counted] | None:
    """The request's cells, or None when the rules stop it by itself."""
    header = list(rows[0])
    table = read("t.csv", [header, *([str(row[column]) for column in header] for row in rows)], Declared(where=where, count="n",
                 groups=tuple(column for column in header if column != "n")))  # fmt: skip
    if table is None or any(one.weight == "stop" for one in judge(table, None, Rules(min_count=LIMIT))):
        return None
    return [Counted("t.csv", frozenset(cell.where.items()), cell.n, str(request)) for cell in table.cells if cell.n is not None]


Request = tuple[Rows, dict[str, str]]


def _is_attack(requests: Sequence[Request], told: int) -> bool:
    """Each request passes alone, and what the arithmetic tells is a group of one to nine."""
    return 0 < told < LIMIT and all(
        (cells := _cells(rows, 0, where)) is not None and not differences(_own(cells), [], min_count=LIMIT)
        for rows, where in requests
    )


def _own(cells: Sequence[Counted]) -> list[Counted]:
    return [Counted(cell.table, cell.group, cell.n, None) for cell in cells]


def _stopped(requests: Sequence[Request]) -> bool:
    """One of the requests is stopped when it is asked for after those before it."""
    earlier: list[Counted] = []
    for number, (rows, where) in enumerate(requests):
        cells = _cells(rows, number, where)
        if cells is None or differences(_own(cells), earlier, min_count=LIMIT):
            return True
        earlier += cells
    return False


def _count(people: Sequence[Person], test: Callable[[Person], bool]) -> int:
    return sum(1 for person in people if test(person))


def one_left(draw: random.Random) -> tuple[list[Request], int]:
    """The same table before and after a few people left."""
    people, leaving = population(draw), draw.randrange(1, 9)
    return [(counted(people, "ward"), {}), (counted(people[leaving:], "ward"), {})], leaving


def complement(draw: random.Random) -> tuple[list[Request], int]:
    """A group, and the same group without a rare kind of person."""
    people = population(draw)
    rare = draw.sample(people, draw.randrange(1, 9))
    for person in people:
        person["ill"] = "no"
    for person in rare:
        person["ill"] = "yes"
    well = [person for person in people if person["ill"] == "no"]
    return [([{"all": "x", "n": len(people)}], {}), ([{"all": "x", "n": len(well)}], {"ill": "no"})], len(rare)


def suppressed(draw: random.Random) -> tuple[list[Request], int]:
    """Every ward but the smallest in one table, the total in another."""
    people = population(draw)
    few = draw.randrange(1, 9)
    for person in people[:few]:
        person["ward"] = "Z"
    rows = [row for row in counted(people, "ward") if row["ward"] != "Z"]
    return [(rows, {}), ([{"hospital": "all", "n": len(people)}], {})], _count(people, lambda p: p["ward"] == "Z")


def split_over_requests(draw: random.Random) -> tuple[list[Request], int]:
    """The wards one by one, each in a request of its own, and the total."""
    people = population(draw)
    for person in people[: draw.randrange(1, 9)]:
        person["ward"] = "Z"
    rows = [row for row in counted(people, "ward") if row["ward"] != "Z"]
    draw.shuffle(rows)
    total: Rows = [{"hospital": "all", "n": len(people)}]
    return [*(([row], {}) for row in rows), (total, {})], _count(people, lambda p: p["ward"] == "Z")


def shifted_interval(draw: random.Random) -> tuple[list[Request], int]:
    """Two age ranges whose ends are a year apart."""
    people, low = population(draw, 500), draw.randrange(18, 40)
    high = low + draw.randrange(20, 40)
    return [
        ([{"age": f"{low}-{end}", "n": _count(people, lambda p, e=end: low <= p["age"] <= e)}], {}) for end in (high, high + 1)
    ], _count(people, lambda p: p["age"] == high + 1)  # type: ignore[misc]


def covered_interval(draw: random.Random) -> tuple[list[Request], int]:
    """An age range, and two ranges in other requests that cover it but for a year."""
    people, low = population(draw, 500), draw.randrange(18, 40)
    middle, high = low + 12, low + 30
    spans = [(low, high), (low, middle), (middle + 1, high - 1)]
    rows = [[{"age": f"{a}-{b}", "n": _count(people, lambda p, a=a, b=b: a <= p["age"] <= b)}] for a, b in spans]  # type: ignore[misc]
    return [(one, {}) for one in rows], _count(people, lambda p: p["age"] == high)


def renamed(draw: random.Random) -> tuple[list[Request], int]:
    """The same table again under another column name, a few people later."""
    people, leaving = population(draw), draw.randrange(1, 9)
    later = [{"department": row["ward"], "n": row["n"]} for row in counted(people[leaving:], "ward")]
    return [(counted(people, "ward"), {}), (later, {})], leaving


def margins(draw: random.Random) -> tuple[list[Request], int]:
    """One corner of a two by two table worked out from its margins and the corner opposite."""
    people = population(draw)
    for person in people:
        person["ill"] = "yes" if person["sex"] == "M" and draw.random() < 0.5 else "no"
    for person in [one for one in people if one["sex"] == "F"][: draw.randrange(1, 9)]:
        person["ill"] = "yes"
    opposite = [{"sex": "M", "ill": "no", "n": _count(people, lambda p: (p["sex"], p["ill"]) == ("M", "no"))}]
    return [(counted(people, "sex"), {}), (counted(people, "ill"), {}), (opposite, {})], _count(
        people, lambda p: (p["sex"], p["ill"]) == ("F", "yes")
    )


def three_tables(draw: random.Random) -> tuple[list[Request], int]:
    """A small cross-section from a table by two columns, a table by one, and what is known of the rest."""
    people = population(draw)
    for person in people:
        if (person["ward"], person["smoker"]) == ("A", "yes"):
            person["smoker"] = "no"
    for person in [one for one in people if one["ward"] == "A"][: draw.randrange(1, 9)]:
        person["smoker"] = "yes"
    by_both = [row for row in counted(people, "ward", "smoker") if row["ward"] != "A"]
    first, second = by_both[: len(by_both) // 2], by_both[len(by_both) // 2 :]
    return [(counted(people, "smoker"), {}), (first, {}), (second, {})], _count(
        people, lambda p: (p["ward"], p["smoker"]) == ("A", "yes")
    )


def renamed_split(draw: random.Random) -> tuple[list[Request], int]:
    """The wards in two requests that call the column differently, and the total. Thought of after the check was written."""
    people = population(draw)
    for person in people[: draw.randrange(1, 9)]:
        person["ward"] = "Z"
    rows = [row for row in counted(people, "ward") if row["ward"] != "Z"]
    second: Rows = [{"department": row["ward"], "n": row["n"]} for row in rows[2:]]
    total: Rows = [{"hospital": "all", "n": len(people)}]
    return [(rows[:2], {}), (second, {}), (total, {})], _count(people, lambda p: p["ward"] == "Z")


def spans_by_sex(draw: random.Random) -> tuple[list[Request], int]:
    """An age range by sex, from ranges of everybody and of the other sex. Thought of after the check was written."""
    people, low = population(draw, 700), draw.randrange(18, 40)
    high = low + 30

    def span(a: int, b: int, sex: str | None = None) -> int:
        return _count(people, lambda p: a <= p["age"] <= b and sex in (None, p["sex"]))

    first: Rows = [{"age": f"{low}-{high}", "n": span(low, high)}]
    men: Rows = [{"age": f"{low}-{high}", "sex": "M", "n": span(low, high, "M")}]
    women: Rows = [{"age": f"{a}-{b}", "sex": "F", "n": span(a, b, "F")} for a, b in ((low, low + 12), (low + 13, high - 1))]
    return [(first, {}), (men, {}), (women[:1], {}), (women[1:], {})], span(high, high, "F")


def four_margins(draw: random.Random) -> tuple[list[Request], int]:
    """A corner of a three by three table from margins and the other corners. Thought of after the check was written."""
    people = population(draw)
    for person in people:
        if (person["region"], person["smoker"]) == ("north", "yes"):
            person["smoker"] = "no"
    for person in [one for one in people if one["region"] == "north"][: draw.randrange(1, 9)]:
        person["smoker"] = "yes"
    inner = [row for row in counted(people, "region", "smoker") if row["region"] != "north" and row["smoker"] != "yes"]
    known = [row for row in counted(people, "region", "smoker") if row["region"] == "north" and row["smoker"] != "yes"]
    return [(counted(people, "region"), {}), (counted(people, "smoker"), {}), (inner, {}), (known, {})], _count(
        people, lambda p: (p["region"], p["smoker"]) == ("north", "yes")
    )


def _harmless(draw: random.Random) -> list[Request]:
    """Tables by any of three columns, of people of whom every cross-section has ten or more."""
    columns = draw.sample(sorted(VALUES), 3)
    people: list[dict[str, Any]] = []
    for values in product(*(VALUES[column] for column in columns)):
        people += [dict(zip(columns, values, strict=True))] * draw.randrange(LIMIT, 60)
    chosen = [draw.sample(columns, draw.randrange(1, 4)) for _ in range(draw.randrange(2, 6))]
    return [(counted(people, *one), {}) for one in chosen]


ATTACKS: dict[str, Callable[[random.Random], tuple[list[Request], int]]] = {
    "one left": one_left, "complement": complement, "suppressed group": suppressed, "split over requests": split_over_requests,
    "shifted interval": shifted_interval, "covered interval": covered_interval, "renamed column": renamed,
    "margins": margins, "three tables": three_tables,
    "renamed split": renamed_split, "spans by sex": spans_by_sex, "four margins": four_margins,
}  # fmt: skip


if __name__ == "__main__":
    main()
