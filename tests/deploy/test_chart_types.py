"""Each object of the chart is what Kubernetes' own types say: no field they do not know, none left out that they need."""

from __future__ import annotations

import re
from typing import Any

import pytest

models = pytest.importorskip("kubernetes_asyncio.client.models")


def wrong(type_: str, value: Any, at: str) -> list[str]:
    """What Kubernetes' type `type_` does not know of `value`, or misses in it."""
    if list_of := re.fullmatch(r"list\[(.+)\]", type_):
        if not isinstance(value, list):
            return [f"{at}: no list"]
        return [said for number, one in enumerate(value) for said in wrong(list_of[1], one, f"{at}[{number}]")]
    if map_of := re.fullmatch(r"dict\((\w+), (.+)\)", type_):
        return [said for name, one in value.items() for said in wrong(map_of[2], one, f"{at}.{name}")]
    model = getattr(models, type_, None)
    if model is None:
        return _plain(type_, value, at)
    if not isinstance(value, dict):
        return [f"{at}: no object"]
    known = {name: model.openapi_types[attribute] for attribute, name in model.attribute_map.items()}
    found = [f"{at}.{name}: unknown" for name in value.keys() - known.keys()]
    names = {name: attribute for attribute, name in model.attribute_map.items()}
    try:
        model(**{names[name]: one for name, one in value.items() if name in names})
    except ValueError as error:
        found.append(f"{at}: {error}")
    return found + [said for name in value.keys() & known.keys() for said in wrong(known[name], value[name], f"{at}.{name}")]


def _plain(type_: str, value: Any, at: str) -> list[str]:
    wanted = {"str": str, "int": int, "bool": bool}.get(type_, object)
    right = isinstance(value, wanted) and not (type_ == "int" and isinstance(value, bool))
    return [] if right else [f"{at}: {type(value).__name__} instead of {type_}"]


def _type(one: dict[str, Any]) -> str:
    version = one["apiVersion"].rpartition("/")[2]
    return f"V{version[1:]}{one['kind']}"


def test_every_object_of_the_chart_is_of_its_type(rendered: list[dict[str, Any]]) -> None:
    found = [said for one in rendered for said in wrong(_type(one), one, f"{one['kind']}/{one['metadata']['name']}")]
    assert not found
    assert len(rendered) > 10


@pytest.mark.parametrize(
    "broken",
    [{"replica": 2}, {"replicas": "two"}, {"selector": None, "template": None}, {"template": {"spec": {"containers": 0}}}],
)
def test_an_object_that_is_not_of_its_type_is_told(rendered: list[dict[str, Any]], broken: dict[str, Any]) -> None:
    one = next(one for one in rendered if one["kind"] == "Deployment")
    assert wrong("V1Deployment", one | {"spec": one["spec"] | broken}, "Deployment")
