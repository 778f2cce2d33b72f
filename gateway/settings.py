"""Settings of the gateway and its worker: from SALLYPORT_* variables, else from the embedded stack's home."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from gateway.embedded.home import Home


class Settings(BaseModel):
    """Where the parts are. Unset ones are those of the embedded stack in `home`."""

    home: Path = Field(description="The folder that holds the embedded stack's state.")
    gateway_url: str = Field(description="Where clients reach the gateway.")
    model_server_url: str = Field(description="Where clients reach the model server.")
    vault_addr: str = Field(description="Vault or OpenBao.")
    oidc_issuer: str = Field(description="The issuer of ID tokens, as their `iss` says it.")
    oidc_jwks_url: str = Field(description="The issuer's keys.")
    oidc_audience: str = Field(default="sallyport", description="The audience tokens are issued for.")
    postgres_host: str = Field(description="Host name, or folder of the Unix socket.")
    postgres_port: int = Field(default=5432, description="Port of PostgreSQL.")
    opa_url: str | None = Field(default=None, description="An OPA server; unset: policies are decided in-process.")
    mlflow_socket: Path = Field(description="The tracking server's Unix socket.")
    gateway_socket: Path = Field(description="The gateway's Unix socket, the only way out of the sandbox.")

    @classmethod
    def load(cls) -> Settings:
        """The settings of this process. Raises StackNotRunning when there is neither a stack nor settings."""
        home = Home.here()
        ports = home.stack()["ports"]
        vault = f"http://127.0.0.1:{ports['openbao']}"
        embedded = {
            "home": home.root,
            "gateway_url": f"http://127.0.0.1:{ports['gateway']}",
            "model_server_url": f"http://127.0.0.1:{ports['model_server']}",
            "vault_addr": vault,
            "oidc_issuer": f"{vault}/v1/identity/oidc",
            "oidc_jwks_url": f"{vault}/v1/identity/oidc/.well-known/keys",
            "postgres_host": str(home.sockets),
            "mlflow_socket": home.sockets / "mlflow.sock",
            "gateway_socket": home.sockets / "gateway.sock",
        }
        set_by_environment = _Environment().model_dump(exclude_none=True)
        return cls.model_validate(embedded | set_by_environment | {"home": home.root})


class _Environment(BaseSettings):
    """The settings given as SALLYPORT_* variables."""

    model_config = SettingsConfigDict(env_prefix="SALLYPORT_", extra="ignore")

    gateway_url: str | None = None
    model_server_url: str | None = None
    vault_addr: str | None = None
    oidc_issuer: str | None = None
    oidc_jwks_url: str | None = None
    oidc_audience: str | None = None
    postgres_host: str | None = None
    postgres_port: int | None = None
    opa_url: str | None = None
    mlflow_socket: Path | None = None
    gateway_socket: Path | None = None
