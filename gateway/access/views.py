"""A lease in the live database: a schema of views that show exactly what policy's obligations say, and nothing else.

The views are security barriers, so a condition in a query is not tried on rows the view leaves out. The key of pseudonyms is in a
table only the masking function can read; a view's definition, which anybody can read in the catalogue, does not hold it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from psycopg import Connection, sql

from sandbox.contracts import Column, Contract, RowFilter, Table
from sandbox.treatments.zip3 import SPARSE

BLOCK_BYTES = 64  # of SHA-256 (RFC 2104)
INNER, OUTER = 0x36, 0x5C
OLDEST_AGE = 90
STATEMENT_TIMEOUT, IDLE_TIMEOUT = "60s", "10min"
TEMPORARY_FILES = "2GB"
# Beyond its timeouts a session is given this before it is ended from outside (it may have lifted them for itself).
GRACE_SECONDS = 5
CONNECTIONS = 4
SERVICES = "lease_of_service"  # the roles of leases that a deployed model's service holds are members


# The settings of a lease's role, as pg_roles.rolconfig holds them but for the search path, which names the lease.
SETTINGS = {
    "default_transaction_read_only": "on", "statement_timeout": STATEMENT_TIMEOUT,
    "idle_in_transaction_session_timeout": IDLE_TIMEOUT, "log_duration": "on", "temp_file_limit": TEMPORARY_FILES,
}  # fmt: skip
STANDING = """
WITH schemas AS (
    SELECT substr(nspname, 7) AS lease, (SELECT count(*) FROM pg_class WHERE relnamespace = n.oid AND relkind = 'v') AS views
    FROM pg_namespace AS n WHERE nspname LIKE 'lease\\_%%'
), roles AS (
    SELECT split_part(rolname, '-', 2) AS lease, count(*) AS roles,
        bool_or(NOT coalesce(rolconfig, '{}') @> (%s::text[] || ('search_path=lease_' || split_part(rolname, '-', 2)))) AS changed
    FROM pg_roles WHERE rolname LIKE 'lease-%%' GROUP BY 1
)
SELECT lease, s.lease IS NOT NULL, coalesce(views, 0), coalesce(roles, 0), coalesce(changed, false)
FROM schemas AS s FULL JOIN roles USING (lease)"""


def create(
    connection: Connection[Any], *, lease: str, contract: Contract, columns: Mapping[str, str], row_filter: RowFilter | None,
    key: bytes,
) -> None:  # fmt: skip
    """The lease's schema and views exist, made as lease_definer, in the caller's transaction."""
    schema = sql.Identifier(schema_of(lease))
    connection.execute("SET LOCAL ROLE lease_definer")
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
    connection.execute("INSERT INTO masking.keys (lease, inner_block, outer_block) VALUES (%s, %s, %s)", (lease, *_blocks(key)))
    for table in contract.tables:
        shown = {name.partition(".")[2]: how for name, how in columns.items() if name.partition(".")[0] == table.name}
        if shown:
            connection.execute(_view(lease, contract, table, shown, row_filter))
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO vault_admin WITH GRANT OPTION").format(schema))
    connection.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO vault_admin WITH GRANT OPTION").format(schema))


def drop(connection: Connection[Any], lease: str) -> None:
    """Nothing of the lease is left in the live database; safe to do again."""
    connection.execute("SET LOCAL ROLE lease_definer")
    connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema_of(lease))))
    connection.execute("DELETE FROM masking.keys WHERE lease = %s", (lease,))


@dataclass(frozen=True, slots=True)
class Standing:
    """What there is of a lease in PostgreSQL: a schema, views in it, identities, and settings they changed of their own."""

    schema: bool = False
    views: int = 0
    roles: int = 0
    changed: bool = False


def standing(connection: Connection[Any]) -> dict[str, Standing]:
    """lease -> what there is of it in the live database."""
    rows = connection.execute(STANDING, ([f"{name}={value}" for name, value in SETTINGS.items()],)).fetchall()
    return {lease: Standing(schema, count, roles, changed) for lease, schema, count, roles, changed in rows}


def end_sessions(connection: Connection[Any], lease: str) -> None:
    """No session of the lease is left, nor any whose role is gone."""
    connection.execute("SET LOCAL ROLE lease_definer")
    connection.execute("SELECT sessions.end_of_lease(%s)", (lease,))


def end_overrunning(connection: Connection[Any]) -> list[str]:
    """The leases of which a session was ended because its statement or its idle transaction overran."""
    connection.execute("SET LOCAL ROLE lease_definer")
    rows = connection.execute(
        "SELECT DISTINCT sessions.end_overrunning(%s::interval + %s, %s::interval + %s)",
        (STATEMENT_TIMEOUT, timedelta(seconds=GRACE_SECONDS), IDLE_TIMEOUT, timedelta(seconds=GRACE_SECONDS)),
    ).fetchall()
    return sorted(lease for (lease,) in rows)


def schema_of(lease: str) -> str:
    return f"lease_{lease}"


def creation(lease: str, *, service: bool = False) -> list[str]:
    """What Vault runs to make an identity of the lease. `lease` is ours: hex digits only.

    A service's is known to the database as one, so that its pg_hba.conf can ask it for a client certificate too.
    """
    schema = f'"{schema_of(lease)}"'
    role = '"{{name}}"'
    return [
        f"CREATE ROLE {role} LOGIN NOINHERIT PASSWORD '{{{{password}}}}' VALID UNTIL '{{{{expiration}}}}'"
        f" CONNECTION LIMIT {CONNECTIONS}",
        f"ALTER ROLE {role} SET search_path = {schema}",
        *(f"ALTER ROLE {role} SET {name} = '{value}'" for name, value in SETTINGS.items()),
        f"GRANT lease_holder TO {role} WITH INHERIT TRUE, SET FALSE",
        f"GRANT USAGE ON SCHEMA {schema} TO {role}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}",
        *([f"GRANT {SERVICES} TO {role} WITH INHERIT FALSE, SET FALSE"] if service else []),
    ]


REVOCATION = [
    'ALTER ROLE "{{name}}" NOLOGIN',
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{{name}}'",
    'DROP OWNED BY "{{name}}"',
    'DROP ROLE "{{name}}"',
]


def _view(lease: str, contract: Contract, table: Table, shown: Mapping[str, str], row_filter: RowFilter | None) -> sql.Composed:
    columns = [
        sql.SQL("{} AS {}").format(_treated(lease, column, shown[column.name]), sql.Identifier(column.name.lower()))
        for column in table.columns
        if shown.get(column.name, "absent") != "absent"
    ]
    return sql.SQL("CREATE VIEW {} WITH (security_barrier) AS SELECT {} FROM {} AS live").format(
        sql.Identifier(schema_of(lease), table.name.lower()), sql.SQL(", ").join(columns), _rows(contract, table, row_filter)
    )


def _rows(contract: Contract, table: Table, row_filter: RowFilter | None) -> sql.Composed:
    """The rows to be shown. OFFSET 0 keeps a query's own conditions out, so that EXPLAIN tells nothing of the rows left out."""
    home = sql.Identifier(contract.id, table.name.lower())
    if row_filter is None:
        return sql.Composed([home])
    return sql.SQL("(SELECT * FROM {} AS live WHERE {} OFFSET 0)").format(home, _condition(contract, table, row_filter))


def _condition(contract: Contract, table: Table, row_filter: RowFilter) -> sql.Composable:
    """The purpose's row filter on the person's own row, carried to the other tables by the person key."""
    home, _, column = row_filter.column.partition(".")
    person = contract.person_column(table)
    if table.name == home:
        return sql.SQL("live.{} = {}").format(sql.Identifier(column.lower()), sql.Literal(row_filter.equals))
    if person is None or contract.person_key is None:
        return sql.SQL("false")  # rows that cannot be filtered are not shown
    key = contract.person_key.partition(".")[2]
    return sql.SQL("live.{} IN (SELECT owner.{} FROM {} AS owner WHERE owner.{} = {})").format(
        sql.Identifier(person.lower()), sql.Identifier(key.lower()), sql.Identifier(contract.id, home.lower()),
        sql.Identifier(column.lower()), sql.Literal(row_filter.equals),
    )  # fmt: skip


def _treated(lease: str, column: Column, how: str) -> sql.Composable:
    value = sql.SQL("live.{}").format(sql.Identifier(column.name.lower()))
    match how:
        case "clear":
            return value
        case "null":
            return sql.SQL("NULL::text")
        case "pseudonym":
            return sql.SQL("masking.pseudonym({}, {}, {}::text)").format(sql.Literal(lease), sql.Literal(column.kind), value)
        case "generalise":
            return _generalised(column, value)
    raise ValueError(f"unknown treatment {how}")


def _generalised(column: Column, value: sql.Composable) -> sql.Composable:
    """Dates to the year, ZIP codes to three digits or 000, ages over 89 to 90; a quasi-identifier of another kind is hidden."""
    if column.logical_type in ("date", "timestamp"):
        return sql.SQL("date_trunc('year', {}::timestamp)::date").format(value)
    if column.logical_type == "integer":
        return sql.SQL("least(({} / 10) * 10, {})").format(value, sql.Literal(OLDEST_AGE))
    if "zip" in column.name.lower():
        sparse = sql.SQL(", ").join(sql.Literal(prefix) for prefix in sorted(SPARSE))
        trimmed = sql.SQL("btrim({}, E' \\t\\n\\r\\f\\v')").format(value)
        return sql.SQL(
            "CASE WHEN left({v}, 3) IN ({s}) OR {v} !~ '^[0-9]{{5}}(-?[0-9]{{4}})?$' THEN '000' ELSE left({v}, 3) END"
        ).format(v=trimmed, s=sparse)
    return value if column.treatment in ("keep", "bin") else sql.SQL("NULL::text")


def _blocks(key: bytes) -> tuple[bytes, bytes]:
    padded = key.ljust(BLOCK_BYTES, b"\x00")
    return bytes(byte ^ INNER for byte in padded), bytes(byte ^ OUTER for byte in padded)
