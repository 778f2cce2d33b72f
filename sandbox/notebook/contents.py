"""The server's view of a home that jailed kernels write to: what leads out of it is not there.

Without this a kernel could lay a symbolic link to any file of the host, which the server, outside of the jail, would then read.
"""

from __future__ import annotations

import os
from typing import Any

from jupyter_server.files.handlers import FilesHandler
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from tornado import web


class HomeContents(AsyncLargeFileManager):  # type: ignore[misc]
    """Files below the root folder whose true place is below it too."""

    def _files_handler_class_default(self) -> Any:
        return FilesHandler

    def _files_handler_params_default(self) -> dict[str, Any]:
        return {}

    def _get_os_path(self, path: str) -> str:
        found = str(super()._get_os_path(path))
        root = os.path.realpath(self.root_dir)
        if os.path.realpath(found) != root and not os.path.realpath(found).startswith(root + os.sep):
            raise web.HTTPError(404, "This leads out of your home.")
        return found
