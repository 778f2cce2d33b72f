"""The worker's round over MLflow's aliases: each names what is in production, and a change by somebody else is reported."""

from __future__ import annotations

import logging

from gateway.composition import Services
from promotion import aliases
from promotion.registry import MlflowRegistry
from promotion.tracking import ModelNotFound, TrackingUnavailable

log = logging.getLogger("sallyport.aliases")


def follow(given: Services) -> int:
    """Every alias is right, as far as MLflow answers; how many somebody else had moved. One process at a time does this."""
    changed = 0
    with given.pool.connection() as alone, given.pool.connection() as connection:
        row = alone.execute(aliases.ALONE).fetchone()
        if not row or not row[0]:
            return 0
        for one in aliases.standing(connection):
            try:
                changed += aliases.follow(connection, one, MlflowRegistry(given.tracking(one.project)), given.clock())
            except (TrackingUnavailable, ModelNotFound) as error:
                connection.rollback()
                log.warning("the alias of %s/%s could not be looked after: %s", one.project, one.name, error.code)
    return changed
