"""`sallyport login`: who asks from now on, as the embedded stack, or the organisation's identity provider, says."""

from __future__ import annotations

import click

from gateway.console import fail, say
from gateway.embedded.home import Home
from gateway.errors import GatewayError

NEXT_STEPS = {
    "stack_not_running": "run `sallyport up`",
    "issuer_unavailable": "see that SALLYPORT_OIDC_ISSUER names an identity provider that answers",
    "device_flow_not_offered": "log in to the pages in a browser",
}


@click.command()
@click.argument("user", required=False)
@click.option("--show-password", is_flag=True, help="Print USER's password, for the pages' login form, and do nothing else.")
@click.option("--service", is_flag=True, help="Log in as the client itself, for services: SALLYPORT_OIDC_CLIENT_SECRET_FILE.")
def login(user: str | None, show_password: bool, service: bool) -> None:
    """Log in as USER of the embedded stack, or without USER at your organisation's identity provider, in any browser.

    Commands without --as are yours from now on.
    """
    try:
        if user is None:
            _at_provider(service)
        else:
            _embedded(user, show_password)
    except GatewayError as error:
        fail(error.code, str(error), NEXT_STEPS.get(error.code))


def _embedded(user: str, show_password: bool) -> None:
    from gateway.embedded import users

    home = Home.here()
    if show_password:
        click.echo(users.password(home.root, user))
        return
    users.login(home.root, user, fresh=True)
    users.remember(home.root, user)
    say(f"logged in as {user}")


def _at_provider(service: bool) -> None:
    from gateway.kept_login import log_in_as_service, log_in_in_browser
    from gateway.oidc import command_line_provider
    from gateway.settings import Settings

    settings = Settings.load()
    provider = command_line_provider(settings)
    if provider is None:
        raise click.UsageError("Say as which USER, or set SALLYPORT_OIDC_CLIENT_ID to log in at an identity provider.")
    if service:
        log_in_as_service(provider, settings.home)
    else:
        log_in_in_browser(provider, settings.home, tell=say)
    say("logged in at the identity provider")
