"""Who is asking: a Subject proven by a signed ID token, never by what the request says of itself.

Tokens are JSON Web Tokens (RFC 7519) signed by an OpenID Connect issuer; keys come from its JWKS (RFC 7517).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from compliance.entries import Actor
from gateway.errors import GatewayError

CLOCK_SKEW_SECONDS = 30
KEYS_LIVE_SECONDS = 600
# RFC 8725 3.1: the verifier fixes the algorithms; "none" and shared-secret ones are never among them.
ALGORITHMS = ["RS256", "ES256", "EdDSA"]


class NotAuthenticated(GatewayError):
    """The request carries no token that this gateway can trust."""

    code: ClassVar[str] = "not_authenticated"


class IssuerUnavailable(GatewayError):
    """The issuer of tokens does not answer, so no token can be trusted."""

    code: ClassVar[str] = "issuer_unavailable"


@dataclass(frozen=True, slots=True)
class Subject:
    """Someone or something that asks, as the issuer described it at login."""

    id: str
    kind: str
    roles: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    training_until: int | None = None
    mfa: bool = False

    def policy_input(self) -> dict[str, Any]:
        """The `subject` of a policy question (POLICY.md, Input)."""
        known = {
            "id": self.id,
            "type": self.kind,
            "roles": list(self.roles),
            "projects": list(self.projects),
            "mfa": self.mfa,
        }
        return known if self.training_until is None else known | {"training_until": self.training_until}

    def actor(self) -> Actor:
        """The same subject as a ledger entry names it."""
        return Actor(id=self.id, kind=self.kind, roles=self.roles)  # type: ignore[arg-type]


class TokenVerifier:
    """Turns bearer tokens of one issuer and audience into subjects; doubt raises NotAuthenticated or IssuerUnavailable."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        fetch_keys: Callable[[], Mapping[str, Any]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._issuer, self._audience = issuer, audience
        self._fetch_keys, self._clock = fetch_keys, clock
        self._keys: Any = None
        self._keys_until = 0.0

    def subject(self, token: str) -> Subject:
        """The subject of `token`, after its signature, issuer, audience and times were checked."""
        from joserfc.errors import JoseError

        try:
            claims = self._claims(token)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise NotAuthenticated("The token is not one this gateway can trust; log in again.") from error
        return subject_from_claims(claims)

    def _claims(self, token: str) -> Mapping[str, Any]:
        from joserfc import jwt

        decoded = jwt.decode(token, self._key_set, algorithms=ALGORITHMS)
        jwt.JWTClaimsRegistry(
            now=lambda: int(self._clock()),
            leeway=CLOCK_SKEW_SECONDS,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._audience},
            exp={"essential": True},
            sub={"essential": True},
        ).validate(decoded.claims)
        return decoded.claims

    def _key_set(self, header: Any) -> Any:
        """The signing key named by the token; keys are fetched again once when the name is new (rotation)."""
        kid = header.headers().get("kid")
        if self._keys is None or self._clock() > self._keys_until or kid not in self._kids():
            self._refresh()
        return self._keys.get_by_kid(kid)

    def _kids(self) -> set[str | None]:
        return {key.kid for key in self._keys.keys}

    def _refresh(self) -> None:
        from joserfc.jwk import KeySet

        try:
            found = self._fetch_keys()
        except Exception as error:
            # Whatever keeps the keys away, nobody can be known by them.
            raise IssuerUnavailable("The issuer of tokens does not answer, so nobody is let in.") from error
        self._keys = KeySet.import_key_set(found)  # type: ignore[arg-type]
        self._keys_until = self._clock() + KEYS_LIVE_SECONDS


def subject_from_claims(claims: Mapping[str, Any]) -> Subject:
    """The subject that verified claims describe; a claim of a wrong type is treated as missing, which denies later."""
    name, kind = claims.get("username"), claims.get("kind")
    if not isinstance(name, str) or not name or kind not in ("person", "service"):
        raise NotAuthenticated("The token names no user this gateway knows how to judge; log in again.")
    return Subject(
        id=name,
        kind=kind,
        roles=_words(claims.get("roles")),
        projects=_words(claims.get("projects")),
        training_until=_whole(claims.get("training_until")),
        mfa=claims.get("mfa") is True or claims.get("mfa") == "true",
    )


def _words(value: Any) -> tuple[str, ...]:
    """A claim holding names, given as a list or (OpenBao metadata) as one comma-separated string."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list):
        return ()
    return tuple(sorted({word.strip() for word in value if isinstance(word, str) and word.strip()}))


def _whole(value: Any) -> int | None:
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
