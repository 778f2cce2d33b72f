"""The model store is told what the database says is in production: at once by who deploys, and again and again by the worker."""

from __future__ import annotations

import logging

from gateway.composition import Services
from promotion import publishing
from promotion.errors import StoreUnavailable

log = logging.getLogger("sallyport.publishing")


def publish(given: Services) -> None:
    """The store says what was just committed. Raises StoreUnavailable, and then the worker does it as soon as that can be."""
    try:
        with given.pool.connection() as connection:
            publishing.publish(connection, given.store)
    except StoreUnavailable as error:
        raise StoreUnavailable(
            "The change is recorded, but the model store cannot be written, so the model server does not know of it yet. It is"
            " told as soon as the store's volume can be written; ask your operator to look at it."
        ) from error


def follow(given: Services) -> None:
    """The store is brought up where it is behind, or where somebody changed it, as far as it can be written."""
    try:
        with given.pool.connection() as connection:
            changed = publishing.publish(connection, given.store)
    except StoreUnavailable as error:
        log.warning("the model store is behind what is in production: %s", error.code)
    else:
        if changed:
            log.warning("statements in the model store that were not what is in production and are now: %d", changed)
