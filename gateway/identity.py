"""Who is asking: a Subject proven by a signed ID token, never by what the request says of itself.

Tokens are JSON Web Tokens (RFC 7519) signed by an OpenID Connect issuer; keys come from its JWKS (RFC 7517).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from compliance.entries import Actor
from gateway.errors import GatewayError

CLOCK_SKEW_SECONDS = 30
KEYS_LIVE_SECONDS = 600
KEYS_AGAIN_SECONDS = 2  # tokens with made-up key names do not make the gateway ask its issuer without end
# RFC 8725 3.1: the verifier fixes the algorithms; "none" and shared-secret ones are never among them.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
KEY_TYPES = ("RSA", "EC", "OKP")
# OpenID Connect Back-Channel Logout 2.4: such a token ends sessions and is no proof of anybody.
LOGOUT_TYPES = ("logout+jwt",)


class NotAuthenticated(GatewayError):
    """The request carries no token that this gateway can trust."""

    code: ClassVar[str] = "not_authenticated"


class LoginTooOld(GatewayError):
    """Approving needs a login that was made a short while ago."""

    code: ClassVar[str] = "login_too_old"

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Approving needs a login of the last {seconds} seconds; log in again, then approve.")
        self.max_age = seconds


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
    issued_at: int | None = field(default=None, compare=False)  # when the token was, and when its holder last logged in
    authenticated_at: int | None = field(default=None, compare=False)

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
    """Turns tokens of one issuer into subjects; doubt raises NotAuthenticated or IssuerUnavailable.

    A token must be for `audience`, or an ID token for one of `clients`, through which people log in here.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        fetch_keys: Callable[[], Mapping[str, Any]],
        clock: Callable[[], float] = time.time,
        clients: tuple[str, ...] = (),
        describe: Callable[[Mapping[str, Any]], Subject] | None = None,
    ) -> None:
        self._issuer, self._audiences = issuer, (audience, *clients)
        self._fetch_keys, self._clock = fetch_keys, clock
        self._describe = describe or subject_from_claims
        self._keys: Any = None
        self._keys_until, self._asked_again = 0.0, float("-inf")

    def subject(self, token: str) -> Subject:
        """The subject of `token`, after its signature, issuer, audience and times were checked."""
        return self._describe(self.claims(token))

    def claims(self, token: str) -> Mapping[str, Any]:
        """What `token` says, after its signature, issuer, audience and times were checked."""
        from joserfc.errors import JoseError

        try:
            return self._claims(token)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise NotAuthenticated("The token is not one this gateway can trust; log in again.") from error

    def _claims(self, token: str) -> Mapping[str, Any]:
        from joserfc import jwt

        decoded = jwt.decode(token, self._key_set, algorithms=ALGORITHMS)
        found = decoded.claims
        jwt.JWTClaimsRegistry(
            now=lambda: int(self._clock()),
            leeway=CLOCK_SKEW_SECONDS,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "values": list(self._audiences)},
            exp={"essential": True},
            sub={"essential": True},
        ).validate(found)
        audiences = found["aud"] if isinstance(found["aud"], list) else [found["aud"]]
        if len(audiences) > 1 and found.get("azp") not in self._audiences:  # OpenID Connect Core 3.1.3.7
            raise ValueError("the token is for several, and was not asked for by one of ours")
        if str(decoded.header.get("typ", "")).lower() in LOGOUT_TYPES or "events" in found:
            raise ValueError("a token that ends sessions is no proof of anybody")
        return found

    def _key_set(self, header: Any) -> Any:
        """The signing key named by the token; keys are fetched again once when the name is new (rotation)."""
        kid = header.headers().get("kid")
        if self._keys is None or self._clock() > self._keys_until:
            self._refresh()
        elif kid not in self._kids() and time.monotonic() >= self._asked_again + KEYS_AGAIN_SECONDS:
            self._refresh()
            self._asked_again = time.monotonic()
        return self._keys.get_by_kid(kid)

    def _kids(self) -> set[str | None]:
        return {key.kid for key in self._keys.keys}

    def _refresh(self) -> None:
        from joserfc.jwk import KeySet

        try:
            found = self._fetch_keys()["keys"]
            usable = [key for key in found if key.get("kty") in KEY_TYPES and key.get("use", "sig") == "sig"]
            self._keys = KeySet.import_key_set({"keys": usable})
        except Exception as error:
            # Whatever keeps the keys away, nobody can be known by them.
            raise IssuerUnavailable("The issuer of tokens does not answer, so nobody is let in.") from error
        self._keys_until = self._clock() + KEYS_LIVE_SECONDS


def subject_from_claims(claims: Mapping[str, Any]) -> Subject:
    """The subject that verified claims describe; a claim of a wrong type is treated as missing, which denies later."""
    name, kind = claims.get("username"), claims.get("kind")
    if not isinstance(name, str) or not name or kind not in ("person", "service"):
        raise NotAuthenticated("The token names no user this gateway knows how to judge; log in again.")
    return Subject(
        id=name,
        kind=kind,
        roles=words(claims.get("roles")),
        projects=words(claims.get("projects")),
        training_until=whole(claims.get("training_until")),
        mfa=claims.get("mfa") is True or claims.get("mfa") == "true",
        issued_at=whole(claims.get("iat")),
        authenticated_at=whole(claims.get("auth_time")),
    )


def words(value: Any) -> tuple[str, ...]:
    """A claim holding names, given as a list or (OpenBao metadata) as one comma-separated string."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list):
        return ()
    return tuple(sorted({word.strip() for word in value if isinstance(word, str) and word.strip()}))


def whole(value: Any) -> int | None:
    """A claim holding a whole number, given as one or (OpenBao metadata) in digits."""
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
