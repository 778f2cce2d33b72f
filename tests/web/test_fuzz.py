"""Whatever is sent, as whomever: no answer is a server's error, and every error is a problem document with a code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from browsing import Browser
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from benchmarks.api_fuzz import fuzz
from gateway.client import Gateway

PEOPLE = ("dana", "sam", "vera", "carl", "olga", "scoring")
WORDS = ("clinic", "readmission", "patients.sex", "model-debugging", "sha256:" + "0" * 64, "data-steward", "..", "-1", "")
SETTINGS = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class Api(dict[str, Any]):
    """What the tests know of the API; says nothing of itself, so that no token stands in a report."""

    def __repr__(self) -> str:
        return "the API"


@pytest.fixture(scope="module")
def api(url: str, clinic: Path, as_user: Callable[[str], Gateway]) -> Api:
    spec = httpx.get(f"{url}/v1/openapi.json", trust_env=False).json()
    operations = [
        (method.upper(), path, about) for path, methods in sorted(spec["paths"].items()) for method, about in methods.items()
    ]  # fmt: skip
    tokens = {name: as_user(name).token() for name in PEOPLE}
    return Api(spec=spec, operations=operations, tokens=tokens, http=httpx.Client(base_url=url, trust_env=False))


def body_of(spec: dict[str, Any], about: dict[str, Any]) -> tuple[str, list[str]]:
    """The media type an operation takes, and the names of its fields."""
    for media, said in about.get("requestBody", {}).get("content", {}).items():
        schema = said["schema"]
        if "$ref" in schema:
            schema = spec["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return media, sorted(schema.get("properties", {}))
    return "", []


def check(answer: httpx.Response, sent: Any) -> None:
    assert answer.status_code < 500, (sent, answer.text[:300])
    if answer.is_error:
        assert answer.headers["content-type"] == "application/problem+json", (sent, answer.text[:300])
        problem = answer.json()
        assert problem["code"] and problem["status"] == answer.status_code, (sent, problem)


def test_every_answer_is_one_that_the_description_of_the_api_names(
    url: str, clinic: Path, as_user: Callable[[str], Gateway]
) -> None:
    done = fuzz(url, as_user("sam").token(), examples="1", phases="fuzzing")
    assert done.returncode == 0, done.stdout[-6000:]
    assert "Undocumented" not in done.stdout and "generated" in done.stdout


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"[" * 5000, b'{"dataset": "\\ud800"}', b'{"dataset": "\\u0000"}', b"1e999"]
)
def test_no_bytes_break_the_api(api: Api, body: bytes) -> None:
    for method, path, about in api["operations"]:
        if body_of(api["spec"], about)[0] == "application/json":
            place = path.replace("{", "").replace("}", "")
            headers = {"Authorization": f"Bearer {api['tokens']['sam']}", "Content-Type": "application/json"}
            check(api["http"].request(method, place, content=body, headers=headers), (method, place, body))


@pytest.mark.parametrize("token", ["x", "a.b.c", "é", "Bearer", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJjYXJsIn0."])
def test_no_token_breaks_the_api(api: Api, token: str) -> None:
    answer = api["http"].get("/v1/whoami", headers={"Authorization": f"Bearer {token}".encode()})
    assert answer.status_code == 401
    check(answer, token)


@settings(SETTINGS, max_examples=60)
@given(data=st.data())
def test_no_form_or_query_breaks_the_pages(url: str, browser: Callable[[str], Browser], data: st.DataObject, api: Api) -> None:
    if "carl" not in api:
        api["carl"] = browser("carl")
        api["csrf"] = api["carl"].get("/web/").text.partition('name="csrf" value="')[2][:64]
    carl, csrf = api["carl"], api["csrf"]
    texts = st.text(max_size=40) | st.sampled_from(WORDS)
    name = quote(data.draw(texts), safe="")
    reads = [
        "", "datasets/NAME", "access/NAME", "access/ask/NAME", "promotions/NAME", "models/readmission/NAME", "audit",
        "audit/timeline", "audit/trace", "access-reviews", "audit/exports/NAME", "boundary", "login",
    ]  # fmt: skip
    writes = [
        "access/ask/clinic", "access/NAME/approve", "access/NAME/reject", "leases/NAME/end", "promotions/NAME/approve",
        "promotions/NAME/deploy", "models/readmission/NAME/rollback", "audit/exports", "datasets/NAME/snapshots",
        "access-reviews", "access-reviews/items/NAME/answer", "access-reviews/NAME/close",
        "leases/break-glass/NAME/review", "access/NAME/withdraw", "access/NAME/revoke", "promotions/NAME/reject",
    ]  # fmt: skip
    place = data.draw(st.sampled_from([*((path, "GET") for path in reads), *((path, "POST") for path in writes)]))
    names = ("type", "actor", "id", "after", "span", "dataset", "next", "columns", "hours", "purpose", "why", "role", "meaning",
             "since", "until", "profile", "digest", "sure", "outcome", "note", "done")  # fmt: skip
    fields = data.draw(st.dictionaries(st.sampled_from(names), texts, max_size=5))
    path = "/web/" + place[0].replace("NAME", name)
    answer = carl.http.get(path, params=fields) if place[1] == "GET" else carl.http.post(path, data=fields | {"csrf": csrf})
    assert answer.status_code < 500, (place, name, fields, answer.text[-900:])
    if answer.is_error:
        assert answer.headers["content-type"].startswith("text/html"), (place, name, answer.text[:200])
