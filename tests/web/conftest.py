"""Browsers of the people of a running stack, and a model that waits for signatures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browsing import Browser

from compliance.attestations import Statement, Subject, sign_statement
from compliance.entries import Actor
from gateway.composition import Services, compose
from gateway.embedded.home import Home
from gateway.settings import Settings
from promotion import requests
from promotion.checks.context import CheckResult
from promotion.model_contracts import load_model_contract
from promotion.states import State

CONTRACT = """
name: {name}
tier: low
intended_use: Ranks patients for a call after discharge.
owner: dana
dataset: clinic
columns: [patients.sex]
features: SELECT 1 AS label, 1.0 AS x
inputs: [{{name: x, type: float, min: 0, max: {most}}}]
metrics: [{{name: roc_auc, at_least: 0.7}}]
alerts: [{{metric: drift, window: 1h, above: 0.2}}]
"""
CHECKS = ("artifact", "data-quality", "leakage", "lineage", "performance")
DANA, CHECKER = Actor("dana", "person", ("data-scientist",)), Actor("promotion-checker", "service")


@pytest.fixture(scope="session")
def url(stack_home: Path) -> str:
    return Settings.load().gateway_url


@pytest.fixture(scope="session")
def password(stack_home: Path) -> Callable[[str], str]:
    home = Home(stack_home)
    return lambda name: str(json.loads((home.secret("users") / f"{name}.json").read_text("utf-8"))["password"])


@pytest.fixture(scope="session")
def browser(url: str, password: Callable[[str], str]) -> Callable[[str], Browser]:
    """`browser("sam")` is a new browser in which Sam has logged in."""

    def opened(name: str) -> Browser:
        made = Browser(url)
        assert made.login(name, password(name)).url.path == "/web/"
        return made

    return opened


@pytest.fixture(scope="session")
def parts(stack_home: Path) -> Iterator[Services]:
    """The running stack's database, store and key, for what only a worker could do otherwise."""
    made = compose(Settings.load())
    yield made
    made.close()


@pytest.fixture(scope="session")
def checked(parts: Services, clinic: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """`checked("name")` is the id of a promotion of new bytes that passed its checks and waits for signatures."""

    def made(name: str, *, most: int = 100) -> str:
        folder = tmp_path_factory.mktemp("model") / "model"
        folder.mkdir()
        (folder / "model.onnx").write_bytes(_onnx(most))
        text, digest, now = CONTRACT.format(name=name, most=most), parts.store.put(folder), parts.clock()
        with parts.pool.connection() as connection:
            promotion = requests.submit(
                connection, project="readmission", contract=load_model_contract(text), text=text, digest=digest, run_id=None,
                author=DANA, now=now,
            )  # fmt: skip
            requests.move(connection, promotion.id, State.CHECKING, actor=CHECKER, now=now)
            for check in CHECKS:
                evidence = {"training": TRAINING} if check == "performance" else None
                result = CheckResult(check, "passed", digest, "checked by a test", (), evidence)
                envelope = sign_statement(Statement((Subject("model", digest),), "check", result.as_json()), parts.signer)
                requests.store_check(connection, promotion, result, envelope=envelope, seconds=0.1, actor=CHECKER, now=now)
            requests.move(connection, promotion.id, State.AWAITING_APPROVAL, actor=CHECKER, now=now)
        return promotion.id

    return made


TRAINING = {"inputs": {"x": {"edges": [40.0], "counts": [150, 50, 0]}}, "score": {"edges": [0.5], "counts": [50, 150, 0]}}


def _onnx(number: int) -> bytes:
    """A model of one node; `number` makes its bytes its own."""
    from onnx import TensorProto, helper

    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 1])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 1])
    graph = helper.make_graph([helper.make_node("Sigmoid", ["x"], ["y"])], f"tiny-{number}", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    return bytes(model.SerializeToString())
