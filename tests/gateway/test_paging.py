"""Long lists come a page at a time; nothing is left out or shown twice, whatever is added meanwhile."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from compliance.paging import Page, every_page
from gateway.client import Gateway, Refusal

Row = namedtuple("Row", "id at")


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 500])
def test_pages_together_are_the_whole_list_also_where_times_are_equal(database_url: str, limit: int) -> None:
    start = datetime(2026, 11, 25, 12, tzinfo=UTC)
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE things (id text, at timestamptz)")
        for number in range(7):
            connection.execute("INSERT INTO things VALUES (%s, %s)", (f"t_{number}", start + timedelta(seconds=number // 3)))

        def fetch(page: Page) -> list[Row]:
            page = Page(limit, page.time, page.id)
            tail: str = "WHERE true" + page.tail("at")
            return [Row(*row) for row in connection.execute(f"SELECT id, at FROM things {tail}", page.values)]  # type: ignore[arg-type]

        found, cursor = [], None
        while True:
            page = Page.after(cursor, limit)
            items = fetch(page)
            assert len(items) <= limit
            found += items
            connection.execute("INSERT INTO things VALUES ('newer', %s)", (start + timedelta(days=1),))
            cursor = page.next(items, "at")
            if cursor is None:
                break
        assert [one.id for one in found] == ["t_6", "t_5", "t_4", "t_3", "t_2", "t_1", "t_0"]


def test_every_page_reads_on_until_the_last() -> None:
    rows = [Row(str(number), datetime(2026, 1, 1, tzinfo=UTC) - timedelta(seconds=number)) for number in range(1203)]

    def fetch(page: Page) -> list[Row]:
        return [row for row in rows if page.time is None or row.at < page.time][: page.limit]

    assert list(every_page(fetch, "at")) == rows


LISTS = ["access-requests", "leases", "break-glass", "snapshots", "promotions", "egress-requests", "ingress-requests", "scorings",
         "policy/changes"]  # fmt: skip


@pytest.mark.parametrize("path", LISTS)
def test_each_long_list_takes_a_limit_and_a_cursor_and_refuses_what_is_none(
    as_user: Callable[[str], Gateway], clinic: Path, path: str
) -> None:
    dana = as_user("carl" if path == "policy/changes" else "dana")
    if path == "access-requests":
        body = {"dataset": "clinic", "columns": ["patients.sex"], "purpose": "model-debugging", "hours": 1, "why": "paging"}
        made = [dana.post("/v1/access-requests", body)["id"] for _ in range(3)]
        assert [one["id"] for one in dana.every("/v1/access-requests", limit=1)][:3] == made[::-1]
    whole = dana.get(f"/v1/{path}")
    assert list(dana.every(f"/v1/{path}", limit=2)) == whole["items"]
    for query in ({"after": "x"}, {"after": "2026-11-25T00:00:00_a"}, {"after": "2026-11-25T00:00:00+00:00_"}, {"limit": 0},
                  {"limit": 100_000}):  # fmt: skip
        with pytest.raises(Refusal) as refused:
            dana.get(f"/v1/{path}", **query)
        assert (refused.value.status, refused.value.problem_code) == (422, "invalid_request"), query
