"""A login at the organisation's identity provider as the command line keeps it: in a file only this account can read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.embedded.home import Home, write_private
from gateway.embedded.users import RENEW_BEFORE_SECONDS, expiry, remember
from gateway.errors import LoginFailed
from gateway.oidc import LoginPending, Provider, Tokens

AT_PROVIDER = "@provider"  # as `remember` keeps it; no user of an embedded stack is called so
FILE = "provider-login"
SLOWER_SECONDS = 5  # RFC 8628 3.5
AGAIN = "Your login has ended; run `sallyport login`."


def log_in_in_browser(
    provider: Provider, home_folder: Path, *, tell: Callable[[str], None], wait: Callable[[float], None] = time.sleep
) -> None:
    """Commands are from now on of the person who agreed in a browser (RFC 8628). Raises LoginFailed, IssuerUnavailable."""
    begun = provider.begin_device_login()
    tell(f"open {begun.verification_uri} in a browser and enter the code {begun.user_code}")
    until, interval = time.monotonic() + begun.expires_in, begun.interval
    while time.monotonic() < until:
        wait(interval)
        try:
            tokens = provider.finish_device_login(begun)
        except LoginPending as pending:
            interval += SLOWER_SECONDS if str(pending) == "slow_down" else 0
            continue
        _keep(home_folder, tokens, service=False)
        return
    raise LoginFailed("Nobody entered the code in time; begin the login again.")


def log_in_as_service(provider: Provider, home_folder: Path) -> None:
    """Commands are from now on of the service whose client the settings name. Raises LoginFailed, IssuerUnavailable."""
    _keep(home_folder, Tokens(provider.service_token()), service=True)


def token(provider: Provider | None, home_folder: Path) -> str:
    """The kept token, renewed near its end where the provider does that. Raises LoginFailed, IssuerUnavailable."""
    kept = _kept(home_folder)
    if kept["until"] - RENEW_BEFORE_SECONDS > time.time():
        return str(kept["token"])
    if provider is not None and kept["service"]:
        log_in_as_service(provider, home_folder)
    elif provider is not None and kept["refresh"]:
        try:
            _keep(home_folder, provider.refresh(kept["refresh"]), service=False)
        except LoginFailed as error:
            raise LoginFailed(AGAIN) from error
    elif kept["until"] <= time.time():
        raise LoginFailed(AGAIN)
    return str(_kept(home_folder)["token"])


def _keep(home_folder: Path, tokens: Tokens, *, service: bool) -> None:
    said = {"token": tokens.token, "refresh": tokens.refresh, "until": expiry(tokens.token), "service": service}
    home = Home(home_folder)
    home.secret(FILE).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(home.secret(FILE), json.dumps(said))
    remember(home_folder, AT_PROVIDER)


def _kept(home_folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(Home(home_folder).secret(FILE).read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise LoginFailed(AGAIN) from error
