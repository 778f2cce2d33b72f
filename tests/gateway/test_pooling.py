"""Kept connections to a server that ended them."""

from __future__ import annotations

import psycopg
from psycopg_pool import ConnectionPool

from gateway.pooling import not_ended


def test_who_comes_after_the_server_ended_its_connections_is_answered_all_the_same(database_url: str) -> None:
    with ConnectionPool(database_url, min_size=2, max_size=2, check=not_ended) as pool:
        pool.wait()
        with pool.connection() as one, pool.connection() as two:
            pids = [one.info.backend_pid, two.info.backend_pid]
        with psycopg.connect(database_url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(pid, 10000) FROM unnest(%s::int[]) AS pid", (pids,))
        with pool.connection() as connection:
            (now,) = connection.execute("SELECT pg_backend_pid()").fetchone() or (0,)
    assert now not in pids


def test_a_connection_that_works_is_kept(database_url: str) -> None:
    with ConnectionPool(database_url, min_size=1, max_size=1, check=not_ended) as pool:
        seen = set()
        for _ in range(3):
            with pool.connection() as connection:
                seen.add(connection.info.backend_pid)
    assert len(seen) == 1
