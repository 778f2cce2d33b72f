"""An OPA server as engine, through opa-python-client: the bundle is pushed once, datasets when they change."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from policies.bundle import Bundle
from policies.errors import EngineFailed, InvalidPolicies

SECONDS_TO_ANSWER = 2.0
RETRIES = 1


class ServerEngine:
    """Answers from an OPA server at `url`. A server that lost its policies (a restart) is given them again, once."""

    name = "server"

    def __init__(
        self, url: str, bundle: Bundle, *, timeout: float = SECONDS_TO_ANSWER, retries: int = RETRIES,
        token: str | None = None,
    ) -> None:  # fmt: skip
        from opa_client.opa import OpaClient

        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidPolicies("The OPA server's address is not an http or https URL.")
        self.bundle = bundle
        self._lock = threading.Lock()
        self._pushed: Mapping[str, Any] | None = None
        self._client = OpaClient(
            host=parts.hostname, port=parts.port or (443 if parts.scheme == "https" else 8181),
            ssl=parts.scheme == "https", timeout=timeout, retries=retries, token=token,
        )  # fmt: skip

    def ask(self, input: Any, datasets: Mapping[str, Any]) -> Any:
        """The policies' answer as plain JSON values. Raises EngineFailed."""
        try:
            with self._lock:
                if self._pushed is None or (datasets is not self._pushed and datasets != self._pushed):
                    self._push(datasets)
                answer = self._query(input)
                if "result" not in answer:
                    self._push(datasets)
                    answer = self._query(input)
            return answer["result"]
        except Exception as error:
            # The library raises many kinds of its own, requests' and urllib3's; each means the same here.
            raise EngineFailed("The OPA server gave no answer.") from error

    def healthy(self) -> bool:
        """The server says it is well."""
        return bool(self._client.check_health())

    def _query(self, input: Any) -> Any:
        return self._client.query_rule(input_data=input, package_path="sallyport", rule_name="decision")

    def _push(self, datasets: Mapping[str, Any]) -> None:
        self._pushed = None
        for key, document in {**self.bundle.data, "datasets": dict(datasets)}.items():
            self._client.update_or_create_data(document, key)
        self._push_modules(dict(self.bundle.modules))
        self._pushed = datasets

    def _push_modules(self, waiting: dict[str, str]) -> None:
        """All modules are in the server, which takes a module only after those whose functions it calls."""
        from opa_client.errors import RegoParseError

        while waiting:
            before = len(waiting)
            for name, text in list(waiting.items()):
                try:
                    self._client.update_policy_from_string(text, name.removesuffix(".rego"), rego_compat=False)
                except RegoParseError:
                    continue
                del waiting[name]
            if len(waiting) == before:
                raise InvalidPolicies("The OPA server does not take the policies.")
