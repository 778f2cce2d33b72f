"""KServe's manifest: of the fields KServe knows, locked down, and served by a server that finds that one model and no other."""

from __future__ import annotations

import copy
import json

import pytest
from door_three import TEXT
from jsonschema import Draft202012Validator

from promotion.errors import NotDeployed
from promotion.loading import Models
from promotion.manifests import Cluster, inference_service

TEXTS = {"type": "string", "minLength": 1}


def only(properties, *required):
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


# The part of the InferenceService's schema that is used, written down from KServe's public API reference (v1beta1) and that of
# Kubernetes for pods: a field that is not there would be pruned, or refused, by a cluster.
PROBE = only({"httpGet": only({"path": TEXTS, "port": {"type": "integer"}}, "port"), "periodSeconds": {"type": "integer"}})
CONTAINER = only(
    {
        "name": {"const": "kserve-container"}, "image": TEXTS, "command": {"type": "array", "items": TEXTS},
        "env": {"type": "array", "items": only({"name": TEXTS, "value": TEXTS}, "name")},
        "envFrom": {"type": "array", "items": only({"configMapRef": only({"name": TEXTS})})},
        "ports": {
            "type": "array",
            "items": only(
                {"name": TEXTS, "containerPort": {"type": "integer"}, "protocol": {"enum": ["TCP", "UDP", "SCTP"]}},
                "containerPort", "protocol",
            ),
        },
        "readinessProbe": PROBE, "livenessProbe": PROBE,
        "resources": only({"requests": {"type": "object"}, "limits": {"type": "object"}}),
        "securityContext": only(
            {
                "allowPrivilegeEscalation": {"const": False}, "readOnlyRootFilesystem": {"const": True},
                "capabilities": only({"drop": {"const": ["ALL"]}}),
            },
            "allowPrivilegeEscalation", "readOnlyRootFilesystem", "capabilities",
        ),
        "volumeMounts": {
            "type": "array",
            "items": only(
                {"name": TEXTS, "mountPath": TEXTS, "subPath": TEXTS, "readOnly": {"type": "boolean"}}, "name", "mountPath"
            ),
        },
    },
    "name", "image",
)  # fmt: skip
VOLUME = only(
    {
        "name": TEXTS, "persistentVolumeClaim": only({"claimName": TEXTS, "readOnly": {"const": True}}, "claimName"),
        "secret": only({"secretName": TEXTS, "defaultMode": {"type": "integer"}}),
        "emptyDir": only({"medium": TEXTS, "sizeLimit": TEXTS}),
    },
    "name",
)  # fmt: skip
PREDICTOR = only(
    {
        "minReplicas": {"type": "integer", "minimum": 0}, "maxReplicas": {"type": "integer", "minimum": 1},
        "automountServiceAccountToken": {"type": "boolean"}, "enableServiceLinks": {"type": "boolean"},
        "securityContext": {"type": "object"}, "containers": {"type": "array", "items": CONTAINER, "minItems": 1, "maxItems": 1},
        "volumes": {"type": "array", "items": VOLUME},
    },
)  # fmt: skip
SCHEMA = only(
    {
        "apiVersion": {"const": "serving.kserve.io/v1beta1"}, "kind": {"const": "InferenceService"},
        "metadata": only(
            {
                "name": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 53},
                "labels": {
                    "type": "object",
                    "additionalProperties": {"type": "string", "pattern": "^[A-Za-z0-9._-]*$", "maxLength": 63},
                },
                "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
            },
            "name",
        ),
        "spec": only({"predictor": PREDICTOR}, "predictor"),
    },
    "apiVersion", "kind", "metadata", "spec",
)  # fmt: skip
CLUSTER = Cluster(image="registry.example.org/sallyport:1.0")


def made():
    return json.loads(json.dumps(inference_service("readmission", "ranks", "sha256:" + "0" * 64, 3, CLUSTER)))


def test_the_manifest_fits_the_schema_and_the_schema_would_tell():
    Draft202012Validator.check_schema(SCHEMA)
    validator = Draft202012Validator(SCHEMA)
    assert list(validator.iter_errors(made())) == []
    for wrong in ("image", "name"):
        broken = copy.deepcopy(made())
        del broken["spec"]["predictor"]["containers"][0][wrong]
        assert list(validator.iter_errors(broken))
    broken = made()
    broken["spec"]["predictor"]["minReplica"] = 1
    assert list(validator.iter_errors(broken))


def test_every_mount_has_its_volume_and_the_store_can_only_be_read():
    predictor = made()["spec"]["predictor"]
    mounts = {mount["name"]: mount for mount in predictor["containers"][0]["volumeMounts"]}
    assert set(mounts) == {volume["name"] for volume in predictor["volumes"]}
    assert mounts["home"]["readOnly"] and mounts["approle"]["readOnly"]


def test_no_secret_stands_in_it_and_each_setting_is_one_the_server_knows():
    from gateway.settings import Settings

    environment = {one["name"]: one["value"] for one in made()["spec"]["predictor"]["containers"][0]["env"]}
    assert {name.removeprefix("SALLYPORT_").lower() for name in environment} <= set(Settings.model_fields)
    assert environment["SALLYPORT_SERVED_MODELS"] == "readmission/ranks"


def test_names_too_long_for_a_cluster_are_refused():
    with pytest.raises(ValueError, match="more than 53"):
        inference_service("p" * 30, "n" * 30, "sha256:0", 1, CLUSTER)


def test_a_server_of_one_model_serves_no_other(gate):
    gate.deployed()
    gate.deployed(text=TEXT.replace("name: readmission", "name: other", 1))
    assert Models(gate.store, gate.keys).get("other")[0] == ("readmission", "other")
    models = Models(gate.store, gate.keys, only=frozenset(("readmission/other",)))
    assert models.get("readmission.other")[1].version == "1"
    with pytest.raises(NotDeployed):
        models.get("readmission")
