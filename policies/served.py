"""The policies as an OPA server holds them: rules, documents, and one rule more that says whose answer it gives."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from policies.bundle import Bundle
from policies.prepared import documents

SERVED = "sallyport_served"
SCOPE = "sallyport"  # what the signature is for: no other bundle signed by the same key passes for this one
ANSWER = """package {package}

answer := {{"decision": data.sallyport.decision, "revision": data.revision, "policies": "{digest}"}}
"""


class BundleSigner(Protocol):
    """Signs with a key that OPA servers are configured with; `algorithm` is its name in a JSON Web Token."""

    @property
    def algorithm(self) -> str: ...

    @property
    def keyid(self) -> str: ...

    def sign(self, data: bytes) -> bytes: ...


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


def bundle_files(bundle: Bundle, datasets: Mapping[str, Any]) -> dict[str, str]:
    """The files of a bundle for OPA; revision = the policies' digest."""
    served = Served.of(bundle, datasets)
    manifest = {"revision": bundle.digest, "roots": [""], "rego_version": 1}
    return {**served.modules, "data.json": _text(served.data), ".manifest": _text(manifest)}


def signature(files: Mapping[str, str], signer: BundleSigner) -> str:
    """The bundle's `.signatures.json`: a JSON Web Token (RFC 7519) over the digest of every file, which an OPA server verifies.

    OPA hashes a JSON file as `_text` writes it: by its values, with sorted keys and without spaces.
    """
    named = [
        {"name": name, "hash": hashlib.sha256(text.encode()).hexdigest(), "algorithm": "SHA-256"}
        for name, text in sorted(files.items())
    ]
    header = {"alg": signer.algorithm, "typ": "JWT", "kid": signer.keyid}
    said = ".".join(_base64(_text(part).encode()) for part in (header, {"files": named, "scope": SCOPE}))
    return _text({"signatures": [f"{said}.{_base64(signer.sign(said.encode()))}"]})


def opa_config(keys: Mapping[str, Any], scope: str, gateway: str, token_path: str) -> dict[str, Any]:
    """The configuration of an OPA server that fetches the bundle from the gateway and verifies it with one of `keys`."""
    return {
        "services": {"gateway": {"url": f"{gateway}/v1", "credentials": {"bearer": {"token_path": token_path}}}},
        "keys": dict(keys),
        "bundles": {"sallyport": {
            "service": "gateway", "resource": "policy/bundle", "signing": {"scope": scope},
            "polling": {"min_delay_seconds": 10, "max_delay_seconds": 30},
        }},
    }  # fmt: skip


def packed(files: Mapping[str, str]) -> bytes:
    """The files as a bundle (tar.gz); equal files give equal bytes."""
    raw = io.BytesIO()
    with (
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name in sorted(files):
            content = files[name].encode()
            entry = tarfile.TarInfo(f"/{name}")
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return raw.getvalue()


def opa_bundle(bundle: Bundle, datasets: Mapping[str, Any]) -> bytes:
    """A bundle for OPA without a signature; equal policies and datasets give equal bytes."""
    return packed(bundle_files(bundle, datasets))


def write_opa_bundle(bundle: Bundle, out: Path, datasets: Mapping[str, Any] | None = None) -> None:
    """`out` is the bundle for `opa run --bundle`."""
    out.write_bytes(opa_bundle(bundle, datasets or {}))


def _text(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")  # as OPA writes them, so that it finds the same digest


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
