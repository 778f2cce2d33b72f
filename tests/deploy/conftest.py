"""The chart as helm renders it, with every value set that must be."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.go_programs import find_or_build

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "sallyport"
KUBERNETES = ("--kube-version", "1.30.0")
SET = (
    "postgres.host=db.example.org", "vault.address=https://vault.example.org:8200", "oidc.issuer=https://login.example.org",
    "oidc.jwksUrl=https://login.example.org/keys", "oidc.cidr=192.0.2.0/24",
)  # fmt: skip


@pytest.fixture(scope="session")
def helm() -> str:
    found = find_or_build("helm", "helm.sh/helm/v3/cmd/helm", "3.16.4")
    if found is None:
        pytest.skip("NO HELM: it is not on PATH and could not be built with Go; the chart was NOT rendered")
    return str(found)


@pytest.fixture(scope="session")
def rendered(helm: str) -> list[dict[str, Any]]:
    """The chart's objects, with every value set that must be."""
    options = [word for setting in SET for word in ("--set", setting)]
    done = subprocess.run(
        [helm, "template", "r", str(CHART), *KUBERNETES, *options], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]
