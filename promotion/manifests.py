"""Manifests for KServe: an InferenceService whose one container is the model server, over the store as a read-only volume.

Nothing is downloaded when it starts, and a rollback changes no manifest: the signed statement in the store says what is served.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PORT = 8090
API_VERSION, KIND = "serving.kserve.io/v1beta1", "InferenceService"
CONTAINER = "kserve-container"  # the name by which KServe knows a predictor's own container
LONGEST_NAME = 53  # KServe makes a DNS label of it, with an ending of its own
STORE, APPROLE = "/var/lib/sallyport/home/models", "/etc/sallyport/approle"


@dataclass(frozen=True, slots=True)
class Cluster:
    """What the cluster calls the image, the store's volume claim, settings and login; and replicas, at least and at most."""

    image: str
    claim: str = "sallyport-home"
    settings: str = "sallyport-settings"
    approle: str = "sallyport-approle"
    replicas: tuple[int, int] = (1, 3)


def inference_service(project: str, name: str, digest: str, version: int, cluster: Cluster) -> dict[str, Any]:
    """The manifest for one deployed model. Raises ValueError when the names are too long for a cluster."""
    called = f"{project}-{name}"
    if len(called) > LONGEST_NAME:
        raise ValueError(f"PROJECT-NAME has more than {LONGEST_NAME} characters.")
    fewest, most = cluster.replicas
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": called,
            "labels": {"app.kubernetes.io/part-of": "sallyport", "sallyport.io/project": project, "sallyport.io/model": name},
            "annotations": {"sallyport.io/digest": digest, "sallyport.io/version": str(version)},
        },
        "spec": {
            "predictor": {
                "minReplicas": fewest,
                "maxReplicas": most,
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [_container(project, name, cluster)],
                "volumes": [
                    {"name": "home", "persistentVolumeClaim": {"claimName": cluster.claim, "readOnly": True}},
                    {"name": "approle", "secret": {"secretName": cluster.approle, "defaultMode": 0o440}},
                    {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "256Mi"}},
                ],
            }
        },
    }


def _container(project: str, name: str, cluster: Cluster) -> dict[str, Any]:
    return {
        "name": CONTAINER,
        "image": cluster.image,
        "command": ["python", "-m", "gateway.serve"],
        "envFrom": [{"configMapRef": {"name": cluster.settings}}],
        "env": [
            {"name": "SALLYPORT_MODEL_SERVER_URL", "value": f"http://0.0.0.0:{PORT}"},
            {"name": "SALLYPORT_APPROLE_FILE", "value": f"{APPROLE}/approle.json"},
            {"name": "SALLYPORT_SERVED_MODELS", "value": f"{project}/{name}"},
        ],
        "ports": [{"name": "http1", "containerPort": PORT, "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": f"/v2/models/{project}.{name}/ready", "port": PORT}, "periodSeconds": 5},
        "livenessProbe": {"httpGet": {"path": "/v2/health/live", "port": PORT}, "periodSeconds": 10},
        "resources": {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "home", "mountPath": STORE, "subPath": "home/models", "readOnly": True},
            {"name": "approle", "mountPath": APPROLE, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the container's own
        ],
    }  # fmt: skip
