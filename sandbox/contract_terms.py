"""What a contract's custom properties may say: each is read in its own form, or the contract is refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandbox.errors import InvalidContract

DEFAULT_MAX_TTL_SECONDS = 7_200
DEFAULT_MAX_SUPPRESSED = 0.2
LONGEST_TTL_SECONDS = 366 * 86_400

Text = Annotated[str, Field(min_length=1, max_length=200)]
Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Scalar = bool | int | Number | Annotated[str, Field(max_length=500)]


class FilterTerms(BaseModel):
    """Rows of the persons for whom `column` equals `equals`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Text
    column: Text
    equals: Annotated[bool | int | float | str | date, Field(union_mode="smart")]


class DatasetTerms(BaseModel):
    """The custom properties of a contract."""

    project: Text | None = None
    personKey: Text | None = None  # noqa: N815 - as contracts spell it
    purposes: tuple[Text, ...] = Field(default=(), max_length=100)
    maxTtl: int = Field(default=DEFAULT_MAX_TTL_SECONDS, gt=0, le=LONGEST_TTL_SECONDS)  # noqa: N815
    rowFilters: Mapping[Text, FilterTerms] = Field(default={})  # noqa: N815
    holdout: Share = 0.0
    maxSuppressed: Share = DEFAULT_MAX_SUPPRESSED  # noqa: N815


class Options(BaseModel):
    """No option: what a treatment without any takes."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Within(Options):
    """Bounds that a number is kept within."""

    lowest: Number | None = None
    highest: Number | None = None


class Bin(Within):
    """The width of bins, or the groups of a category."""

    width: Number = Field(default=1, gt=0)
    groups: Mapping[str | int | float | bool, list[Scalar | date]] | None = None


class Noise(Within):
    """The scale of the draw."""

    scale: Number = Field(default=1, gt=0)


class Round(Options):
    """What is rounded to."""

    to: Annotated[Number, Field(gt=0)] | Literal["month", "quarter", "year"] = 1


class Year(Options):
    """The years that are put together, and the earliest that is told."""

    width: int = Field(default=1, gt=0, le=10_000)
    oldest: int | None = Field(default=None, ge=0, le=10_000)


class ShiftDate(Options):
    """Whether days of the week stay."""

    weekdays: bool = False


class Scrub(Options):
    """What stands in place of what is found."""

    style: Annotated[str, Field(pattern="^(tags|surrogate)$")] = "tags"


OPTIONS: dict[str, type[Options]] = {
    "bin": Bin, "noise": Noise, "round": Round, "year": Year, "shift-date": ShiftDate, "scrub": Scrub,
}  # fmt: skip


def dataset_terms(custom: Mapping[str, Any]) -> DatasetTerms:
    """The contract's custom properties. Raises InvalidContract, naming each that is wrong."""
    try:
        return DatasetTerms.model_validate(custom)
    except ValidationError as error:
        names = sorted({str(item["loc"][0]) for item in error.errors()})
        if set(names) & {"holdout", "maxSuppressed"}:
            raise InvalidContract("holdout and maxSuppressed are shares of the persons, from 0 to under 1.") from None
        raise InvalidContract(f"The contract's {', '.join(names)} is not of the form it has to be.") from None


def require_options(where: str, treatment: str, options: Mapping[str, Any]) -> None:
    """The options are those of the treatment, in their form. Raises InvalidContract, naming the column and the option."""
    try:
        OPTIONS.get(treatment, Options).model_validate(options)
    except ValidationError as error:
        names = sorted({str(item["loc"][0]) for item in error.errors() if item["loc"]}) or ["options"]
        raise InvalidContract(f"{where}: {treatment} does not take {', '.join(names)} as it is given.") from None
