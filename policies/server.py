"""An OPA server as engine, through opa-python-client: every answer says which rules and data gave it.

A server that has others is given ours; one that fetches its bundle (from the gateway, `/v1/policy/bundle`) takes them from there
only, and until it has ours its answers count for nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Overrun
from typing import Any
from urllib.parse import urlsplit

from policies.bundle import ENTRYPOINT, Bundle
from policies.errors import EngineFailed, InvalidPolicies
from policies.served import SERVED, Served

SECONDS_TO_ANSWER = 2.0
RETRIES = 1
# Two tries and, after a restart, a push: then whoever asks is denied, however slowly the server drips its answer.
TRIES_IN_ALL = 3
# The library puts a document below /v1/data/; one step up and down again is /v1/data itself, all documents in one transaction.
ALL_DATA = "../data"
# The packages that are ours, by their first part.
PACKAGES = frozenset({ENTRYPOINT.partition("/")[0], SERVED})


class ServerEngine:
    """Answers from an OPA server at `url`, one question at a time over one kept connection.

    A server that lost its policies (a restart), or was given others by someone else, is given ours again, once.
    """

    name = "server"

    def __init__(
        self, url: str, bundle: Bundle, *, timeout: float = SECONDS_TO_ANSWER, retries: int = RETRIES,
        token: str | None = None,
    ) -> None:  # fmt: skip
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidPolicies("The OPA server's address is not an http or https URL.")
        self.bundle = bundle
        self._settings = {
            "host": parts.hostname, "port": parts.port or (443 if parts.scheme == "https" else 8181),
            "ssl": parts.scheme == "https", "timeout": timeout, "retries": retries, "token": token,
        }  # fmt: skip
        self._deadline = timeout * TRIES_IN_ALL
        self._lock = threading.Lock()
        self._datasets: Mapping[str, Any] | None = None
        self._served = Served({}, {}, "")
        self._fresh()

    def ask(self, input: Any, datasets: Mapping[str, Any]) -> Any:
        """The policies' answer as plain JSON values. Raises EngineFailed, at the latest after three times the timeout."""
        return self._bounded(lambda: self._ask(input, datasets))

    def healthy(self) -> bool:
        """The server says it is well, and has taken every bundle that it is to fetch: one that it refused it has not."""
        try:
            return bool(self._bounded(self._well))
        except EngineFailed:
            return False

    def _well(self) -> bool:
        client = self._client
        root = client.root_url.removesuffix("/v1")
        return bool(client._session.get(f"{root}/health", params={"bundles": "true"}, timeout=client.timeout).status_code == 200)

    def _bounded(self, work: Callable[[], Any]) -> Any:
        """What `work` gives, if in time. The library's timeout is for each byte; a server may send one now and then."""
        with self._lock:
            running = self._worker.submit(work)
            try:
                return running.result(timeout=self._deadline)
            except Overrun as error:
                self._fresh()
                raise EngineFailed("The OPA server did not answer in time.") from error
            except Exception as error:
                # The library raises many kinds of its own, requests' and urllib3's; each means the same here.
                raise EngineFailed("The OPA server gave no answer.") from error

    def _fresh(self) -> None:
        """A new connection and a new thread; an old one that hangs is left to end by itself."""
        from opa_client.opa import OpaClient

        self._client = OpaClient(**self._settings)
        session = self._client._session
        session.max_redirects = 0  # another server is not the one that was configured
        session.trust_env = False  # no proxy and no .netrc between the gateway and its policy
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="opa")

    def _ask(self, input: Any, datasets: Mapping[str, Any]) -> Any:
        if self._datasets is None or (datasets is not self._datasets and datasets != self._datasets):
            self._served, self._datasets = Served.of(self.bundle, datasets), datasets
        answer = self._query(input)
        if not self._ours(answer):
            self._give()
            answer = self._query(input)
        if not self._ours(answer):
            raise EngineFailed("The OPA server answers from other policies or other data.")
        return answer.get("decision")

    def _give(self) -> None:
        """The server has our documents and our modules, and in our packages no others."""
        # One document, so that an answer is never given from half of it.
        self._client.update_or_create_data(dict(self._served.data), ALL_DATA)
        rules: dict[str, str | None] = {name.removesuffix(".rego"): text for name, text in self._served.modules.items()}
        said = {SERVED: rules.pop(SERVED)}
        self._push_modules(dict.fromkeys(self._others(set(rules) | {SERVED})) | rules)
        self._push_modules(said)  # last, as it says that all the others are there

    def _others(self, ours: set[str]) -> list[str]:
        """The server's modules in our packages that we do not have (any more): they would have a say in our decisions."""
        # Not by the library's own call, whose address the server answers with a redirection.
        client = self._client
        answer = client._session.get(f"{client.root_url}/policies", timeout=client.timeout)
        answer.raise_for_status()
        held = {each["id"]: each["ast"]["package"]["path"] for each in answer.json()["result"]}
        return [name for name, path in held.items() if len(path) > 1 and path[1]["value"] in PACKAGES and name not in ours]

    def _query(self, input: Any) -> Any:
        return self._client.query_rule(input_data=input, package_path=SERVED, rule_name="answer").get("result")

    def _ours(self, answer: Any) -> bool:
        if not isinstance(answer, dict):
            return False
        return (answer.get("revision"), answer.get("policies")) == (self._served.revision, self.bundle.digest)

    def _push_modules(self, waiting: dict[str, str | None]) -> None:
        """Each module is in the server, or gone from it where it has no text.

        The server takes a module only after those whose functions it calls, and gives one up only after those that call it.
        """
        from opa_client.errors import DeletePolicyError, RegoParseError

        while waiting:
            before = len(waiting)
            for name, text in list(waiting.items()):
                try:
                    if text is None:
                        self._client.delete_policy(name)
                    else:
                        self._client.update_policy_from_string(text, name, rego_compat=False)
                except (RegoParseError, DeletePolicyError):
                    continue
                del waiting[name]
            if len(waiting) == before:
                raise InvalidPolicies("The OPA server does not take the policies.")
