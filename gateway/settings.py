"""Settings of the gateway, its worker and the model server: from SALLYPORT_* variables, else from the embedded stack's home."""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError, field_validator

from compliance.retention import load_classes
from gateway.embedded.home import Home
from gateway.errors import SettingsInvalid, StackNotRunning
from sandbox.text.engines import MODEL

PREFIX = "SALLYPORT_"
# Variables of commands and of code in the sandbox, which are not settings of a server.
OTHERS = frozenset(
    ("USER", "PROJECT", "SNAPSHOT_DATASET", "SNAPSHOT", "SNAPSHOT_DIGEST", "WORK", "OPA", "CODE", "CODE_DIGEST", "CODE_REVISION")
)
NEEDED = ("GATEWAY_URL", "MODEL_SERVER_URL", "VAULT_ADDR", "OIDC_ISSUER", "POSTGRES_HOST")


class Settings(BaseModel):
    """Where the parts are. Unset ones are those of the embedded stack in `home`; where there is none, they must be set."""

    home: Path = Field(description="The folder that holds the embedded stack's state; else snapshots, models and exports.")
    gateway_url: str = Field(description="Where clients reach the gateway; it listens on this host and port.")
    model_server_url: str = Field(description="Where clients reach the model server; it listens on this host and port.")
    vault_addr: str = Field(description="Vault or OpenBao.")
    approle_file: Path = Field(description="The file with the gateway's Vault login: JSON with `role_id` and `secret_id`.")
    oidc_issuer: str = Field(description="The issuer of ID tokens, as their `iss` says it.")
    oidc_jwks_url: str | None = Field(default=None, description="The issuer's keys; unset: its discovery document says where.")
    oidc_audience: str = Field(default="sallyport", description="The audience tokens are issued for.")
    oidc_client_id: str | None = Field(
        default=None, description="The client through which people log in to the pages, at the issuer; unset: by a password."
    )
    oidc_client_secret_file: Path | None = Field(default=None, description="The file with that client's secret, if it has one.")
    oidc_cli_client_id: str | None = Field(
        default=None, description="The public client of `sallyport login`'s device flow; unset: that of the pages."
    )
    oidc_scopes: str = Field(default="openid profile groups", description="The scopes a login asks for.")
    oidc_claims_file: Path | None = Field(
        default=None, description="The file that says which claims and groups of the issuer give which name, roles and projects."
    )
    approval_login_seconds: int | None = Field(
        default=None, ge=1, description="How old a login may be by which somebody approves; unset: as old as the token."
    )
    postgres_host: str = Field(min_length=1, description="Host name, or folder of the Unix socket.")
    postgres_port: int = Field(default=5432, ge=1, le=65535, description="Port of PostgreSQL.")
    findings_minutes: int = Field(
        default=60, ge=1, le=525_600, description="How often the worker goes through the ledger for what somebody should look at."
    )
    findings_overdue_hours: int = Field(
        default=72, ge=1, le=87_600, description="After how long a finding that still stands is said again, as overdue."
    )
    statement_log: Path | None = Field(
        default=None,
        description="The folder with another PostgreSQL's JSON log, for the worker to read; it deletes nothing.",
    )
    opa_url: str | None = Field(default=None, description="An OPA server; unset: policies are decided in-process.")
    mlflow_url: str | None = Field(default=None, description="The tracking server's address; unset: its Unix socket is used.")
    mlflow_socket: Path = Field(description="The tracking server's Unix socket.")
    gateway_socket: Path = Field(description="The gateway's Unix socket, the only way out of the sandbox.")
    text_engine: str = Field(
        default=MODEL,
        min_length=1,
        description="The language model that reads free text: a spaCy package or folder, KIND:MODEL or our sallyport:names.",
    )
    traces_url: str | None = Field(
        default=None, description="An OpenTelemetry collector that takes OTLP over HTTP; unset: nothing is traced."
    )
    model_server_certificate: Path | None = Field(default=None, description="The model server's TLS certificate (PEM).")
    model_server_key: Path | None = Field(default=None, description="The key of that certificate (PEM).")
    model_server_clients: Path | None = Field(
        default=None,
        description="The authorities (PEM) one of which must have signed a caller's certificate; unset: none is asked.",
    )
    served_models: str | None = Field(
        default=None, description="The models a model server serves, as project/name, with commas; unset: all that are deployed."
    )
    webhooks: str | None = Field(
        default=None, description="The addresses that alerts are told to, with commas: https, or http on this machine."
    )
    webhook_secret_file: Path | None = Field(default=None, description="The file with the secret that webhooks are signed with.")
    queued_days: int = Field(
        default=7,
        ge=1,
        le=3650,
        description="How many days queued inference requests, after their answer, and scores of batch runs are kept.",
    )
    retention_days: str | None = Field(
        default=None,
        description="How many days exports, predictions or snapshots are kept, as KIND=DAYS with commas; unset: as"
        " compliance/retention.yaml says.",
    )
    listen_host: str | None = Field(default=None, description="The address to listen on, where it is not that of the URL.")

    @field_validator(
        "gateway_url", "model_server_url", "vault_addr", "oidc_issuer", "oidc_jwks_url", "opa_url", "mlflow_url", "traces_url"
    )
    @classmethod
    def _url(cls, value: str | None) -> str | None:
        if value is not None:
            parts = urlsplit(value)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.password or parts.port == 0:
                raise ValueError("it must be http://HOST or https://HOST, with a port if it is another one, without a password")
        return value

    @field_validator("retention_days")
    @classmethod
    def _retention(cls, value: str | None) -> str | None:
        load_classes(value)
        return value

    @field_validator("webhooks")
    @classmethod
    def _webhooks(cls, value: str | None) -> str | None:
        for one in (value or "").replace(" ", "").split(","):
            parts = urlsplit(one)
            own = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
            if one and (not (own or parts.scheme == "https") or not parts.hostname or parts.username or parts.password):
                raise ValueError("each must be https://HOST/PATH (http on this machine only), without a password")
        return value

    @classmethod
    def load(cls) -> Settings:
        """The settings of this process. Raises StackNotRunning where there is neither a stack nor settings, SettingsInvalid."""
        home, given = Home.here(), _given(os.environ)
        try:
            start = _embedded(home)
        except StackNotRunning:
            if not given:
                raise
            start = {"home": home.root}
            if missing := [PREFIX + name for name in NEEDED if name.lower() not in given]:
                raise SettingsInvalid(f"Without an embedded stack these must be set too: {', '.join(missing)}.") from None
        if "oidc_issuer" in given:
            start.pop("oidc_jwks_url", None)  # another issuer has other keys
        start |= {
            "approle_file": home.secret("approle-sallyport-gateway"), "mlflow_socket": home.sockets / "mlflow.sock",
            "gateway_socket": home.sockets / "gateway.sock",
        }  # fmt: skip
        try:
            return cls.model_validate(start | given)
        except ValidationError as error:
            raise SettingsInvalid(_sentences(error)) from None

    @classmethod
    def of_server(cls) -> Settings:
        """The settings of a server, which has no variable it does not know: a name that is not quite right must not go unseen."""
        known = {name.upper() for name in cls.model_fields} | OTHERS
        for name in sorted(name.removeprefix(PREFIX) for name in os.environ if name.startswith(PREFIX)):
            if name not in known:
                close = get_close_matches(name, known, n=1)
                hint = (
                    f"; did you mean {PREFIX}{close[0]}?"
                    if close
                    else "; secrets stand in Vault, or in files that settings name."
                )
                raise SettingsInvalid(f"{PREFIX}{name} is no setting{hint}")
        return cls.load()


def _given(environment: Mapping[str, str]) -> dict[str, str]:
    names = (name for name in Settings.model_fields if name != "home")
    return {name: environment[PREFIX + name.upper()] for name in names if environment.get(PREFIX + name.upper())}


def _embedded(home: Home) -> dict[str, Any]:
    """What the stack in `home` is reached at. Raises StackNotRunning when there is none."""
    ports = home.stack()["ports"]
    vault = f"http://127.0.0.1:{ports['openbao']}"
    return {
        "home": home.root,
        "gateway_url": f"http://127.0.0.1:{ports['gateway']}",
        "model_server_url": f"http://127.0.0.1:{ports['model_server']}",
        "vault_addr": vault,
        "oidc_issuer": f"{vault}/v1/identity/oidc",
        "oidc_jwks_url": f"{vault}/v1/identity/oidc/.well-known/keys",
        "postgres_host": str(home.sockets),
    }


def _sentences(error: ValidationError) -> str:
    """Which settings are wrong and how, without their values."""
    said = (f"{PREFIX}{str(one['loc'][0]).upper()}: {one['msg'].removeprefix('Value error, ')}" for one in error.errors())
    return "; ".join(said) + "."
