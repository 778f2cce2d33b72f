"""What a call may carry, told to a running gateway by what the call says it will send, before any of it is sent."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from starlette.types import Message

from gateway.api.bodies import whole
from gateway.client import Gateway
from gateway.settings import Settings

AsUser = Callable[[str], Gateway]
MANY = 1 << 40


def answered(path: str, *headers: str, begin: bytes = b"") -> int:
    """The status of the answer to a call of which only the head and `begin` are sent."""
    address = urlsplit(Settings.load().gateway_url)
    with socket.create_connection((str(address.hostname), address.port or 80), timeout=60) as connection:
        head = "\r\n".join([f"POST {path} HTTP/1.1", f"Host: {address.netloc}", *headers, "", ""])
        connection.sendall(head.encode() + begin)
        return int(connection.makefile("rb").readline().split()[1])


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize("length", [f"Content-Length: {MANY}", "Transfer-Encoding: chunked"])
def test_nothing_large_of_somebody_nobody_knows_is_read(as_user: AsUser, kind: str, length: str) -> None:
    assert answered("/v1/datasets/clinic/rows", f"Content-Type: {kind}", length) == 401
    assert answered("/v1/datasets", f"Content-Type: {kind}", length, "Authorization: Bearer e30.e30.e30") == 401
    assert answered("/v1/promotions", f"Content-Type: {kind}", length, "Idempotency-Key: k") == 401
    assert answered("/web/login", f"Content-Type: {kind}", length) == 413


def test_json_of_somebody_known_is_read_within_bounds(as_user: AsUser) -> None:
    token = f"Authorization: Bearer {as_user('sam').token()}"
    assert answered("/v1/datasets", "Content-Type: application/json", f"Content-Length: {MANY}", token) == 413
    whole = b'{"project": "p", "contract": "' + b"x" * 100_000 + b'"}'
    head = ("Content-Type: application/json", f"Content-Length: {len(whole)}", token)
    assert answered("/v1/datasets", *head, begin=whole) in (409, 422)


def test_a_body_that_does_not_say_its_length_is_read_to_the_bound_and_no_further() -> None:
    pieces = 0

    async def endless() -> Message:
        nonlocal pieces
        pieces += 1
        return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    assert asyncio.run(whole(endless, 10_000)) is None
    assert pieces == 11

    async def short() -> Message:
        return {"type": "http.request", "body": b"abc"}

    assert asyncio.run(whole(short, 3)) == b"abc"
