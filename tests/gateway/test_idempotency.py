"""A call with a key is done once, whoever loses its answer."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.client import Gateway
from gateway.settings import Settings

QUESTION = {
    "dataset": "clinic", "columns": ["patients.sex"], "purpose": "model-debugging", "hours": 1, "why": "made once",
}  # fmt: skip


@pytest.fixture
def post(as_user: Callable[[str], Gateway], clinic: Path) -> Callable[..., httpx.Response]:
    url = Settings.load().gateway_url

    def call(path: str, body: Any, key: str, person: str = "dana") -> httpx.Response:
        headers = {"Authorization": f"Bearer {as_user(person).token()}", "Idempotency-Key": key}
        return httpx.post(url + path, json=body, headers=headers, timeout=60, trust_env=False)

    return call


def test_the_same_call_again_is_done_once_and_answered_alike(post: Callable[..., httpx.Response]) -> None:
    key = uuid.uuid4().hex
    first, again = post("/v1/access-requests", QUESTION, key), post("/v1/access-requests", QUESTION, key)
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert again.headers["Idempotent-Replayed"] == "true" and "Idempotent-Replayed" not in first.headers


def test_a_refusal_is_repeated_too(post: Callable[..., httpx.Response]) -> None:
    key, question = uuid.uuid4().hex, QUESTION | {"purpose": "curiosity"}
    first, again = post("/v1/access-requests", question, key), post("/v1/access-requests", question, key)
    assert first.status_code == again.status_code == 403
    assert first.json()["decision_id"] == again.json()["decision_id"]


def test_a_key_used_for_another_request_is_refused(post: Callable[..., httpx.Response]) -> None:
    key = uuid.uuid4().hex
    post("/v1/access-requests", QUESTION, key)
    other = post("/v1/access-requests", QUESTION | {"hours": 2}, key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_the_same_key_of_another_person_is_another_key(post: Callable[..., httpx.Response]) -> None:
    key = uuid.uuid4().hex
    mine, theirs = post("/v1/access-requests", QUESTION, key), post("/v1/access-requests", QUESTION, key, person="sam")
    assert mine.json()["id"] != theirs.json()["id"]


def test_many_at_once_make_one_request(post: Callable[..., httpx.Response]) -> None:
    key = uuid.uuid4().hex
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post("/v1/access-requests", QUESTION, key), range(8)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1


def test_an_answer_that_held_a_credential_is_not_kept(
    post: Callable[..., httpx.Response], as_user: Callable[[str], Gateway]
) -> None:
    request = post("/v1/access-requests", QUESTION, uuid.uuid4().hex).json()["id"]
    as_user("sam").post(f"/v1/access-requests/{request}/approve")
    key = uuid.uuid4().hex
    first, again = post("/v1/leases", {"request": request}, key), post("/v1/leases", {"request": request}, key)
    assert first.status_code == 201
    assert (again.status_code, again.json()["code"]) == (409, "already_done")
    as_user("dana").delete(f"/v1/leases/{first.json()['id']}")


@pytest.mark.parametrize("key", ["", "a b", "x" * 201])
def test_what_is_no_key_is_refused(post: Callable[..., httpx.Response], key: str) -> None:
    assert post("/v1/access-requests", QUESTION, key).json()["code"] == "invalid_idempotency_key"
