"""Logging in to the embedded stack: OpenBao proves who it is and signs an ID token, kept until it nears its end."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

from gateway.embedded import openbao
from gateway.embedded.home import Home, write_private
from gateway.errors import LoginFailed, StackNotRunning, VaultError
from gateway.vault import new_client, translated

RENEW_BEFORE_SECONDS = 120
CURRENT = "current-user"


def login(home_folder: Path, name: str, password: str | None = None, *, fresh: bool = False) -> str:
    """An ID token for `name`, a new one if need be or if it is to be `fresh`. The embedded users' passwords stand in the home.

    Raises LoginFailed, VaultUnavailable.
    """
    home = Home(home_folder)
    if (kept := _kept(home, name)) and password is None and not fresh:
        return kept
    known = _known(home, name) if password is None else {"kind": "person", "password": password}
    client = _at_vault(home, name, known)
    try:
        token = str(translated(lambda: client.read("identity/oidc/token/sallyport"))["data"]["token"])
    except VaultError as error:
        raise _not_accepted(name) from error
    write_private(_session(home, name), json.dumps({"token": token, "until": expiry(token)}))
    return token


def service_client(home_folder: Path, name: str) -> Any:
    """An hvac client that is the embedded service `name`. Raises LoginFailed, VaultUnavailable."""
    home = Home(home_folder)
    known = _known(home, name)
    if known["kind"] != "service":
        raise LoginFailed(f"'{name}' is a person; only a service has a client certificate.")
    return _at_vault(home, name, known)


def password(home_folder: Path, name: str) -> str:
    """The password of the embedded person `name`, for whoever may read the home. Raises LoginFailed."""
    known = _known(Home(home_folder), name)
    if "password" not in known:
        raise LoginFailed(f"'{name}' is a service and has no password.")
    return known["password"]


def remember(home_folder: Path, name: str) -> None:
    """Commands without --as are `name`'s from now on."""
    write_private(Home(home_folder).secret(CURRENT), name)


def current_user(home_folder: Path) -> str:
    """Who logged in last. Raises LoginFailed when nobody did."""
    try:
        return Home(home_folder).secret(CURRENT).read_text("utf-8")
    except OSError as error:
        raise LoginFailed("Nobody is logged in; run `sallyport login USER`, or say --as USER.") from error


def _at_vault(home: Home, name: str, known: dict[str, str]) -> Any:
    client = new_client(openbao.address(home))
    try:
        if known["kind"] == "service":
            translated(lambda: client.auth.approle.login(known["role_id"], known["secret_id"]))
        else:
            translated(lambda: client.auth.userpass.login(name, known["password"]))
    except VaultError as error:
        raise _not_accepted(name) from error
    return client


def _not_accepted(name: str) -> LoginFailed:
    return LoginFailed(f"The login of '{name}' was not accepted.")


def _known(home: Home, name: str) -> dict[str, str]:
    if not home.secret("users").is_dir():
        raise StackNotRunning(f"There is no stack in {home.root}.")
    path = home.secret("users") / f"{name}.json"
    if not name.isidentifier() or not path.is_file():
        raise LoginFailed(f"There is no embedded user '{name[:40]}'; `sallyport status` lists them.")
    return dict(json.loads(path.read_text("utf-8")))


def _kept(home: Home, name: str) -> str | None:
    try:
        session = json.loads(_session(home, name).read_text("utf-8"))
        return str(session["token"]) if session["until"] - RENEW_BEFORE_SECONDS > time.time() else None
    except (OSError, ValueError, KeyError):
        return None


def _session(home: Home, name: str) -> Path:
    return home.secret(f"session-{name}")


def expiry(token: str) -> int:
    """When the token ends, by its own word; the gateway checks the signature."""
    payload = token.split(".")[1]
    return int(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"])
