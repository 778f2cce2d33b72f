"""`/v1/policy/bundle`: the policies in force for OPA servers that fetch their bundle (OPA's bundle service protocol)."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import APIRouter, Header, Response

from gateway.api.dependencies import Asking, Given
from gateway.catalog import datasets
from policies.served import opa_bundle

router = APIRouter(tags=["decisions"], prefix="/policy")


@router.get("/bundle", response_class=Response, responses={200: {"content": {"application/gzip": {}}}, 304: {}})
def bundle(given: Given, asking: Asking, if_none_match: Annotated[str | None, Header()] = None) -> Response:
    """A bundle for OPA of the policies in force and today's contracts; nothing where `If-None-Match` names it already.

    The revision is the policies' digest, as in every decision; the ETag is the digest of the bundle's bytes.
    """
    given.enforcer.require(asking, "distribute", {"type": "policies", "id": "bundle"}, what="fetch the policies")
    with given.pool.connection() as connection:
        known = datasets.policy_data(connection)
    content = opa_bundle(given.enforcer.policies, known)
    tag = f'"{hashlib.sha256(content).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if if_none_match is not None and tag in [each.strip().removeprefix("W/") for each in if_none_match.split(",")]:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="application/gzip", headers=headers)
