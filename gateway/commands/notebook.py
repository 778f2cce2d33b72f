"""`sallyport notebook`: JupyterLab whose kernels run in the jail, on the caller's snapshots."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import click

from gateway.client import Gateway
from gateway.commands.caller import as_user
from gateway.commands.ingress import bring_in
from gateway.console import fail, say

RENEW_SECONDS = 60


@click.command()
@click.option("--project", help="The project that runs and exports belong to; default: your only one.")
@click.option("--port", default=8888, show_default=True)
@click.option("--memory", default=4096, show_default=True, help="Mebibytes each kernel may use.")
@click.option("--no-browser", is_flag=True, help="Print the address only.")
@as_user
def command(gateway: Gateway, project: str | None, port: int, memory: int, no_browser: bool) -> None:
    """Start JupyterLab; kernels have no network, a private home, and your snapshots to read."""
    from importlib.util import find_spec

    from gateway.embedded.home import Home
    from sandbox.jail import find_bwrap
    from sandbox.notebook.ending import with_parent
    from sandbox.notebook.server import prepare

    if find_spec("jupyterlab") is None:
        fail("part_missing", "JupyterLab is not installed.", "run `make setup`, or install sallyport[notebook]")
    find_bwrap()
    who = gateway.get("/v1/whoami")
    chosen = project or (who["projects"][0] if len(who["projects"]) == 1 else "")
    place = prepare(Home.here().root / "notebooks" / who["id"])
    fetch_snapshots(gateway, place / "snapshots")
    bring_in(gateway, place / "wheels", place / "incoming")
    with tempfile.TemporaryDirectory(prefix="sp-jl-") as runtime:
        environment = server_environment(gateway, place, Path(runtime), project=chosen, memory=memory)
        stop = threading.Event()
        renew(gateway, place / "tokens")
        threading.Thread(target=renew_until, args=(stop, gateway, place), daemon=True).start()
        say(f"notebooks are kept in {place / 'home'}; stop with Ctrl-C")
        words = ["--port", str(port), *(["--no-browser"] if no_browser else []), *(["--allow-root"] if os.geteuid() == 0 else [])]
        try:
            ended = subprocess.run(
                [sys.executable, "-m", "jupyterlab", "--config", str(place / "config" / "jupyter_server_config.json"), *words],
                env=environment, cwd=place / "home", check=False,
                preexec_fn=with_parent(),
            )  # fmt: skip
        except KeyboardInterrupt:
            return
        finally:
            stop.set()
        sys.exit(ended.returncode)


def server_environment(gateway: Gateway, place: Path, runtime: Path, *, project: str, memory: int) -> dict[str, str]:
    """What the server is started with: nothing of this process's own but where programs are."""
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        "LANG": "C.UTF-8", "HOME": str(place / "data"), "JUPYTER_PREFER_ENV_PATH": "0",  # the settings of prepare() win
        "JUPYTER_CONFIG_DIR": str(place / "config"), "JUPYTER_DATA_DIR": str(place / "data"), "JUPYTER_RUNTIME_DIR": str(runtime),
        "SALLYPORT_GATEWAY": gateway.url, "SALLYPORT_TOKEN_FILE": str(place / "tokens" / "token"),
        "SALLYPORT_NOTEBOOK_HOME": str(place / "home"), "SALLYPORT_NOTEBOOK_SNAPSHOTS": str(place / "snapshots"),
        "SALLYPORT_NOTEBOOK_WHEELS": str(place / "wheels"), "SALLYPORT_NOTEBOOK_INCOMING": str(place / "incoming"),
        "SALLYPORT_NOTEBOOK_TOKENS": str(place / "tokens"), "SALLYPORT_NOTEBOOK_SOCKET": str(gateway.socket or ""),
        "SALLYPORT_NOTEBOOK_PROJECT": project, "SALLYPORT_NOTEBOOK_MEMORY_MB": str(memory),
        **{name: os.environ[name] for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER") if name in os.environ},
    }  # fmt: skip


def fetch_snapshots(gateway: Gateway, folder: Path) -> None:
    """`folder` holds the built snapshots of the caller's projects, each under its digest, read-only."""
    from gateway.commands.snapshot import fetch

    for one in gateway.every("/v1/snapshots"):
        target = folder / str(one["digest"]).removeprefix("sha256:")
        if one["state"] == "built" and not target.exists():
            say(f"fetching the snapshot of {one['dataset']} {one['digest'][:19]}")
            fetch(gateway, one["id"], target)


def renew(gateway: Gateway, folder: Path) -> None:
    """The kernels' token file holds a token that is valid for a while."""
    from gateway.embedded.home import write_private

    write_private(folder / "token", gateway.token())


def renew_until(stop: threading.Event, gateway: Gateway, place: Path) -> None:
    """Token and what came in are renewed until `stop` is set; a failure is said, and tried again."""
    from gateway.errors import GatewayError

    while not stop.wait(RENEW_SECONDS):
        try:
            renew(gateway, place / "tokens")
            bring_in(gateway, place / "wheels", place / "incoming")
        except GatewayError as error:
            say(f"the login, or what came in, could not be renewed: {error}")
