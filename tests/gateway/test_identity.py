"""A subject is what a verified token says, and nothing else gets through."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from gateway.identity import NotAuthenticated, Subject, TokenVerifier, subject_from_claims

NOW = 1_795_500_000
ISSUER, AUDIENCE = "http://issuer/v1/identity/oidc", "sallyport"
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
OTHER = RSAKey.generate_key(2048, {"kid": "two", "use": "sig", "alg": "RS256"})


def claims(**changed: Any) -> dict[str, Any]:
    given = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "entity-1",
        "exp": NOW + 600,
        "iat": NOW,
        "username": "dana",
        "kind": "person",
        "roles": ["data-scientist"],
        "projects": ["readmission"],
        "training_until": "1830000000",
        "mfa": "true",
    }
    return {name: value for name, value in (given | changed).items() if value is not None}


def token(key: Any = KEY, alg: str = "RS256", **changed: Any) -> str:
    return jwt.encode({"alg": alg, "kid": key.kid}, claims(**changed), key, algorithms=[alg])


class Issuer:
    """A JWKS whose keys can change, counting how often it was asked."""

    def __init__(self, *keys: Any) -> None:
        self.keys, self.asked = keys, 0

    def __call__(self) -> dict[str, Any]:
        self.asked += 1
        return {"keys": [key.as_dict(private=False) for key in self.keys]}


def verifier(issuer: Issuer | None = None, now: float = NOW) -> TokenVerifier:
    return TokenVerifier(issuer=ISSUER, audience=AUDIENCE, fetch_keys=issuer or Issuer(KEY), clock=lambda: now)


def test_a_good_token_gives_the_subject_it_describes() -> None:
    assert verifier().subject(token()) == Subject(
        id="dana", kind="person", roles=("data-scientist",), projects=("readmission",), training_until=1830000000, mfa=True
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": NOW - 31},
        {"exp": None},
        {"iss": "http://elsewhere"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"sub": None},
        {"username": ""},
        {"username": 7},
        {"kind": "admin"},
        {"kind": None},
        {"nbf": NOW + 60},
    ],
)
def test_a_token_with_a_wrong_or_missing_claim_is_no_proof(changed: dict[str, Any]) -> None:
    with pytest.raises(NotAuthenticated):
        verifier().subject(token(**changed))


def test_a_token_signed_by_another_key_is_no_proof() -> None:
    forged = RSAKey.generate_key(2048, {"kid": "one"})
    with pytest.raises(NotAuthenticated):
        verifier().subject(token(forged))


def test_an_unsigned_token_is_no_proof() -> None:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    with pytest.raises(NotAuthenticated):
        verifier().subject(part({"alg": "none", "kid": "one"}) + "." + part(claims()) + ".")


def test_the_public_key_used_as_a_shared_secret_is_no_proof() -> None:
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "kid": "one"}, claims())]
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    mac = hmac.new(KEY.as_pem(private=False), signed, "sha256").digest()
    with pytest.raises(NotAuthenticated):
        verifier().subject(f"{signed.decode()}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}")


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "a.b", "é.é.é", "eyJhbGciOiJSUzI1NiJ9.e30.AA"])
def test_what_is_no_token_is_no_proof(text: str) -> None:
    with pytest.raises(NotAuthenticated):
        verifier().subject(text)


def test_a_rotated_key_is_fetched_when_a_token_names_it_and_keys_are_otherwise_kept() -> None:
    issuer = Issuer(KEY)
    checked = verifier(issuer)
    checked.subject(token())
    checked.subject(token())
    assert issuer.asked == 1
    issuer.keys = (KEY, OTHER)
    assert checked.subject(token(OTHER)).id == "dana"
    assert issuer.asked == 2


def test_a_little_clock_skew_is_forgiven() -> None:
    assert verifier(now=NOW + 620).subject(token()).id == "dana"


@pytest.mark.parametrize(
    ("given", "roles"),
    [("a,b", ("a", "b")), (["b", "a", "a"], ("a", "b")), ("", ()), (None, ()), (7, ()), (["a", 7], ("a",))],
)
def test_roles_come_as_a_list_or_a_comma_separated_string(given: Any, roles: tuple[str, ...]) -> None:
    assert subject_from_claims(claims(roles=given)).roles == roles


@pytest.mark.parametrize("training", [None, "soon", "-1", True, 1.5, ""])
def test_training_that_is_no_whole_number_is_missing(training: Any) -> None:
    assert subject_from_claims(claims(training_until=training)).training_until is None


@pytest.mark.parametrize("mfa", [None, False, "false", "yes", 1, "True"])
def test_only_a_plain_true_is_a_second_factor(mfa: Any) -> None:
    assert subject_from_claims(claims(mfa=mfa)).mfa is (mfa is True)
