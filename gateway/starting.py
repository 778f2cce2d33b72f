"""How a server starts: with settings that were checked, or not at all and with a sentence that says why."""

from __future__ import annotations

import logging
import resource
import sys
from collections.abc import Callable
from typing import ClassVar
from urllib.parse import urlsplit

import psycopg
from psycopg_pool import PoolTimeout

from gateway.composition import Services, compose
from gateway.console import WRONG_USAGE, say
from gateway.errors import GatewayError, SettingsInvalid
from gateway.policy_signing import PolicySigner
from gateway.settings import Settings

WHAT_TO_DO = {
    "settings_invalid": "every setting is described in docs/reference/settings.md",
    "stack_not_running": "run `sallyport up`, or set SALLYPORT_VAULT_ADDR, SALLYPORT_POSTGRES_HOST and the others",
    "vault_unavailable": "see that SALLYPORT_VAULT_ADDR names a Vault that runs and is unsealed",
    "vault_refused": "see that the login in SALLYPORT_APPROLE_FILE is valid and has the gateway's policy",
    "database_unavailable": "see that SALLYPORT_POSTGRES_HOST and SALLYPORT_POSTGRES_PORT name the server, and that it runs",
    "home_unusable": "set SALLYPORT_HOME to a folder that this account may write to",
}


def begin(*, writes: bool = True) -> Services:
    """The parts of a server, connected; each folder it `writes` to exists. Raises GatewayError."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash writes no core file: keys and live values are in memory
    settings = Settings.of_server()
    if not settings.approle_file.is_file():
        raise SettingsInvalid(f"SALLYPORT_APPROLE_FILE: there is no file {settings.approle_file}.")
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)  # what fails now is said once, below
    given = compose(settings)
    try:
        with given.pool.connection() as connection:
            connection.execute("SELECT 1")
    except (psycopg.Error, PoolTimeout) as error:
        given.close()
        raise DatabaseUnavailable("PostgreSQL does not answer, or does not know the gateway's login.") from error
    logging.getLogger("psycopg.pool").setLevel(logging.NOTSET)
    if writes:
        given.home.prepare()
    for sentence in doubts(given):
        say(f"sallyport: {sentence}")
    return given


def doubts(given: Services) -> list[str]:
    """What a server starts in spite of, in sentences: an OPA server that has none of our policies, or no key to sign them."""
    if not given.settings.opa_url:
        return []
    found = []
    try:
        PolicySigner(given.vault)
    except GatewayError as error:
        found.append(f"{error} So no OPA server is given the policies' bundle.")
    if not given.policy.engine.healthy():
        found.append(
            "The OPA server does not answer, or has taken no bundle yet: one whose signature it cannot verify it refuses."
            " Until it has the policies, whoever asks is denied."
        )
    return found


def address(url: str, listen_host: str | None) -> tuple[str, int]:
    """The host and port to listen on for clients that use `url`."""
    parts = urlsplit(url)
    return listen_host or parts.hostname or "127.0.0.1", parts.port or (443 if parts.scheme == "https" else 80)


class DatabaseUnavailable(GatewayError):
    """PostgreSQL does not answer."""

    code: ClassVar[str] = "database_unavailable"


def said(main: Callable[[], None]) -> Callable[[], None]:
    """`main`, whose refusal to start is two lines on standard error and exit 2."""

    def run() -> None:
        try:
            main()
        except GatewayError as error:
            sys.stderr.write(f"error ({error.code}): {error}\n")
            sys.stderr.write(f"  what to do: {WHAT_TO_DO.get(error.code, 'run `sallyport doctor`')}\n")
            raise SystemExit(WRONG_USAGE) from None

    return run
