"""Wheels made for tests: a small package, and whatever is packed beside it."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping

NAME = "made_up-1.0-py3-none-any.whl"
METADATA = "Metadata-Version: 2.4\nName: made-up\nVersion: 1.0\nLicense-Expression: MIT\n"


def packed(files: Mapping[str, bytes | str], *, metadata: str = METADATA, record: str | None = None, mode: int = 0) -> bytes:
    """A wheel of these files, with a RECORD that names them unless another is given."""
    parts = {path: content.encode() if isinstance(content, str) else content for path, content in files.items()}
    parts["made_up-1.0.dist-info/METADATA"] = metadata.encode()
    parts["made_up-1.0.dist-info/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    lines = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()},{len(content)}"
        for path, content in parts.items()
    ]
    parts["made_up-1.0.dist-info/RECORD"] = (
        "\n".join([*lines, "made_up-1.0.dist-info/RECORD,,"]) if record is None else record
    ).encode()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in parts.items():
            info = zipfile.ZipInfo(path)
            info.external_attr = (mode or 0o100644) << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return made.getvalue()
