"""The databases and roles, made by `up` (or `python -m gateway.operations.migrate`) and safe to make again."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from typing import Any

import psycopg
from psycopg import sql

from gateway.operations import migrations

# database -> the role that owns it, if one of ours does
DATABASES = {"control": None, "live": None, "sandbox": "mlflow"}
LOGINS = {"sallyport_app": "", "mlflow": "", "live_loader": "", "gateway_live": "", "vault_admin": "CREATEROLE"}
# Each package's tables in `control`, in the order of the imports.
SCHEMAS = (
    ("compliance", "schema.sql"), ("sandbox", "schema.sql"), ("promotion", "schema.sql"),
    ("gateway.catalog", "schema.sql"), ("gateway.access", "schema.sql"), ("gateway.web", "schema.sql"),
    ("gateway.airlock", "schema.sql"),
)  # fmt: skip


def ensure(address: Callable[[str], str], passwords: dict[str, str]) -> None:
    """Databases, roles with these passwords, and all tables exist; `address` gives a database's, for one who may make them.

    Raises DatabaseNewer before anything was changed.
    """
    with psycopg.connect(address("postgres"), autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = 'control'").fetchone():
            with psycopg.connect(address("control")) as control:
                migrations.require_not_newer(control)
        for role, options in LOGINS.items():
            _ensure_login(connection, role, options, passwords[role])
        for database, owner in DATABASES.items():
            _ensure_database(connection, database, owner)
        connection.execute("GRANT CONNECT, CREATE ON DATABASE control TO sallyport_app")
        connection.execute("REVOKE CONNECT, TEMPORARY ON DATABASE control, sandbox, live, postgres FROM PUBLIC")
    with psycopg.connect(address("live")) as live:
        live.execute(_text("gateway.access", "live.sql"))
    with psycopg.connect(address("control")) as control:
        for package, name in SCHEMAS:
            control.execute(_text(package, name))
        migrations.upgrade(control)


def _ensure_login(connection: psycopg.Connection[Any], role: str, options: str, password: str) -> None:
    exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
    verb = sql.SQL("ALTER" if exists else "CREATE")
    connection.execute(
        sql.SQL("{} ROLE {} LOGIN {} PASSWORD {}").format(
            verb,
            sql.Identifier(role),
            sql.SQL(options),
            sql.Literal(password),
        )
    )


def _ensure_database(connection: psycopg.Connection[Any], name: str, owner: str | None) -> None:
    if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    if owner:
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(name), sql.Identifier(owner)))


def _text(package: str, name: str) -> Any:
    file = resources.files(package) / name
    return file.read_text("utf-8") if file.is_file() else "SELECT"
