"""What OpenBao is set up with while its root token still lives: keys, database identities, people, services, policies."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from pathlib import Path
from typing import Any

from gateway.access import certificates
from gateway.embedded import openbao
from gateway.embedded.home import Home, write_private
from gateway.vault import POLICIES_KEY, PROJECTS_KEY, SIGNING_KEY, new_client, translated

AUDIENCE = "sallyport"
DAY = 86_400
TRAINING_DAYS = 365
UPGRADE_WAITS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # seconds
TOKEN_TTL = "1h"  # noqa: S105
PROJECTS = "default,fraud,income,readmission,synthea"

# The people of the demo and their roles; an organisation brings its own through its OIDC provider.
PEOPLE = {
    "dana": "data-scientist",
    "sam": "data-steward",
    "stella": "data-steward",
    "vera": "model-validator",
    "carl": "compliance-officer",
    "olga": "operator",
    "odile": "output-checker",
    "otto": "output-checker",
    "omar": "on-call",
}
SERVICES = ("scoring",)
SERVICE_POLICIES = ["sallyport-user", "sallyport-service"]
READERS = ("snapshot-builder", "promotion-checker")  # services that read live tables, each under its own name

GATEWAY_POLICY = f"""
path "transit/sign/{SIGNING_KEY}" {{ capabilities = ["update"] }}
path "transit/keys/{SIGNING_KEY}" {{ capabilities = ["read"] }}
path "transit/sign/{POLICIES_KEY}" {{ capabilities = ["update"] }}
path "transit/keys/{POLICIES_KEY}" {{ capabilities = ["read"] }}
path "transit/datakey/plaintext/{PROJECTS_KEY}" {{ capabilities = ["update"] }}
path "transit/decrypt/{PROJECTS_KEY}" {{ capabilities = ["update"] }}
path "database/roles" {{ capabilities = ["list"] }}
path "database/roles/lease-*" {{ capabilities = ["create", "update", "delete"] }}
path "database/creds/lease-*" {{ capabilities = ["read"] }}
path "database/creds/snapshot-builder" {{ capabilities = ["read"] }}
path "database/creds/promotion-checker" {{ capabilities = ["read"] }}
path "sys/leases/revoke-prefix/database/creds/lease-*" {{ capabilities = ["update", "sudo"] }}
path "sys/leases/lookup/database/creds/lease-*" {{ capabilities = ["list", "sudo"] }}
path "sys/leases/renew" {{ capabilities = ["update"] }}
path "identity/entity/name/*" {{ capabilities = ["read"] }}
path "sys/leases/revoke" {{ capabilities = ["update"] }}
path "secret/data/sallyport/*" {{ capabilities = ["read"] }}
"""
OPERATOR_POLICY = f"""
path "sys/storage/raft/snapshot" {{ capabilities = ["read", "sudo"] }}
path "transit/keys/{SIGNING_KEY}/rotate" {{ capabilities = ["update"] }}
path "transit/keys/{PROJECTS_KEY}/rotate" {{ capabilities = ["update"] }}
path "transit/keys/{POLICIES_KEY}/rotate" {{ capabilities = ["update"] }}
path "transit/keys/{POLICIES_KEY}" {{ capabilities = ["read"] }}
path "transit/keys/{SIGNING_KEY}" {{ capabilities = ["read"] }}
path "transit/keys/{PROJECTS_KEY}" {{ capabilities = ["read"] }}
path "transit/rewrap/{PROJECTS_KEY}" {{ capabilities = ["update"] }}
path "database/config/live" {{ capabilities = ["create", "update"] }}
path "identity/oidc/config" {{ capabilities = ["create", "update"] }}
"""
SERVICE_POLICY = f'path "{certificates.MOUNT}/issue/{certificates.ROLE}" {{ capabilities = ["update"] }}'
USER_POLICY = 'path "identity/oidc/token/sallyport" { capabilities = ["read"] }'

# How an identity that reads the live tables is made and ended.
READING = {
    "creation": [
        "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' CONNECTION LIMIT 4",
        'ALTER ROLE "{{name}}" SET default_transaction_read_only = on',
        'GRANT CONNECT ON DATABASE live TO "{{name}}"',
        'GRANT live_reader TO "{{name}}"',
    ],
    "revocation": [
        'ALTER ROLE "{{name}}" NOLOGIN',
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{{name}}'",
        'DROP OWNED BY "{{name}}"',
        'DROP ROLE "{{name}}"',
    ],
}

# What a token says of its holder; entity metadata are texts, so lists are comma-separated.
CLAIMS = (
    '{"username": {{identity.entity.name}}, "roles": {{identity.entity.metadata.roles}},'
    ' "projects": {{identity.entity.metadata.projects}}, "kind": {{identity.entity.metadata.kind}},'
    ' "training_until": {{identity.entity.metadata.training_until}}, "mfa": {{identity.entity.metadata.mfa}}}'
)


def digest() -> str:
    """Which configuration this release gives: another digest, another policy, claim, reader or person."""
    said = [GATEWAY_POLICY, OPERATOR_POLICY, USER_POLICY, SERVICE_POLICY, CLAIMS, READERS, READING, PEOPLE, SERVICES]
    said += [certificates.ROLE_SETTINGS]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def renew(home: Home, root_token: str, passwords: dict[str, str]) -> None:
    """OpenBao has what this release needs; people, services and keys that were there stay as they are."""
    client = new_client(openbao.address(home), root_token)
    _mounts(client)
    _policies_key(client)
    _database(home, client, passwords["vault_admin"])
    _issuer(home, client)
    _policies(client)
    certificates.provide(client)
    if not home.secret(f"approle-{openbao.OPERATOR}").exists():
        _approle(home, client, openbao.OPERATOR, openbao.OPERATOR)
    for name in (name for name in PEOPLE if not _user_file(home, name).exists()):
        _person(home, client, name, PEOPLE[name])
    for name in SERVICES:
        if _user_file(home, name).exists():
            client.auth.approle.create_or_update_approle(name, token_policies=SERVICE_POLICIES)
        else:
            _service(home, client, name)


def configure(home: Home, root_token: str, passwords: dict[str, str]) -> None:
    """OpenBao serves this home; safe to run again after an interruption."""
    client = new_client(openbao.address(home), root_token)
    _mounts(client)
    _write_when_upgraded(client, "sallyport/database", passwords)
    translated(lambda: client.secrets.transit.create_key(SIGNING_KEY, key_type="ed25519"))
    translated(lambda: client.secrets.transit.create_key(PROJECTS_KEY, key_type="aes256-gcm96"))
    _policies_key(client)
    _database(home, client, passwords["vault_admin"])
    _issuer(home, client)
    _policies(client)
    certificates.provide(client)
    _approle(home, client, "sallyport-gateway", "sallyport-gateway")
    _approle(home, client, openbao.OPERATOR, openbao.OPERATOR)
    for name, role in PEOPLE.items():
        _person(home, client, name, role)
    for name in SERVICES:
        _service(home, client, name)


def _policies_key(client: Any) -> None:
    """The key that signs the policies' bundle exists; one that was there stays as it is."""
    translated(lambda: client.secrets.transit.create_key(POLICIES_KEY, key_type="ecdsa-p256"))


def _policies(client: Any) -> None:
    client.sys.create_or_update_policy("sallyport-gateway", GATEWAY_POLICY)
    client.sys.create_or_update_policy("sallyport-user", USER_POLICY)
    client.sys.create_or_update_policy("sallyport-service", SERVICE_POLICY)
    client.sys.create_or_update_policy(openbao.OPERATOR, OPERATOR_POLICY)


def _mounts(client: Any) -> None:
    mounted, enabled = client.sys.list_mounted_secrets_engines(), client.sys.list_auth_methods()
    for path, options in (("transit", {}), ("database", {}), ("secret", {"options": {"version": "2"}})):
        if f"{path}/" not in mounted["data"]:
            client.sys.enable_secrets_engine("kv" if path == "secret" else path, path=path, **options)
    for path in ("approle", "userpass"):
        if f"{path}/" not in enabled["data"]:
            client.sys.enable_auth_method(path)


def _write_when_upgraded(client: Any, path: str, secret: dict[str, str]) -> None:
    """The secret is stored; a key-value engine that was just mounted first becomes one with versions, which takes a moment."""
    from hvac.exceptions import InvalidRequest

    for wait in UPGRADE_WAITS:
        try:
            client.secrets.kv.v2.create_or_update_secret(path, secret)
        except InvalidRequest:
            time.sleep(wait)
        else:
            return
    client.secrets.kv.v2.create_or_update_secret(path, secret)


def _database(home: Home, client: Any, password: str) -> None:
    """Vault reaches the live database as vault_admin, and may make identities that read it."""
    connect_database(home, client, password)
    for reader in READERS:
        _reader(client, reader)


def _reader(client: Any, name: str) -> None:
    """Vault makes identities of that name, each for one reading of the live tables."""
    client.secrets.database.create_role(
        name, db_name="live", default_ttl="1h", max_ttl="4h",
        creation_statements=READING["creation"], revocation_statements=READING["revocation"],
    )  # fmt: skip


def connect_database(home: Home, client: Any, password: str) -> None:
    """Vault knows where this home's live database is."""
    address = f"user='{{{{username}}}}' password='{{{{password}}}}' host='{home.sockets}' dbname=live sslmode=disable"
    translated(
        lambda: client.secrets.database.configure(
            "live", plugin_name="postgresql-database-plugin", allowed_roles=["lease-*", *READERS],
            connection_url=address, username="vault_admin", password=password,
            username_template='{{ printf "%s-%s" (.RoleName | truncate 50) (random 10) }}',
        )
    )  # fmt: skip


def name_issuer(home: Home, client: Any) -> None:
    """ID tokens name this home's OpenBao as their issuer."""
    translated(lambda: client.write_data("identity/oidc/config", data={"issuer": openbao.address(home)}))


def _issuer(home: Home, client: Any) -> None:
    """OpenBao signs ID tokens for this gateway."""
    name_issuer(home, client)
    client.write_data(
        "identity/oidc/key/sallyport", data={"algorithm": "RS256", "allowed_client_ids": ["*"], "rotation_period": "24h"}
    )
    template = base64.b64encode(CLAIMS.encode()).decode()
    client.write_data(
        "identity/oidc/role/sallyport",
        data={"key": "sallyport", "client_id": AUDIENCE, "ttl": TOKEN_TTL, "template": template},
    )


def _person(home: Home, client: Any, name: str, role: str) -> None:
    password = secrets.token_urlsafe(24)
    client.auth.userpass.create_or_update_user(name, password=password, policies=["sallyport-user"])
    training = str(int(time.time()) + TRAINING_DAYS * DAY)
    facts = {"kind": "person", "roles": role, "projects": PROJECTS, "training_until": training, "mfa": "true"}
    _entity(client, name, "userpass", name, facts)
    write_private(_user_file(home, name), json.dumps({"kind": "person", "password": password}))


def _service(home: Home, client: Any, name: str) -> None:
    role_id = _approle(home, client, name, *SERVICE_POLICIES)
    facts = {"kind": "service", "roles": "", "projects": PROJECTS, "training_until": "0", "mfa": "false"}
    _entity(client, name, "approle", role_id, facts)
    approle = json.loads(home.secret(f"approle-{name}").read_text("utf-8"))
    write_private(_user_file(home, name), json.dumps({"kind": "service"} | approle))


def _entity(client: Any, name: str, mount: str, alias: str, facts: dict[str, str]) -> None:
    """The login `alias` is known as entity `name` with these facts."""
    client.secrets.identity.create_or_update_entity_by_name(name, metadata=facts)
    entity = client.secrets.identity.read_entity_by_name(name)["data"]
    accessor = client.sys.list_auth_methods()["data"][f"{mount}/"]["accessor"]
    if not any(known["name"] == alias for known in entity["aliases"] or ()):
        client.secrets.identity.create_or_update_entity_alias(alias, entity["id"], accessor)


def _approle(home: Home, client: Any, name: str, *policies: str) -> str:
    """The role exists and its login stands in a file only this account can read; returns the role id."""
    client.auth.approle.create_or_update_approle(name, token_policies=list(policies), token_ttl="1h", token_max_ttl="4h")  # noqa: S106
    role_id = client.auth.approle.read_role_id(name)["data"]["role_id"]
    secret_id = client.auth.approle.generate_secret_id(name)["data"]["secret_id"]
    write_private(home.secret(f"approle-{name}"), json.dumps({"role_id": role_id, "secret_id": secret_id}))
    return str(role_id)


def _user_file(home: Home, name: str) -> Path:
    return home.secret("users") / f"{name}.json"
