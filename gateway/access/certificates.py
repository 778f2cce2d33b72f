"""Client certificates of services, from Vault's PKI straight to the service: its key passes nobody else, not even the gateway.

A certificate opens nothing by itself. It is what a server may ask for beside a lease's password or a token, so that one that was
stolen opens nothing either. It lives a day at most, which is why there is no list of revoked ones (RFC 5280, section 3.3).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.errors import VaultError
from gateway.vault import translated

MOUNT, ROLE = "service-certificates", "service"
AUTHORITY_YEARS = 10
LONGEST = "24h"
# A service gets certificates of its own name and of no other: Vault fills in who is asking.
ROLE_SETTINGS = {
    "allowed_domains": ["{{identity.entity.name}}"], "allowed_domains_template": True, "allow_bare_domains": True,
    "allow_subdomains": False, "allow_localhost": False, "allow_ip_sans": False, "enforce_hostnames": False,
    "client_flag": True, "server_flag": False, "key_type": "ec", "key_bits": 256, "max_ttl": LONGEST, "ttl": LONGEST,
    "key_usage": ["DigitalSignature"], "no_store": True, "not_before_duration": "30s",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Certificate:
    """A service's certificate, its key, and the authority that signed it, all as PEM; the key is not shown."""

    certificate: str
    authority: str
    key: str = field(repr=False)
    until: int = 0  # seconds since 1970


def provide(client: Any) -> None:
    """Vault has an authority for services' certificates, whose key it made and keeps; safe to do again."""
    if f"{MOUNT}/" not in client.sys.list_mounted_secrets_engines()["data"]:
        client.sys.enable_secrets_engine("pki", path=MOUNT, config={"max_lease_ttl": f"{AUTHORITY_YEARS * 365 * 24}h"})
    if not _authority(client):
        said = {"common_name": "Sallyport services", "ttl": f"{AUTHORITY_YEARS * 365 * 24}h", "key_type": "ec", "key_bits": 256}
        client.write_data(f"{MOUNT}/root/generate/internal", data=said)
    client.write_data(f"{MOUNT}/roles/{ROLE}", data=ROLE_SETTINGS)


def issue(client: Any, service: str, ttl: str = LONGEST) -> Certificate:
    """A new certificate for `service`, which must be who the hvac `client` is. Raises VaultError, VaultUnavailable."""
    said = {"common_name": service, "ttl": ttl}
    found = translated(lambda: client.write_data(f"{MOUNT}/issue/{ROLE}", data=said))["data"]
    return Certificate(found["certificate"], found["issuing_ca"], found["private_key"], int(found["expiration"]))


def _authority(client: Any) -> bool:
    try:
        return bool(translated(lambda: client.list(f"{MOUNT}/issuers")))
    except VaultError:
        return False
