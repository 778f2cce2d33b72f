"""The server's connections: heads without end are cut off, and where certificates are asked for nobody is heard without one."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from test_serving import ask, authenticate, forget

from gateway import serve
from gateway.errors import SettingsInvalid
from gateway.settings import Settings
from promotion.listening import MOST_HEAD_BYTES, Tls, config
from promotion.loading import Models
from promotion.serving import create_app

ASKED = b"POST /v2/models/readmission/infer HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer good\r\nContent-Length: %d\r\n\r\n"
BODY = json.dumps(ask([1.0])).encode()


@contextmanager
def listening(gate, tls: Tls | None = None) -> Iterator[tuple[str, int]]:
    """The address of a server of one model, as it is run."""
    gate.deployed()
    app = create_app(Models(gate.store, gate.keys), authenticate=authenticate, log=forget)
    server = uvicorn.Server(config(app, host="127.0.0.1", port=0, tls=tls))
    server.config.log_level = "critical"
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()
    finally:
        server.should_exit = True
        thread.join(5)


def test_a_head_without_end_is_cut_off_and_other_callers_are_served(gate):
    with listening(gate) as address:
        with socket.create_connection(address, timeout=5) as endless, pytest.raises(OSError):
            endless.sendall(b"GET /v2 HTTP/1.1\r\nHost: a\r\nX-Long: ")
            for _ in range(4 * MOST_HEAD_BYTES // 1024):
                endless.sendall(b"x" * 1024)
                time.sleep(0.0005)
        with socket.create_connection(address, timeout=5) as kept_open:
            for more in (0, 70_000, 0, 100_000):  # over one connection, with bodies that count for no head, also in one piece
                kept_open.sendall(ASKED % (len(BODY) + more) + BODY + b" " * more)
                assert kept_open.recv(4096).startswith(b"HTTP/1.1 200")


class Authority:
    """Signs certificates and writes them down."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._signed(self._name, self._key, authority=True)
        self.file = folder / f"{name}.crt"
        self.file.write_bytes(made.public_bytes(Encoding.PEM))

    def issue(self, name: str) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._signed(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key, authority=False)
        files = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        files[0].write_bytes(made.public_bytes(Encoding.PEM))
        files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return files

    def _signed(self, subject, key, *, authority: bool):
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .sign(self._key, hashes.SHA256())
        )  # fmt: skip


def asked(address, authority: Authority, certificate: tuple[Path, Path] | None) -> bytes:
    """What the server answers a caller with that certificate. Raises OSError (ssl.SSLError is one)."""
    context = ssl.create_default_context(cafile=str(authority.file))
    if certificate:
        context.load_cert_chain(*map(str, certificate))
    with (
        socket.create_connection(address, timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as wrapped,
    ):
        wrapped.sendall(ASKED % len(BODY) + BODY)
        answer = wrapped.recv(4096)
        if not answer:
            raise ConnectionResetError
        return answer


def test_only_callers_with_a_certificate_of_the_authorities_are_heard(gate, tmp_path):
    ours, strangers = Authority(tmp_path, "ours"), Authority(tmp_path, "strangers")
    certificate, key = ours.issue("server")
    with listening(gate, Tls(certificate, key, ours.file)) as address:
        assert asked(address, ours, ours.issue("pipeline")).startswith(b"HTTP/1.1 200")
        for other in (None, strangers.issue("somebody")):
            with pytest.raises(OSError):
                asked(address, ours, other)


@pytest.mark.parametrize("given", [("certificate",), ("key",), ("clients",), ("certificate", "clients"), ("nowhere",)])
def test_files_that_do_not_go_together_are_no_settings(tmp_path, given):
    file = tmp_path / "file"
    file.write_text("")
    values = dict.fromkeys(("certificate", "key", "clients")) | dict.fromkeys(given, file)
    if given == ("nowhere",):
        values = {"certificate": tmp_path / "none", "key": file, "clients": None}
    settings = Settings.model_construct(**{f"model_server_{name}": value for name, value in values.items()})
    with pytest.raises(SettingsInvalid):
        serve.tls(settings)


def test_without_files_the_server_speaks_plainly():
    nothing = {f"model_server_{name}": None for name in ("certificate", "key", "clients")}
    assert serve.tls(Settings.model_construct(**nothing)) is None
