"""`/v1/policy`: the policies in force, signed, for OPA servers that fetch their bundle, and what each change of them turned.

OPA's bundle service protocol, and its bundle signatures: a server that has the key takes nothing that the key did not sign.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response

from gateway.api.audit import require
from gateway.api.dependencies import Asking, Given, Moment, Paging
from gateway.catalog import datasets, policies
from gateway.policy_signing import PolicySigner
from policies.served import SCOPE, bundle_files, packed, signature

router = APIRouter(tags=["decisions"], prefix="/policy")


@router.get("/changes")
def changes(
    given: Given, asking: Asking, page: Paging, since: Moment | None = None, until: Moment | None = None
) -> dict[str, Any]:
    """Each change of the policies in force, newest first, with the decisions of the 90 days before that it turns."""
    require(given, asking, "see changes of policies")
    with given.pool.connection() as connection:
        found = policies.changes(connection, since=since, until=until, page=page)
    return {"items": [change.as_json() for change in found], "next": page.next(found, "loaded_at")}


@router.get("/bundle", response_class=Response, responses={200: {"content": {"application/gzip": {}}}, 304: {}})
def bundle(given: Given, asking: Asking, if_none_match: Annotated[str | None, Header()] = None) -> Response:
    """A signed bundle for OPA of the policies in force and today's contracts; nothing where `If-None-Match` names it already.

    The revision is the policies' digest, as in every decision; the ETag is the digest of what is signed and of the key's name.
    """
    given.enforcer.require_here(asking, "distribute", {"type": "policies", "id": "bundle"}, what="fetch the policies")
    with given.pool.connection() as connection:
        known = datasets.policy_data(connection)
    files = bundle_files(given.enforcer.policies, known)
    signer = PolicySigner(given.vault)
    tag = f'"{hashlib.sha256(packed(files) + signer.keyid.encode()).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if if_none_match is not None and tag in [each.strip().removeprefix("W/") for each in if_none_match.split(",")]:
        return Response(status_code=304, headers=headers)
    signed = files | {".signatures.json": signature(files, signer)}
    return Response(packed(signed), media_type="application/gzip", headers=headers)


@router.get("/keys")
def keys(given: Given, asking: Asking) -> dict[str, Any]:
    """The public keys that the policies' bundle is verified with, by their names, in the form of OPA's configuration."""
    given.enforcer.require_here(asking, "distribute", {"type": "policies", "id": "keys"}, what="see the policies' keys")
    signer = PolicySigner(given.vault)
    known = {name: {"algorithm": signer.algorithm, "key": pem} for name, pem in signer.public_keys().items()}
    return {"keys": known, "newest": signer.keyid, "scope": SCOPE}
