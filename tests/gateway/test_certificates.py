"""Client certificates of services: only the service gets them, and only of its own name; a database may ask for them."""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.access import certificates, views
from gateway.embedded import databases, openbao
from gateway.embedded.home import Home
from gateway.embedded.users import password, service_client
from gateway.errors import LoginFailed, VaultError
from gateway.vault import new_client

SALLYPORT = str(Path(sys.executable).with_name("sallyport"))
LEASE = "0123456789abcdef"
OLDEST = 16  # the memberships of roles that leases need


def test_a_service_gets_a_certificate_of_its_own_name_for_a_day_at_most(stack_home: Path, tmp_path: Path) -> None:
    command = [SALLYPORT, "access", "certificate", "--as", "scoring", "--out", str(tmp_path), "--json"]
    done = subprocess.run(
        command, env={"SALLYPORT_HOME": str(stack_home), "PATH": ""}, capture_output=True, text=True, check=True
    )
    found = x509.load_pem_x509_certificate((tmp_path / "certificate.pem").read_bytes())
    authority = x509.load_pem_x509_certificate((tmp_path / "authority.pem").read_bytes())
    found.verify_directly_issued_by(authority)
    assert [name.value for name in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["scoring"]
    assert list(found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert found.not_valid_after_utc - datetime.now(UTC) <= timedelta(hours=24)
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in done.stdout + done.stderr
    assert datetime.fromisoformat(json.loads(done.stdout)["until"]) == found.not_valid_after_utc


@pytest.mark.parametrize("name", ["other", "scoring.example", "localhost", "*", "sallyport-gateway"])
def test_a_service_gets_no_certificate_of_another_name(stack_home: Path, name: str) -> None:
    with pytest.raises(VaultError):
        certificates.issue(service_client(stack_home, "scoring"), name)


def test_a_person_gets_none(stack_home: Path) -> None:
    with pytest.raises(LoginFailed, match="person"):
        service_client(stack_home, "dana")
    client = new_client(openbao.address(Home(stack_home)))
    client.auth.userpass.login("dana", password(stack_home, "dana"))
    with pytest.raises(VaultError):
        certificates.issue(client, "dana")


@pytest.fixture(scope="module")
def scoring(stack_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the certificate of the scoring service, its key and its authority."""
    folder = tmp_path_factory.mktemp("scoring")
    made = certificates.issue(service_client(stack_home, "scoring"), "scoring")
    for name, text in (("certificate", made.certificate), ("key", made.key), ("authority", made.authority)):
        (folder / f"{name}.pem").write_text(text + "\n")
        (folder / f"{name}.pem").chmod(0o600)
    return folder


@pytest.fixture(scope="module")
def server(scoring: Path) -> Iterator[str]:
    """The address of a PostgreSQL that asks leases of services for a certificate, with the roles of two leases.

    The embedded one is built without TLS, so it is one from SALLYPORT_TLS_POSTGRES (a folder with its programs) or the PATH.
    """
    programs = _programs()
    if programs is None:
        pytest.skip(f"certificates were NOT tried: no PostgreSQL {OLDEST} with TLS in SALLYPORT_TLS_POSTGRES or on the PATH")
    folder = Path(tempfile.mkdtemp(prefix="sp-tls-"))
    user = ["runuser", "-u", "nobody", "--"] if os.geteuid() == 0 else []
    if user:
        shutil.chown(folder, "nobody")
    data = folder / "data"
    subprocess.run([*user, programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust"], check=True, capture_output=True)
    _self_signed(data, "127.0.0.1", "server.pem", "server.key")
    (data / "authority.pem").write_bytes((scoring / "authority.pem").read_bytes())
    (data / "pg_hba.conf").write_text(
        "local all postgres trust\n"
        "hostssl live +lease_of_service all scram-sha-256 clientcert=verify-ca\n"
        "hostssl live +lease_holder all scram-sha-256\n"
    )
    if user:
        for path in data.iterdir():
            shutil.chown(path, "nobody")
    settings = {
        "ssl": "on", "ssl_cert_file": "server.pem", "ssl_key_file": "server.key", "ssl_ca_file": "authority.pem", "port": "54399",
        "listen_addresses": "127.0.0.1", "unix_socket_directories": str(folder),
    }  # fmt: skip
    process = subprocess.Popen(
        [*user, programs / "postgres", "-D", data, *(f"--{name}={value}" for name, value in settings.items())],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _provide(f"host={folder} port=54399 user=postgres dbname=")
        yield f"host=127.0.0.1 port=54399 dbname=live sslmode=verify-full sslrootcert={data / 'server.pem'}"
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def test_a_service_s_lease_is_of_no_use_without_its_certificate(server: str, scoring: Path) -> None:
    who = f"{server} user=lease-{LEASE}-service password=a"
    with pytest.raises(psycopg.OperationalError, match="client certificate"):
        psycopg.connect(who)
    with psycopg.connect(f"{who} sslcert={scoring / 'certificate.pem'} sslkey={scoring / 'key.pem'}") as connection:
        assert connection.pgconn.ssl_in_use


def test_nor_is_the_certificate_without_the_lease(server: str, scoring: Path) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(
            f"{server} user=lease-{LEASE}-service password=b sslcert={scoring / 'certificate.pem'} sslkey={scoring / 'key.pem'}"
        )


def test_a_certificate_of_another_authority_is_refused(server: str, tmp_path: Path) -> None:
    _self_signed(tmp_path, "scoring", "certificate.pem", "key.pem")
    with pytest.raises(psycopg.OperationalError, match=r"certificate|unknown ca|alert|closed"):
        psycopg.connect(
            f"{server} user=lease-{LEASE}-service password=a sslcert={tmp_path / 'certificate.pem'} sslkey={tmp_path / 'key.pem'}"
        )


def test_a_person_s_lease_needs_none(server: str) -> None:
    psycopg.connect(f"{server} user=lease-{LEASE}-person password=a").close()


def _provide(address: str) -> None:
    """The live database with its roles, and what Vault would make of a lease of a service and of one of a person."""
    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(address + "postgres").close()
            break
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, "PostgreSQL with TLS did not start"
            time.sleep(0.1)
    databases.ensure(lambda name: address + name, dict.fromkeys(databases.LOGINS, "p"))
    with psycopg.connect(address + "live", autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA lease_{LEASE}")
        for kind in ("service", "person"):
            for statement in views.creation(LEASE, service=kind == "service"):
                filled = statement.replace("{{name}}", f"lease-{LEASE}-{kind}").replace("{{password}}", "a")
                connection.execute(filled.replace("{{expiration}}", "infinity"))  # type: ignore[arg-type]


def _programs() -> Path | None:
    """The folder of a PostgreSQL that is new enough and was built with TLS."""
    on_path = shutil.which("postgres")
    for folder in (os.environ.get("SALLYPORT_TLS_POSTGRES"), str(Path(on_path).parent) if on_path else None):
        if folder and (Path(folder) / "initdb").exists():
            said = subprocess.run([Path(folder) / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
            needs = subprocess.run(["ldd", Path(folder) / "postgres"], capture_output=True, text=True, check=False).stdout
            if int(said.split()[2].partition(".")[0]) >= OLDEST and "libssl" in needs:
                return Path(folder)
    return None


def _self_signed(folder: Path, name: str, certificate: str, private: str) -> None:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number(), now, now + timedelta(hours=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / certificate).write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / private).write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / private).chmod(0o600)
