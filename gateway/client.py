"""The gateway's HTTP API as the command line calls it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import httpx

from gateway.errors import GatewayError

SECONDS_TO_WAIT = 120.0
SECONDS_BETWEEN_TRIES = (0.3, 1.0)


class GatewayUnreachable(GatewayError):
    """The gateway does not answer."""

    code: ClassVar[str] = "gateway_unreachable"


class Refusal(GatewayError):
    """The gateway answered with a problem (RFC 9457)."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status, self.problem = status, dict(problem)
        self.problem_code = str(problem.get("code", f"http_{status}"))
        self.reasons = tuple(map(str, problem.get("reasons", ())))
        said = problem.get("detail") or problem.get("title") or problem.get("error")  # the model server says `error`
        super().__init__(str(said or "The gateway refused."))


class Gateway:
    """Calls as one user; `token` is asked for at each call, so that a renewed login is used at once."""

    def __init__(self, url: str, token: Callable[[], str], *, socket: Path | None = None) -> None:
        self._http = httpx.Client(base_url=url, timeout=SECONDS_TO_WAIT)
        self.token, self.socket, self.url = token, socket, url

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at `path`. Raises Refusal, GatewayUnreachable."""
        return self.call("GET", path, params=query)

    def every(self, path: str, **query: Any) -> Iterator[Any]:
        """Each item of the list at `path`, however many pages it has. Raises Refusal, GatewayUnreachable."""
        while True:
            page = self.get(path, **query)
            yield from page["items"]
            if page["next"] is None:
                return
            query["after"] = page["next"]

    def post(self, path: str, body: Any = None, **content: Any) -> Any:
        """The JSON answer to a POST of `body` as JSON, or of `files`."""
        return self.call("POST", path, **({"json": body} if body is not None else {}), **content)

    def delete(self, path: str) -> Any:
        """The JSON answer to a DELETE."""
        return self.call("DELETE", path)

    def call(self, method: str, path: str, **content: Any) -> Any:
        """The JSON answer. Raises Refusal for a problem and GatewayUnreachable when there is none."""
        headers = {"Authorization": f"Bearer {self.token()}"}
        if method == "POST" and "files" not in content:
            headers["Idempotency-Key"] = uuid4().hex  # so that a call whose answer was lost can be sent again
        answer = self._answer(method, path, headers, content)
        if answer.is_success:
            return answer.json() if answer.content else None
        raise Refusal(answer.status_code, _problem(answer))

    def _answer(self, method: str, path: str, headers: Mapping[str, str], content: Mapping[str, Any]) -> httpx.Response:
        """The answer, asked for again where that is safe. Raises GatewayUnreachable."""
        safe = method == "GET" or "Idempotency-Key" in headers
        for wait in (*SECONDS_BETWEEN_TRIES, None) if safe else (None,):
            try:
                return self._http.request(method, path, headers=headers, **content)
            except httpx.HTTPError as error:
                if wait is None:
                    raise GatewayUnreachable("The gateway does not answer; `sallyport status` says what is down.") from error
                time.sleep(wait)
        raise AssertionError("unreachable")

    def download(self, path: str) -> Iterator[bytes]:
        """The bytes at `path`, in parts."""
        headers = {"Authorization": f"Bearer {self.token()}"}
        with self._http.stream("GET", path, headers=headers) as answer:
            if not answer.is_success:
                answer.read()
                raise Refusal(answer.status_code, _problem(answer))
            yield from answer.iter_bytes()


def _problem(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        body = {}
    return body if isinstance(body, dict) else {}
