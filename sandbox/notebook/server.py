"""How the notebook server stands: one person's folders, its settings, and the only kernel it may start.

The server is outside of the jail. It shows nothing but the person's home, starts nothing but jailed kernels, installs no
extension, and its pages reach no other host, so that an output cannot carry rows away through the browser.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

FOLDERS = ("home", "checkpoints", "tokens", "snapshots", "wheels", "incoming", "config", "data")
START = Path(__file__).with_name("start.ipynb")
SECONDS_IDLE, SECONDS_BETWEEN_LOOKS = 3600, 60
# JupyterLab needs scripts and styles of its own page, blobs for downloads and workers, and the socket to its own server.
SAME_HOST_ONLY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data: blob:; font-src 'self' data:; media-src 'self' data: blob:; connect-src 'self' data: blob:;"
    " worker-src 'self' blob:; frame-src 'self' data: blob:; object-src 'none'; base-uri 'self'; form-action 'self';"
    " frame-ancestors 'self'"
)
# Asks for news of the project from the web; adds packages to the server, outside of the jail.
LEFT_OUT = ("@jupyterlab/apputils-extension:announcements", "@jupyterlab/extensionmanager-extension:plugin")
# Language servers and terminals would run outside of the jail.
OUTSIDE = {"jupyter_lsp": False, "jupyter_server_terminals": False}
KERNEL: dict[str, Any] = {
    "display_name": "Sandbox (Python)", "language": "python", "interrupt_mode": "message",
    "argv": ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
    "metadata": {"kernel_provisioner": {"provisioner_name": "sallyport-jail"}},
}  # fmt: skip


def prepare(place: Path, *, idle: int = SECONDS_IDLE) -> Path:
    """The folder of one person's notebooks: what the kernels may see, and the server's settings, which they may not.

    A home that is empty gets a notebook to begin with. Kernels that did nothing for `idle` seconds end.
    """
    for name in FOLDERS:
        (place / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    if not any((place / "home").iterdir()):
        shutil.copyfile(START, place / "home" / START.name)
    _write(place / "data" / "kernels" / "sallyport" / "kernel.json", KERNEL)
    _write(place / "config" / "jupyter_server_config.json", settings(place, idle=idle))
    _write(place / "config" / "jupyter_server_config.d" / "sallyport.json", {"ServerApp": {"jpserver_extensions": OUTSIDE}})
    _write(place / "config" / "labconfig" / "page_config.json", {"disabledExtensions": dict.fromkeys(LEFT_OUT, True)})
    return place


def settings(place: Path, *, idle: int) -> dict[str, Any]:
    """The server's settings for the person whose folder is `place`."""
    return {
        "ServerApp": {
            "ip": "127.0.0.1", "root_dir": str(place / "home"), "terminals_enabled": False,
            "contents_manager_class": "sandbox.notebook.contents.HomeContents",
            "kernel_websocket_connection_class": "sandbox.notebook.audit.AuditedConnection",
            "tornado_settings": {"headers": {"Content-Security-Policy": SAME_HOST_ONLY, "Referrer-Policy": "same-origin"}},
        },
        "HomeContents": {
            "checkpoints_class": "jupyter_server.services.contents.filecheckpoints.AsyncGenericFileCheckpoints",
            "files_handler_class": "jupyter_server.files.handlers.FilesHandler", "files_handler_params": {},
        },
        "AsyncGenericFileCheckpoints": {"root_dir": str(place / "checkpoints")},
        "KernelSpecManager": {"allowed_kernelspecs": ["sallyport"], "ensure_native_kernel": False},
        "MultiKernelManager": {"default_kernel_name": "sallyport"},
        "MappingKernelManager": {
            "cull_idle_timeout": idle, "cull_interval": max(1, min(SECONDS_BETWEEN_LOOKS, idle // 2)), "cull_connected": True,
        },
        "LabApp": {
            "news_url": None, "check_for_updates_class": "jupyterlab.NeverCheckForUpdate", "extension_manager": "readonly",
            **({"default_url": f"/lab/tree/{START.name}"} if (place / "home" / START.name).exists() else {}),
        },
    }  # fmt: skip


def _write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), "utf-8")
