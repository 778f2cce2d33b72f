"""Signed statements: the encodings of the standards, and nothing trusted that is not signed."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from compliance.attestations import Statement, Subject, pae, sign_statement, verify_envelope
from compliance.errors import UntrustedAttestation
from tests.compliance.conftest import LocalSigner

STATEMENT = Statement((Subject("model", "sha256:" + "ab" * 32),), "urn:sallyport:approval:v1", {"by": "vera", "at": 1})
KEYS = {"sallyport-evidence:v1": LocalSigner().public_key_pem()}


def test_what_is_signed_is_the_pre_authentication_encoding_of_dsse() -> None:
    assert pae("http://example.com/HelloWorld", b"hello world") == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_a_signed_statement_comes_back_as_it_was() -> None:
    assert verify_envelope(sign_statement(STATEMENT, LocalSigner()), KEYS) == STATEMENT


def test_the_payload_is_an_in_toto_statement() -> None:
    payload = base64.b64decode(sign_statement(STATEMENT, LocalSigner())["payload"])
    assert payload == (
        b'{"_type":"https://in-toto.io/Statement/v1","predicate":{"at":1,"by":"vera"},"predicateType":"urn:sallyport:approval:v1",'
        b'"subject":[{"digest":{"sha256":"' + b"ab" * 32 + b'"},"name":"model"}]}'
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda e: e | {"payload": base64.b64encode(base64.b64decode(e["payload"]).replace(b"vera", b"eve!")).decode()},
        lambda e: e | {"payloadType": "text/plain"},
        lambda e: e | {"signatures": []},
        lambda e: e | {"signatures": [{"keyid": "other", "sig": e["signatures"][0]["sig"]}]},
        lambda e: e | {"signatures": [e["signatures"][0] | {"sig": "AAAA"}]},
        lambda e: {key: value for key, value in e.items() if key != "payload"},
        lambda e: [],
        lambda e: None,
    ],
)
def test_an_envelope_that_was_changed_is_not_trusted(change: Callable[[dict[str, Any]], Any]) -> None:
    with pytest.raises(UntrustedAttestation):
        verify_envelope(change(sign_statement(STATEMENT, LocalSigner())), KEYS)


def test_a_signature_of_a_key_that_is_not_trusted_counts_for_nothing() -> None:
    with pytest.raises(UntrustedAttestation):
        verify_envelope(sign_statement(STATEMENT, LocalSigner(2)), KEYS)
