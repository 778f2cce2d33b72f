"""The cell audit: what the server sends to a kernel is told to the gateway before the kernel sees it.

It is taken where the browser's messages pass, outside of the jail, so no code in a kernel can leave itself out. Told are who (by
the identity of the call), when, the hash of the code, which snapshots were opened since the cell before it had ended, how long it
ran and how it ended; never code, never outputs.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
import threading
import time
from pathlib import Path
from typing import Any

from jupyter_server.services.kernels.connection.base import deserialize_binary_message, deserialize_msg_from_ws_v1
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

from sandbox.notebook.reading import Reading

V1 = "v1.kernel.websocket.jupyter.org"
SECONDS_TO_WAIT, MOST_SNAPSHOTS = 5, 200


class AuditedConnection(ZMQChannelsWebsocketConnection):  # type: ignore[misc]
    """A browser's connection to a kernel; a cell that cannot be recorded is not run."""

    read_until: float = 0.0  # what was opened before then stands in the record of an earlier cell

    def handle_incoming_message(self, incoming_msg: Any) -> None:
        header, content = incoming(self.subprotocol, incoming_msg)
        if header.get("msg_type") == "execute_request":
            code = "sha256:" + hashlib.sha256(str(content.get("code", "")).encode()).hexdigest()
            cell = str(header.get("msg_id", ""))[:80]
            try:
                reading().since(math.inf)  # what was opened until now is no first cell's
                self.read_until = self.read_until or time.monotonic()
                tell({"event": "started", "kernel": self.kernel_id, "cell": cell, "code_hash": code})
            except Exception as error:
                # Whatever went wrong: without its record the cell does not run.
                self.log.error("a cell was not run because it could not be recorded: %s", type(error).__name__)
                return
            self._started()[cell] = (code, time.monotonic())
        super().handle_incoming_message(incoming_msg)

    def handle_outgoing_message(self, stream: Any, outgoing_msg: list[Any]) -> None:
        super().handle_outgoing_message(stream, outgoing_msg)
        try:
            _, parts = self.session.feed_identities(outgoing_msg)
            header, parent, content = (json.loads(bytes(parts[place])) for place in (1, 2, 4))  # type: ignore[arg-type]
        except (ValueError, IndexError, TypeError):
            return
        known = (
            self._started().pop(str(parent.get("msg_id", ""))[:80], None) if header.get("msg_type") == "execute_reply" else None
        )
        if known:
            opened = reading().since(self.read_until)
            self.read_until = time.monotonic()
            fact = {
                "event": "ended", "kernel": self.kernel_id, "cell": parent["msg_id"][:80], "code_hash": known[0],
                "seconds": round(time.monotonic() - known[1], 3), "status": "ok" if content.get("status") == "ok" else "error",
                "snapshots": opened[:MOST_SNAPSHOTS],
            }  # fmt: skip
            threading.Thread(target=_tell_quietly, args=(fact,), daemon=True).start()

    def _started(self) -> dict[str, tuple[str, float]]:
        """Cells sent and not answered yet; kept on the connection."""
        return self.__dict__.setdefault("_cells_running", {})


@functools.cache
def reading() -> Reading:
    """Looks at the snapshots that this server shows to kernels. Raises OSError where it cannot."""
    return Reading(Path(os.environ["SALLYPORT_NOTEBOOK_SNAPSHOTS"]))


def incoming(subprotocol: str | None, message: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and content of a message from the browser; empty where it is none."""
    try:
        if subprotocol == V1:
            _, parts = deserialize_msg_from_ws_v1(message)
            return json.loads(bytes(parts[0])), json.loads(bytes(parts[3]))
        read = deserialize_binary_message(message) if isinstance(message, bytes) else json.loads(message)
        return dict(read["header"]), dict(read["content"])
    except (ValueError, KeyError, IndexError, TypeError):
        return {"msg_type": "execute_request"}, {}  # what cannot be read is recorded as a cell rather than let past


def tell(fact: dict[str, Any]) -> None:
    """The gateway has the fact in its ledger. Raises what httpx raises, and for any refusal."""
    import httpx

    with open(os.environ["SALLYPORT_TOKEN_FILE"], encoding="utf-8") as file:  # noqa: PTH123 - read anew at each cell
        token = file.read().strip()
    project = {"project": os.environ.get("SALLYPORT_NOTEBOOK_PROJECT") or None}
    with httpx.Client(base_url=os.environ["SALLYPORT_GATEWAY"], timeout=SECONDS_TO_WAIT, trust_env=False) as http:
        http.post("/v1/notebook-cells", json=fact | project, headers={"Authorization": f"Bearer {token}"}).raise_for_status()


def _tell_quietly(fact: dict[str, Any]) -> None:
    import contextlib

    with contextlib.suppress(Exception):  # that the cell began is recorded already
        tell(fact)
