"""Contracts: what cannot be used is refused, naming table and column."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from small_contract import COLUMNS, contract_text

from sandbox.contracts import Class, load_contract
from sandbox.domains import contract_path
from sandbox.errors import InvalidContract


def test_a_contract_says_class_treatment_kind_and_person_of_each_column() -> None:
    contract = load_contract(contract_text())
    column = contract.columns()["visits.person_id"]
    assert (column.class_, column.treatment, column.kind, column.references) == (
        Class.DIRECT,
        "pseudonym",
        "person",
        "persons.person_id",
    )
    assert contract.person_column(contract.table("visits")) == "person_id"
    assert contract.unclassified == ()
    assert contract.policy_data()["columns"]["persons.zip"] == "quasi"


@pytest.mark.parametrize("name", ["adult", "clinic", "synthea"])
def test_the_example_contracts_are_complete(name: str) -> None:
    assert load_contract(contract_path(name)).unclassified == ()


@pytest.mark.parametrize(
    ("at", "treatment"),
    [
        (("persons", 2), {"name": "round", "to": "month"}),
        (("persons", 2), {"name": "year"}),
        (("persons", 3), {"name": "bin", "groups": {"here": ["10001", 10002], 2: ["x"]}}),
        (("visits", 3), {"name": "scrub", "style": "surrogate"}),
        (("visits", 4), {"name": "round", "to": 2.5}),
        (("visits", 4), {"name": "bin", "width": 10, "lowest": 0, "highest": 90}),
        (("visits", 4), {"name": "noise", "scale": 2, "lowest": 0.5}),
    ],
)
def test_each_treatment_takes_its_options(at: tuple[str, int], treatment: dict[str, Any]) -> None:
    table, column = at
    found = load_contract(changed(table, column, treatment=treatment)).table(table).columns[column]
    assert {"name": found.treatment, **found.options} == treatment


def changed(table: str, at: int, **new: Any) -> str:
    columns = copy.deepcopy(COLUMNS)
    name, logical_type, class_, treatment = columns[table][at]
    given = {"name": name, "type": logical_type, "class_": class_, "treatment": treatment} | new
    columns[table][at] = (given["name"], given["type"], given["class_"], given["treatment"])
    return contract_text(columns)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "no Open Data Contract"),
        ("- a", "no Open Data Contract"),
        ("kind: DataContract\napiVersion: v2.0.0\nid: x\nversion: '1'\nstatus: a", "apiVersion v3"),
        ("kind: DataContract\napiVersion: v3.1.0\nid: 'Not Good'\nversion: '1'\nstatus: a", "needs an id"),
        (changed("persons", 3, type="text"), r"persons\.zip: the logical type"),
        (changed("persons", 3, class_="secret"), r"persons\.zip: the class"),
        (changed("persons", 3, treatment="encrypt"), r"persons\.zip: the treatment"),
        (changed("persons", 3, name="zip code"), "column of table persons has no plain name"),
        (changed("persons", 3, name="name"), "persons names a column twice"),
        (contract_text(personKey="persons.id"), r"refers to persons\.id"),
        (contract_text(holdout=1.5), "holdout"),
        (contract_text(holdout="half"), "holdout"),
        (contract_text(maxTtl="soon"), "maxTtl"),
        (contract_text(maxTtl=-5), "maxTtl"),
        (contract_text(maxTtl=float("inf")), "maxTtl"),
        (contract_text(purposes="research"), "purposes"),
        (contract_text(purposes=[{"a": 1}]), "purposes"),
        (contract_text(purposes=None), "purposes"),
        (contract_text(personKey=["persons.person_id"]), "personKey"),
        (contract_text(project=["readmission"]), "project"),
        (contract_text(rowFilters=[1]), "rowFilters"),
        (contract_text(rowFilters={"research": {"column": "persons.zip"}}), "rowFilters"),
        (contract_text(rowFilters={"research": {"name": "n", "column": "persons.zip", "equals": {"a": 1}}}), "rowFilters"),
        (contract_text() + "price: {priceAmount: .nan}\n", "no exact form in JSON"),
        (contract_text(other=[[[[[[[[[[[]]]]]]]]]]]).replace("[]", "[" * 99 + "]" * 99), "nested"),
        (changed("persons", 2, treatment={"name": "year", "width": 0}), r"persons\.birth_date: year does not take width"),
        (changed("persons", 2, treatment={"name": "year", "widht": 10}), r"persons\.birth_date: year does not take widht"),
        (changed("persons", 2, treatment={"name": "round", "to": "week"}), r"persons\.birth_date: round does not take to"),
        (changed("persons", 3, treatment={"name": ["zip3"]}), r"persons\.zip: the treatment"),
        (changed("visits", 4, treatment={"name": "bin", "width": "10"}), r"visits\.score: bin does not take width"),
        (changed("persons", 3, name="NAME"), "persons names a column twice"),
        (contract_text(COLUMNS | {"Persons": [("other", "string", "insensitive", "keep")]}), "names a table twice"),
        (
            contract_text().replace("classification: direct", "classification: direct\n    classification: insensitive"),
            "a key twice",
        ),
        *((contract_text().replace("id: small", f"id: {name}"), "another") for name in ("public", "masking", "lease_0a", "pg_x")),
    ],
)
def test_a_bad_contract_is_refused_by_name(text: str, says: str) -> None:
    with pytest.raises(InvalidContract, match=says):
        load_contract(text)


def test_a_column_without_class_or_treatment_is_listed() -> None:
    assert load_contract(changed("visits", 4, class_=None)).unclassified == ("visits.score",)
    assert load_contract(changed("visits", 4, treatment=None)).unclassified == ("visits.score",)
