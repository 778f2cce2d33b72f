"""Model contracts: what a data scientist says of a model beside its bytes, in YAML."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from compliance.canonical import canonical_json, digest
from compliance.yaml_texts import InvalidYaml, load_yaml
from promotion.errors import InvalidModelContract


class Strict(BaseModel):
    """Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Input(Strict):
    """A column the model takes. A number outside `min` and `max` is refused at inference.

    `monotonic` says that the score may only rise, or only fall, as this number does with all others as they are.
    """

    name: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")
    type: Literal["float", "integer", "string"]
    min: float | None = None
    max: float | None = None
    monotonic: Literal["rising", "falling"] | None = None

    @model_validator(mode="after")
    def _numbers_rise(self) -> Self:
        if self.monotonic and self.type == "string":
            raise ValueError("a text neither rises nor falls")
        return self


class Metric(Strict):
    """A threshold the model must meet on rows it was not trained on."""

    name: Literal["roc_auc", "accuracy"]
    at_least: float = Field(ge=0, le=1)


class Fairness(Strict):
    """The columns of the features by whose values people are grouped, and how far apart rates may be between groups."""

    groups: tuple[str, ...] = Field(min_length=1, max_length=10)
    max_difference: float = Field(gt=0, le=1)


class Alert(Strict):
    """A rule on what is predicted in production: it raises a finding when the metric is above the limit within the window.

    `drift:NAME` and `output_drift` are population stability indices against the training rows; `drift` is all of them.
    """

    metric: str = Field(
        pattern=r"^(positive_rate|latency_p99_ms|drift|output_drift|(missing|drift):[A-Za-z_][A-Za-z0-9_]{0,62})$"
    )
    window: str = Field(default="1h", pattern=r"^[1-9][0-9]{0,3}[mhd]$")
    above: float = Field(ge=0)

    @property
    def seconds(self) -> int:
        """The window's length."""
        return int(self.window[:-1]) * {"m": 60, "h": 3_600, "d": 86_400}[self.window[-1]]

    @property
    def drifts(self) -> bool:
        """The rule compares with the training rows."""
        return self.metric in ("drift", "output_drift") or self.metric.startswith("drift:")


class FeatureDefinition(Strict):
    """The published definition that `features` was compiled from, and its SQL for live PostgreSQL.

    `live_sql` gives no label; its `row_id` is what names a row.
    """

    name: str
    version: str
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    live_sql: str


class ModelContract(Strict):
    """A model contract. `features` is the query that makes `inputs`, `label` and `person` from a snapshot's tables.

    Who submits a contract may name a published definition instead (`features: {definition, version}`): the gateway puts its SQL
    there, so that what is reviewed and signed is what runs.
    """

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
    fairness: Fairness | None = None
    alerts: tuple[Alert, ...] = ()
    feature_definition: FeatureDefinition | None = None

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        names = [column.name for column in self.inputs]
        if len(set(names)) != len(names):
            raise ValueError("an input is named twice")
        if any(":" in alert.metric and alert.metric.partition(":")[2] not in names for alert in self.alerts):
            raise ValueError("an alert is on an input that is not there")
        return self

    @property
    def digest(self) -> str:
        without = {"feature_definition"} if self.feature_definition is None else None
        return digest(canonical_json(self.model_dump(mode="json", exclude=without)))

    @property
    def watches_drift(self) -> bool:
        """What is asked in production is compared with the training rows."""
        return any(alert.drifts for alert in self.alerts)

    @property
    def rules(self) -> tuple[Alert, ...]:
        """The alert rules, one for each metric: `drift` stands for every input and the output that have no rule of their own."""
        own = {alert.metric for alert in self.alerts}
        every = [f"drift:{column.name}" for column in self.inputs] + ["output_drift"]
        spread = [
            alert.model_copy(update={"metric": metric})
            for alert in self.alerts
            if alert.metric == "drift"
            for metric in every
            if metric not in own
        ]
        return (*(alert for alert in self.alerts if alert.metric != "drift"), *spread)


def load_model_contract(text: str) -> ModelContract:
    """The contract in `text`. Raises InvalidModelContract naming each field that is wrong."""
    try:
        return ModelContract.model_validate(load_yaml(text))
    except InvalidYaml as error:
        raise InvalidModelContract(f"The model contract is no YAML. {error}") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'contract'}: {e['msg']}" for e in error.errors())
        raise InvalidModelContract(f"The model contract is wrong: {wrong}.") from error
