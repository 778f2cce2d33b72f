"""The composition root: everything the gateway, the worker and the model server stand on, wired from the settings."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.conninfo import make_conninfo
from psycopg_pool import ConnectionPool

from gateway.access.service import AccessService
from gateway.catalog import datasets
from gateway.claims import ClaimsMapping
from gateway.deadlines import bounded
from gateway.embedded.home import Home
from gateway.enforcement import Enforcer
from gateway.errors import SettingsInvalid, StackNotRunning
from gateway.identity import Subject, TokenVerifier, subject_from_claims
from gateway.jobs import Jobs
from gateway.oidc import Provider, login_provider, signing_keys
from gateway.pooling import CONNECT_SECONDS, not_ended, still_answers
from gateway.settings import Settings
from gateway.vault import TransitSigner, Vault
from policies.bundle import Bundle
from policies.client import Engine, PolicyClient
from promotion.store import ModelStore
from promotion.tracking import Tracking
from sandbox.contracts import Contract
from sandbox.loading import delete_person, load_into_postgres, persons_in
from sandbox.sources import FolderSource

POOL_SIZE = 16
LIVE_POOL_SIZE = 8
LIVE_SECONDS = 30  # for making or taking back what a lease needs


@dataclass(frozen=True, slots=True)
class Services:
    """The gateway's parts. Its secrets stay in `vault` and in the connections made with them."""

    settings: Settings
    vault: Vault
    signer: TransitSigner
    pool: ConnectionPool
    live_pool: ConnectionPool
    policy: PolicyClient
    enforcer: Enforcer
    access: AccessService
    store: ModelStore
    jobs: Jobs
    verifier: TokenVerifier
    provider: Provider | None  # where people log in, unless it is by a password of the embedded stack
    tracking_http: httpx.AsyncClient
    passwords: Mapping[str, str] = field(repr=False)
    clock: Callable[[], datetime]

    @property
    def home(self) -> Home:
        return Home(self.settings.home)

    @property
    def settings_engine(self) -> str:
        return self.policy.engine.name

    @property
    def staging(self) -> Path:
        """Where what is uploaded stands until it is taken in."""
        return self.home.folder("staging")

    def snapshot_folder(self, digest: str) -> Path:
        """The folder of the snapshot of that digest."""
        return self.home.folder("snapshots") / digest.removeprefix("sha256:")

    def holdout_folder(self, digest: str) -> Path:
        """The rows held back from that snapshot; the live zone's, never served."""
        return self.home.folder("holdouts") / digest.removeprefix("sha256:")

    def public_keys(self) -> dict[str, str]:
        """keyid -> PEM of the keys that sign evidence, and of those that signed before."""
        return self.signer.public_keys()

    def load_live(self, folder: Path, contract: Contract) -> dict[str, int]:
        """The live tables hold the rows of `folder`'s table files."""
        with psycopg.connect(self.database("live_loader", "live")) as connection:
            return load_into_postgres(contract, FolderSource(folder), connection)

    def live_persons(self, contract: Contract) -> list[str]:
        """The keys of the persons in the live tables. Raises SourceMismatch."""
        with psycopg.connect(self.database("live_loader", "live")) as connection:
            return persons_in(contract, connection)

    def delete_live(self, contract: Contract, person: str) -> dict[str, int]:
        """The live tables hold no row of the person; how many went of each."""
        with psycopg.connect(self.database("live_loader", "live")) as connection:
            return delete_person(contract, person, connection)

    def remembered_file(self, dataset: str) -> Path:
        """What the last build of a dataset made of its texts, sealed."""
        return self.home.folder("remembered") / f"{dataset}.sealed"

    def database(self, role: str, name: str) -> str:
        """The address of a database for one of the gateway's own roles."""
        return make_conninfo(
            host=self.settings.postgres_host, port=self.settings.postgres_port, user=role, password=self.passwords[role],
            dbname=name, connect_timeout=CONNECT_SECONDS,
        )  # fmt: skip

    def tracking(self, project: str) -> Tracking:
        """The tracking server's workspace of a project."""
        uds, address = _tracking_server(self.settings)
        transport = httpx.HTTPTransport(uds=uds)
        return Tracking(httpx.Client(transport=transport, base_url=address, timeout=60, trust_env=False), project)

    def health(self) -> dict[str, str]:
        """part -> 'ok' or 'down'."""
        return {
            "database": _state(self._database_answers),
            "vault": _state(self.vault.health),
            "policy": _state(self.policy.engine.healthy),
        }

    def close(self) -> None:
        self.pool.close()
        self.live_pool.close()

    def _database_answers(self) -> bool:
        with self.pool.connection(timeout=2) as connection:
            return bool(connection.execute("SELECT 1").fetchone())


def compose(settings: Settings) -> Services:
    """All parts, connected. Raises GatewayError when one of them does not answer."""
    home = Home(settings.home)
    vault = Vault.login(settings.vault_addr, **approle(settings.approle_file))
    passwords = vault.read_secret("sallyport/database")

    def address(role: str, name: str) -> str:
        return make_conninfo(
            host=settings.postgres_host, port=settings.postgres_port, user=role, password=passwords[role], dbname=name,
            connect_timeout=CONNECT_SECONDS,
        )  # fmt: skip

    pool = ConnectionPool(
        address("sallyport_app", "control"), min_size=1, max_size=POOL_SIZE, open=True, timeout=10, check=not_ended
    )
    live = ConnectionPool(
        address("gateway_live", "live"), min_size=0, max_size=LIVE_POOL_SIZE, open=True, timeout=CONNECT_SECONDS,
        check=still_answers,
    )  # fmt: skip
    policy = PolicyClient(_engine(settings))
    uds, tracking_address = _tracking_server(settings)
    enforcer = Enforcer(client=policy, pool=pool, datasets=_datasets(pool), clock=now)
    return Services(
        settings=settings, vault=vault, signer=vault.signer(), pool=pool, live_pool=live, policy=policy, enforcer=enforcer,
        access=AccessService(
            pool=pool, live=lambda: _live_connection(live), vault=vault, enforcer=enforcer, clock=now,
            directory=_directory(settings, vault),
        ),
        store=ModelStore(home.folder("models")), jobs=Jobs(jobs_url(address("sallyport_app", "control"))),
        verifier=verifier(settings), provider=login_provider(settings),
        tracking_http=httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=uds), base_url=tracking_address, timeout=300, trust_env=False
        ),
        passwords=passwords, clock=now,
    )  # fmt: skip


@contextmanager
def _live_connection(pool: ConnectionPool) -> Iterator[psycopg.Connection[Any]]:
    """A connection to the live database that is cut when what is done with it takes too long."""
    with pool.connection() as connection, bounded(connection, LIVE_SECONDS):
        yield connection


def verifier(settings: Settings) -> TokenVerifier:
    """Checks tokens of the configured issuer, which says who somebody is in the words of the configured mapping."""
    mapping = ClaimsMapping.load(settings.oidc_claims_file) if settings.oidc_claims_file else None
    clients = (settings.oidc_client_id, settings.oidc_cli_client_id)
    return TokenVerifier(
        issuer=settings.oidc_issuer, audience=settings.oidc_audience, fetch_keys=signing_keys(settings),
        clients=tuple(client for client in clients if client), describe=mapping.subject if mapping else None,
    )  # fmt: skip


def jobs_url(conninfo: str) -> str:
    """The control database as SQLAlchemy, and so DBOS, wants its address."""
    from sqlalchemy import URL

    parts = psycopg.conninfo.conninfo_to_dict(conninfo)
    query = {"host": str(parts["host"]), "port": str(parts["port"])}
    url = URL.create("postgresql+psycopg", str(parts["user"]), str(parts["password"]), database=str(parts["dbname"]), query=query)
    return url.render_as_string(hide_password=False)


def now() -> datetime:
    """This machine's clock, in UTC."""
    return datetime.now(UTC)


def clear_staging(home: Home) -> None:
    """Uploads that a killed process left are gone."""
    for left in home.folder("staging").iterdir():
        shutil.rmtree(left, ignore_errors=True)


def approle(file: Path) -> dict[str, str]:
    """The Vault login in the file. Raises StackNotRunning where there is none, SettingsInvalid."""
    try:
        known = json.loads(file.read_text("utf-8"))
        return {name: str(known[name]) for name in ("role_id", "secret_id")}
    except FileNotFoundError as error:
        raise StackNotRunning(f"There is no gateway identity in {file.parent}; run `sallyport up`.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsInvalid(f"The gateway's Vault login in {file} cannot be read.") from error


def _tracking_server(settings: Settings) -> tuple[str | None, str]:
    """Its Unix socket, or none where it has an address, and the address."""
    return (None, settings.mlflow_url) if settings.mlflow_url else (str(settings.mlflow_socket), "http://localhost")


def _engine(settings: Settings) -> Engine:
    bundle = Bundle.load()
    if settings.opa_url:
        from policies.server import ServerEngine

        return ServerEngine(settings.opa_url, bundle)
    from policies.embedded import EmbeddedEngine

    return EmbeddedEngine(bundle)


def _datasets(pool: ConnectionPool) -> Callable[[], Mapping[str, Any]]:
    """`data.datasets`, read again only when a contract changed."""
    cache: dict[str, Any] = {"stamp": None, "data": {}}

    def current() -> Mapping[str, Any]:
        with pool.connection() as connection:
            stamp = connection.execute("SELECT array_agg(id || digest ORDER BY id) FROM catalog.datasets").fetchone()
            if stamp != cache["stamp"]:
                cache.update(stamp=stamp, data=datasets.policy_data(connection))
        data: Mapping[str, Any] = cache["data"]
        return data

    return current


def _directory(settings: Settings, vault: Vault) -> Callable[[Subject], Subject | None]:
    """Asks who somebody is now: the embedded issuer, which is Vault itself; another issuer's word stands until its token ends."""

    def current(subject: Subject) -> Subject | None:
        if settings.oidc_issuer != f"{settings.vault_addr}/v1/identity/oidc":
            return subject
        facts = vault.entity(subject.id)
        return None if facts is None else subject_from_claims(facts | {"username": subject.id})

    return current


def _state(check: Callable[[], bool]) -> str:
    try:
        return "ok" if check() else "down"
    except Exception:
        # Whatever a health check raises, the part is not well.
        return "down"
