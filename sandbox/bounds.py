"""What policy asks of a release certificate; over any of its bounds nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from sandbox.errors import CertificateRefused, InvalidLimits


@dataclass(frozen=True, slots=True)
class Bounds:
    """Each from 0 to 1, None for no bound. The defaults are those of policies/data/limits.json, which says where they are from.

    `linkage` bounds the chance that the attacker who holds true quasi-identifiers names the right row, `linkage_unique` the share
    of persons for whom one row fits; `linkage_all` the chance with all that is released but direct identifiers; `drift` the
    distance of each column's distribution from that of all live rows as treated, `distortion` from the untreated; `canary_leak`
    the upper bound of the share of planted identifiers that leak, `words_lost` the share of ordinary words beside them; `t` t.
    """

    linkage: float | None = 0.09
    linkage_unique: float | None = 0.0
    linkage_all: float | None = None
    drift: float | None = 0.25
    distortion: float | None = None
    canary_leak: float | None = 0.06
    words_lost: float | None = 0.05
    t: float | None = None

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Bounds:
        """The bounds of policy data. Raises InvalidLimits for a name it does not know, one that is missing or no share."""
        names = {field.name for field in fields(cls)}
        if set(told) != names:
            raise InvalidLimits(f"The certificate's limits are {', '.join(sorted(names))}, each of them.")
        for name, value in told.items():
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1):
                raise InvalidLimits(f"The limit {name} of certificates is a number from 0 to 1, or null for none.")
        return cls(**told)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def require_within(certified: Mapping[str, Any], facts: Mapping[str, Any], bounds: Bounds) -> None:
    """Everything measured is within its bound. Raises CertificateRefused, naming each that is not, its column and by how much."""
    over = [
        f"{where} is {value:.3g}, the limit {most:.3g}"
        for where, value, most in _measured(certified, facts, bounds)
        if most is not None and (value is None or not value <= most + 1e-9)
    ]
    if over:
        raise CertificateRefused(f"The release certificate is over the limits of policy: {'; '.join(over)}.")


def _measured(
    certified: Mapping[str, Any], facts: Mapping[str, Any], bounds: Bounds
) -> Iterator[tuple[str, float, float | None]]:
    """(what and where, measured, bound)."""
    linkage = certified["linkage"]
    if linkage:
        yield "the chance to link by quasi-identifiers", linkage["quasi"]["expected"], bounds.linkage
        yield "the share linked to one row by quasi-identifiers", linkage["quasi"]["unique"], bounds.linkage_unique
        yield "the chance to link by all that is released", linkage["all_released"]["expected"], bounds.linkage_all
    for measure, most in (("drift", bounds.drift), ("distortion", bounds.distortion)):
        for name, value in certified[measure].items():
            yield f"the {measure} of {name}", value, most
    for name, told in certified["text"].items():
        kinds = ", ".join(told["leaked_by_kind"]) or "no kind"
        what = f"the leak rate of identifiers planted in {name} (upper bound; {told['leaked']:,} leaked, of {kinds})"
        yield what, told["leak_upper_bound"], bounds.canary_leak
        yield f"the share of ordinary words lost from {name}", told["words_lost"], bounds.words_lost
    for name, told in facts["tables"].items():
        if told["t"] is not None:
            yield f"t of table {name}", told["t"], bounds.t
