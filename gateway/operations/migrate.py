"""`python -m gateway.operations.migrate`: your own PostgreSQL has the roles, databases and tables of this release.

Run with PGUSER, and PGPASSFILE or a certificate, of an account that may make roles and databases; the roles' passwords are those
in Vault at `secret/sallyport/database`.
"""

from __future__ import annotations

import os
import sys

import psycopg
from psycopg.conninfo import make_conninfo

from gateway.composition import approle
from gateway.embedded import databases
from gateway.errors import SettingsInvalid
from gateway.settings import Settings
from gateway.starting import DatabaseUnavailable, said
from gateway.vault import Vault


def main() -> None:
    """Makes what is missing and brings older tables to this release. Raises GatewayError."""
    settings = Settings.of_server()
    if not os.environ.get("PGUSER"):
        raise SettingsInvalid("PGUSER must name the account that may make roles and databases.")
    passwords = Vault.login(settings.vault_addr, **approle(settings.approle_file)).read_secret("sallyport/database")
    if missing := sorted(set(databases.LOGINS) - set(passwords)):
        raise SettingsInvalid(f"Vault's secret sallyport/database lacks the passwords of {', '.join(missing)}.")

    def address(database: str) -> str:
        host, port = settings.postgres_host, settings.postgres_port
        return make_conninfo(host=host, port=port, user=os.environ["PGUSER"], dbname=database, connect_timeout=10)

    try:
        databases.ensure(address, {role: str(passwords[role]) for role in databases.LOGINS})
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable("PostgreSQL does not answer, or does not know PGUSER.") from error
    sys.stderr.write("the databases are those of this release\n")


if __name__ == "__main__":
    said(main)()
