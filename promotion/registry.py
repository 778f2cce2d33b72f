"""MLflow's model registry over REST, in one project's workspace: versions by digest, and aliases."""

from __future__ import annotations

from typing import Any

from promotion.tracking import Tracking

BELOW = "/api/2.0/mlflow"
DIGEST = "sallyport.digest"


class MlflowRegistry:
    """promotion.aliases.Registry on a tracking server."""

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking

    def register(self, name: str, run_id: str, digest: str) -> str:
        """The version whose tag is the digest, made of the run's model where there is none. Raises TrackingUnavailable."""
        send = self._tracking.send
        send("POST", f"{BELOW}/registered-models/create", json={"name": name}, accept=(200, 400))  # 400: it is there
        query = {"filter": f"name='{name}' AND tags.`{DIGEST}` = '{digest}'"}  # both of our own making: no quote in either
        for one in send("GET", f"{BELOW}/model-versions/search", params=query).json().get("model_versions", []):
            return str(one["version"])
        model = self._tracking.model_of(run_id)
        body: dict[str, Any] = {
            "name": name, "source": model["artifact_uri"], "run_id": run_id, "model_id": model["model_id"],
            "tags": [{"key": DIGEST, "value": digest}],
        }  # fmt: skip
        return str(send("POST", f"{BELOW}/model-versions/create", json=body).json()["model_version"]["version"])

    def alias(self, name: str, alias: str) -> str | None:
        """The version that the alias names. Raises TrackingUnavailable."""
        found = self._tracking.send(
            "GET", f"{BELOW}/registered-models/alias", params={"name": name, "alias": alias}, accept=(200, 400, 404)
        )
        return str(found.json()["model_version"]["version"]) if found.status_code == 200 else None

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """The alias names that version. Raises TrackingUnavailable."""
        body = {"name": name, "alias": alias, "version": version}
        self._tracking.send("POST", f"{BELOW}/registered-models/alias", json=body)
