"""The policies as an OPA server holds them: rules, documents, and one rule more that says whose answer it gives."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policies.bundle import Bundle
from policies.prepared import documents

SERVED = "sallyport_served"
ANSWER = """package {package}

answer := {{"decision": data.sallyport.decision, "revision": data.revision, "policies": "{digest}"}}
"""


@dataclass(frozen=True, slots=True)
class Served:
    """Modules and documents for a server; `revision` names the documents, and stands among them."""

    modules: Mapping[str, str]
    data: Mapping[str, Any]
    revision: str

    @classmethod
    def of(cls, bundle: Bundle, datasets: Mapping[str, Any]) -> Served:
        """`bundle` under `datasets`, as every server of these policies holds it."""
        data = documents(bundle.data, datasets)
        revision = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
        answer = ANSWER.format(package=SERVED, digest=bundle.digest)
        return cls({**bundle.modules, f"{SERVED}.rego": answer}, {**data, "revision": revision}, revision)


def opa_bundle(bundle: Bundle, datasets: Mapping[str, Any]) -> bytes:
    """A bundle for OPA (tar.gz), revision = the policies' digest; equal policies and datasets give equal bytes."""
    served = Served.of(bundle, datasets)
    files = {f"/{name}": text for name, text in served.modules.items()}
    files["/data.json"] = _text(served.data)
    files["/.manifest"] = _text({"revision": bundle.digest, "roots": [""], "rego_version": 1})
    raw = io.BytesIO()
    with (
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name in sorted(files):
            content = files[name].encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return raw.getvalue()


def write_opa_bundle(bundle: Bundle, out: Path, datasets: Mapping[str, Any] | None = None) -> None:
    """`out` is the bundle for `opa run --bundle`."""
    out.write_bytes(opa_bundle(bundle, datasets or {}))


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
