"""`Idempotency-Key` on a POST: the same call sent again is done once, and answered as it was the first time.

A key belongs to its subject. The same key with another request is refused; while the first call is under way, so is the second.
An answer that holds a credential is never stored: sent again, such a call is refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.bodies import again, whole
from gateway.api.dependencies import known
from gateway.composition import Services
from gateway.identity import NotAuthenticated
from gateway.problems import problem

HEADER, REPLAYED = "idempotency-key", "Idempotent-Replayed"
KEY = re.compile(r"[\x21-\x7e]{1,200}")
BOUNDARY = re.compile(r'boundary="?([^";,]+)')
HOLDS_CREDENTIAL = ("/v1/leases",)
# Doing it twice does what doing it once does, and not even a digest of whom it was about may be kept.
KEPT_OUT = re.compile(r"/v1/datasets/[^/]+/erasures|/v1/audit/disclosures")
LARGEST_BODY_BYTES = 64 << 20
KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Claim:
    """One subject's key for one request. `before` is what the key stands for already, if anything."""

    subject: str
    key: str
    digest: str
    before: tuple[str, int | None, bytes | None, str | None] | None


class Idempotency:
    """ASGI middleware over the gateway's application."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app, self._services = app, services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or HEADER not in Headers(scope=scope):
            await self._app(scope, receive, send)
            return
        if KEPT_OUT.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not KEY.fullmatch(headers[HEADER]):
            await _refuse("invalid_idempotency_key", 422, "A key has from 1 to 200 visible characters.")(scope, receive, send)
            return
        body = await whole(receive, LARGEST_BODY_BYTES)
        if body is None:
            await _refuse("too_large", 413, "A call with a key carries at most 64 MiB.")(scope, receive, send)
            return
        claim = await run_in_threadpool(self._claim, Request(scope), body)
        if claim is None:
            await self._app(scope, again(body), send)
        elif claim.before is not None:
            await _answer(claim)(scope, receive, send)
        else:
            await self._first(claim, scope, body, send)

    async def _first(self, claim: Claim, scope: Scope, body: bytes, send: Send) -> None:
        """The call is done, and its answer kept; a call that failed for our reasons leaves its key free."""
        seen: dict[str, Any] = {"status": 500, "body": bytearray(), "type": None}

        async def recording(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                seen["type"] = Headers(raw=message["headers"]).get("content-type")
            elif message["type"] == "http.response.body":
                seen["body"] += message.get("body", b"")
            await send(message)

        try:
            await self._app(scope, again(body), recording)
        finally:
            await run_in_threadpool(self._settle, claim, scope["path"], seen)

    def _claim(self, request: Request, body: bytes) -> Claim | None:
        """The key is the caller's for this request, or was before; None for a caller who is nobody (who is refused later)."""
        try:
            _, _, token = request.headers.get("authorization", "").partition(" ")
            subject = known(self._services, token.strip()).id
        except NotAuthenticated:
            return None
        key, digest, now = request.headers[HEADER], _digest(request, body), self._services.clock()
        with self._services.pool.connection() as connection:
            connection.execute("DELETE FROM catalog.idempotency WHERE created_at < %s", (now - KEPT,))
            made = connection.execute(
                "INSERT INTO catalog.idempotency (subject, key, request_digest, created_at) VALUES (%s, %s, %s, %s)"
                " ON CONFLICT DO NOTHING RETURNING key",
                (subject, key, digest, now),
            ).fetchone()
            if made:
                return Claim(subject, key, digest, None)
            before = connection.execute(
                "SELECT request_digest, status, body, media_type FROM catalog.idempotency WHERE subject = %s AND key = %s",
                (subject, key),
            ).fetchone()
        return Claim(subject, key, digest, before or (digest, None, None, None))

    def _settle(self, claim: Claim, path: str, seen: Mapping[str, Any]) -> None:
        secret = path.rstrip("/") in HOLDS_CREDENTIAL and seen["status"] < 300
        with self._services.pool.connection() as connection:
            if seen["status"] >= 500:
                connection.execute("DELETE FROM catalog.idempotency WHERE subject = %s AND key = %s", (claim.subject, claim.key))
                return
            connection.execute(
                "UPDATE catalog.idempotency SET status = %s, body = %s, media_type = %s WHERE subject = %s AND key = %s",
                (seen["status"], None if secret else bytes(seen["body"]), seen["type"], claim.subject, claim.key),
            )


def _answer(claim: Claim) -> Response:
    """What a key that was used before is answered with."""
    assert claim.before is not None
    digest, status, body, media_type = claim.before
    if digest != claim.digest:
        return _refuse("idempotency_key_reused", 422, "This key was used for another request; use a new one.")
    if status is None:
        return _refuse(
            "request_in_progress", 409, "The first call with this key has not ended; look whether it was done, then retry."
        )
    if body is None:
        return _refuse("already_done", 409, "This was done before; its answer held a credential, so it was not kept.")
    return Response(bytes(body), status, {REPLAYED: "true"}, media_type)


def _refuse(code: str, status: int, title: str) -> Response:
    return problem(status, code, title, detail=title)


def _digest(request: Request, body: bytes) -> str:
    """One digest for one request; the boundary that a client draws anew for each upload does not count."""
    boundary = BOUNDARY.search(request.headers.get("content-type", ""))
    content = body.replace(boundary[1].encode(), b"") if boundary else body
    return hashlib.sha256(f"{request.url.path}?{request.url.query}\n".encode() + content).hexdigest()
