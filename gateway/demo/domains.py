"""What the demo needs of a dataset beside its contract: who asks for which live columns and why, and a model contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.domains import contract_path

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Domain:
    """A dataset the story can be played on. `example` is one row of the model's inputs; `generate` writes invented tables."""

    name: str
    project: str
    columns: tuple[str, ...]
    purpose: str
    why: str
    query: str
    example: dict[str, Any]
    generate: Callable[[Path], None] | None = None

    @property
    def contract(self) -> Path:
        return contract_path(self.name)

    @property
    def model_contract(self) -> Path:
        return FOLDER / self.name / "model.yaml"


def _clinic(folder: Path) -> None:
    from sandbox.domains.clinic.generate import write

    write(folder)


def _bank(folder: Path) -> None:
    from sandbox.domains.bank.generate import write

    write(folder)


DOMAINS = {
    "clinic": Domain(
        name="clinic",
        project="readmission",
        columns=("patients.patient_id", "patients.ssn", "patients.birth_date", "patients.zip", "encounters.patient_id",
                 "encounters.diagnosis", "encounters.start"),
        purpose="model-debugging",
        why="The model ranks three wards oddly; compare its inputs with the live rows.",
        query="SELECT patient_id, ssn, birth_date, zip FROM patients ORDER BY patient_id LIMIT 3",
        example={"age": 71, "days": 5, "earlier_visits": 2, "hba1c": 7.9, "systolic": 151, "encounter_class": "inpatient",
                 "diagnosis": "heart failure"},
        generate=_clinic,
    ),
    "bank": Domain(
        name="bank",
        project="fraud",
        columns=("customers.customer_id", "customers.ssn", "customers.birth_date", "customers.zip", "transactions.customer_id",
                 "transactions.card_number", "transactions.amount"),
        purpose="model-debugging",
        why="The model flags small payments abroad; compare its inputs with the live rows.",
        query="SELECT customer_id, ssn, birth_date, zip FROM customers ORDER BY customer_id LIMIT 3",
        example={"amount": 240, "hour": 3, "category": "electronics", "abroad": "yes"},
        generate=_bank,
    ),
    "adult": Domain(
        name="adult",
        project="income",
        columns=("adult.age", "adult.sex", "adult.native_country", "adult.income"),
        purpose="model-debugging",
        why="The model's scores jump at age 30; compare its inputs with the live rows.",
        query="SELECT age, sex, native_country, income FROM adult LIMIT 3",
        example={"age": 40, "education_num": 13, "hours_per_week": 45, "capital_gain": 0, "capital_loss": 0,
                 "workclass": "Private", "marital_status": "married", "occupation": "Exec-managerial", "sex": "Male"},
    ),
    "synthea": Domain(
        name="synthea", project="synthea", columns=(), purpose="model-debugging", why="", query="", example={}
    ),
}  # fmt: skip
