"""`python -m gateway.serve`: the model server, over the store and nothing but the store."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI

from compliance.entries import Actor
from gateway.composition import Services, compose, now
from gateway.settings import Settings
from promotion import deployments
from promotion.loading import Models
from promotion.monitoring import keep
from promotion.serving import Prediction, create_app


def application(given: Services) -> FastAPI:
    """The server's application; what the database says is deployed is in the store before it answers."""
    with given.pool.connection() as connection:
        for project, name, envelope in deployments.current(connection):
            given.store.deploy(project, name, envelope)

    def authenticate(token: str) -> Actor:
        return given.verifier.subject(token).actor()

    def log(predictions: list[Prediction]) -> None:
        with given.pool.connection() as connection:
            keep(connection, predictions, now())

    return create_app(Models(given.store, given.public_keys), authenticate=authenticate, log=log)


def main() -> None:
    """Serves until it is told to stop."""
    logging.basicConfig(level=logging.WARNING)
    settings = Settings.load()
    parts = urlsplit(settings.model_server_url)
    uvicorn.run(
        application(compose(settings)), host=parts.hostname or "127.0.0.1", port=parts.port or 80, log_level="warning",
        access_log=False, timeout_graceful_shutdown=3,
    )  # fmt: skip


if __name__ == "__main__":
    main()
