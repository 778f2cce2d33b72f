"""How a notebook reaches the gateway: inside the jail through its one way out, outside through the login of this machine."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from sandbox.client.errors import NotConnected, Refused

INSIDE = "http://127.0.0.1:8080"
SECONDS_TO_WAIT = 120.0


def inside() -> bool:
    """This process runs in the jail."""
    return Path("/run/sallyport.sock").exists()


def address() -> str:
    """Where the gateway is: SALLYPORT_GATEWAY, else the way out of the jail, else the stack of SALLYPORT_HOME."""
    if given := os.environ.get("SALLYPORT_GATEWAY"):
        return given
    if inside():
        return INSIDE
    try:
        return f"http://127.0.0.1:{json.loads((_home() / 'stack.json').read_text('utf-8'))['ports']['gateway']}"
    except (OSError, ValueError, KeyError) as error:
        raise NotConnected("There is no gateway here.", "sallyport up, or set SALLYPORT_GATEWAY to its address.") from error


def token() -> str:
    """The caller's short-lived identity: from a file that is renewed, a variable, or the last login; read anew for each call."""
    if file := os.environ.get("SALLYPORT_TOKEN_FILE"):
        return Path(file).read_text("utf-8").strip()
    for name in ("SALLYPORT_TOKEN", "MLFLOW_TRACKING_TOKEN"):
        if given := os.environ.get(name):
            return given
    secrets = _home() / "secrets"
    try:
        user = os.environ.get("SALLYPORT_USER") or (secrets / "current-user").read_text("utf-8").strip()
        session = json.loads((secrets / f"session-{Path(user).name}").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise NotConnected("Nobody is logged in on this machine.", "sallyport login USER") from error
    if session["until"] < time.time():
        raise NotConnected("The login has ended.", "sallyport login USER")
    return str(session["token"])


def call(method: str, path: str, **content: Any) -> Any:
    """The gateway's JSON answer. Raises Refused with policy's reasons, NotConnected when it does not answer."""
    try:
        with _http() as http:
            answer = http.request(method, path, **content)
    except httpx.HTTPError as error:
        raise NotConnected("The gateway does not answer.", "sallyport status shows what is down.") from error
    if not answer.is_success:
        raise _refused(answer)
    return answer.json() if answer.content else None


def every(path: str) -> Iterator[Any]:
    """Each item of the list at `path`, however many pages it has."""
    after: dict[str, str] = {}
    while True:
        page = call("GET", path, params=after)
        yield from page["items"]
        if page["next"] is None:
            return
        after = {"after": page["next"]}


def download(path: str) -> Iterator[bytes]:
    """The bytes at `path`, in parts."""
    with _http() as http, http.stream("GET", path) as answer:
        if not answer.is_success:
            answer.read()
            raise _refused(answer)
        yield from answer.iter_bytes()


def _http() -> httpx.Client:
    headers = {"Authorization": f"Bearer {token()}"}
    return httpx.Client(base_url=address(), headers=headers, timeout=SECONDS_TO_WAIT, trust_env=False)


def _refused(answer: httpx.Response) -> Refused:
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    return Refused(problem if isinstance(problem, dict) else {}, answer.status_code)


def _home() -> Path:
    return Path(os.environ.get("SALLYPORT_HOME") or ".sallyport").expanduser().absolute()
