"""Model contracts: what a data scientist says of a model beside its bytes, in YAML."""

from __future__ import annotations

from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from compliance.canonical import canonical_json, digest
from promotion.errors import InvalidModelContract


class Strict(BaseModel):
    """Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Input(Strict):
    """A column the model takes. A number outside `min` and `max` is refused at inference."""

    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")
    type: Literal["float", "integer", "string"]
    min: float | None = None
    max: float | None = None


class Metric(Strict):
    """A threshold the model must meet on rows it was not trained on."""

    name: Literal["roc_auc", "accuracy"]
    at_least: float = Field(ge=0, le=1)


class ModelContract(Strict):
    """A model contract. `features` is the query that makes `inputs`, `label` and `person` from a snapshot's tables."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")
    tier: Literal["low", "medium", "high"]
    intended_use: str = Field(min_length=1)
    owner: str = Field(min_length=1)
    dataset: str
    columns: tuple[str, ...] = Field(description="The live columns the model's features read, as table.column.")
    features: str = Field(min_length=1)
    inputs: tuple[Input, ...] = Field(min_length=1)
    positive: str | int = Field(default=1, description="The label's value that the model's score stands for.")
    metrics: tuple[Metric, ...] = Field(min_length=1)

    @property
    def digest(self) -> str:
        return digest(canonical_json(self.model_dump(mode="json")))


def load_model_contract(text: str) -> ModelContract:
    """The contract in `text`. Raises InvalidModelContract naming each field that is wrong."""
    try:
        return ModelContract.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise InvalidModelContract("The model contract is no YAML.") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'contract'}: {e['msg']}" for e in error.errors())
        raise InvalidModelContract(f"The model contract is wrong: {wrong}.") from error
