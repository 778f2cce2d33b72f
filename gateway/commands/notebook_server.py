"""`sallyport notebook-server`: one person's notebook server as JupyterHub starts it, in a pod or a process of its own.

The person is who logged in at the hub: the hub keeps the ID token that the organisation's provider gave, renews it, and gives it
to this person's server alone. The gateway judges that token at each call; the hub's own word counts for nothing there.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import click

from gateway.client import Gateway
from gateway.commands.caller import connect_with
from gateway.commands.ingress import bring_in
from gateway.commands.notebook import fetch_snapshots, renew, renew_until, server_environment
from gateway.errors import LoginFailed

SECONDS_TO_ANSWER = 10
# What the hub tells the server of itself; everything else it was started with stays outside.
FROM_HUB = ("JUPYTERHUB_", "JPY_", "MEM_", "CPU_")


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--memory", default=4096, show_default=True, help="Mebibytes each kernel may use.")
@click.argument("more", nargs=-1, type=click.UNPROCESSED)
def command(memory: int, more: tuple[str, ...]) -> None:
    """Serve the notebooks of the person that JupyterHub logged in; only the hub starts this."""
    from sandbox.jail import find_bwrap
    from sandbox.notebook.server import prepare
    from sandbox.notebook.way_out import open_way_out

    find_bwrap()
    gateway = connect_with(os.environ["SALLYPORT_GATEWAY"], kept_by_hub, os.environ.get("SALLYPORT_GATEWAY_SOCKET"))
    who = gateway.get("/v1/whoami")
    place = prepare(Path(os.environ.get("SALLYPORT_NOTEBOOKS", "~/sallyport")).expanduser() / str(who["id"]))
    runtime = Path(tempfile.mkdtemp(prefix="sp-jl-"))
    try:
        if gateway.socket is None:
            gateway.socket = runtime / "gateway.sock"
            open_way_out(gateway.socket, gateway.url)
        fetch_snapshots(gateway, place / "snapshots")
        bring_in(gateway, place / "wheels", place / "incoming")
        renew(gateway, place / "tokens")
        threading.Thread(target=renew_until, args=(threading.Event(), gateway, place), daemon=True).start()
        project = who["projects"][0] if len(who["projects"]) == 1 else ""
        sys.exit(_serve(gateway, place, runtime, project=project, memory=memory, more=more))
    finally:
        shutil.rmtree(runtime, ignore_errors=True)


def _serve(gateway: Gateway, place: Path, runtime: Path, *, project: str, memory: int, more: tuple[str, ...]) -> int:
    import subprocess

    from sandbox.notebook.ending import with_parent

    environment = server_environment(gateway, place, runtime, project=project, memory=memory)
    environment |= {name: value for name, value in os.environ.items() if name.startswith(FROM_HUB)}
    config = str(place / "config" / "jupyter_server_config.json")
    words = [sys.executable, "-m", "jupyterhub.singleuser", "--config", config, *more]
    return subprocess.run(
        words, env=environment, cwd=place / "home", check=False,
        preexec_fn=with_parent(),
    ).returncode  # fmt: skip


def kept_by_hub() -> str:
    """The person's ID token as the hub keeps it, fresh. Raises LoginFailed when the hub has none any more."""
    import httpx

    address, name = os.environ["JUPYTERHUB_API_URL"], os.environ["JUPYTERHUB_USER"]
    headers = {"Authorization": f"token {os.environ['JUPYTERHUB_API_TOKEN']}"}
    try:
        with httpx.Client(timeout=SECONDS_TO_ANSWER, trust_env=False) as http:
            answer = http.get(f"{address}/users/{name}", headers=headers).raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        raise LoginFailed("The hub does not say who this server is for; log in there again.") from error
    state: dict[str, Any] = answer.get("auth_state") or {}
    token = state.get("id_token") or (state.get("token_response") or {}).get("id_token")
    if not token:
        raise LoginFailed("Your login has ended; log in at the hub again.")
    return str(token)
