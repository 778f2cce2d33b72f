"""`python -m gateway.serve`: the model server, over the store and nothing but the store."""

from __future__ import annotations

import logging

import uvicorn
from fastapi import FastAPI

from compliance.entries import Actor
from gateway.composition import Services, now
from gateway.starting import address, begin, said
from gateway.web.endings import Endings
from promotion import deployments
from promotion.loading import Models
from promotion.monitoring import keep
from promotion.serving import Prediction, create_app


def application(given: Services) -> FastAPI:
    """The server's application; what the database says is deployed is in the store before it answers."""
    with given.pool.connection() as connection:
        for project, name, envelope in deployments.current(connection):
            if given.store.statement(project, name) != envelope:  # its volume may be one that only the gateway writes to
                given.store.deploy(project, name, envelope)

    endings = Endings(given.pool)

    def authenticate(token: str) -> Actor:
        subject = given.verifier.subject(token)
        endings.require_not_ended(subject)
        return subject.actor()

    def log(predictions: list[Prediction]) -> None:
        with given.pool.connection() as connection:
            keep(connection, predictions, now())

    return create_app(Models(given.store, given.public_keys), authenticate=authenticate, log=log)


def main() -> None:
    """Serves until it is told to stop."""
    logging.basicConfig(level=logging.WARNING)
    given = begin(writes=False)
    host, port = address(given.settings.model_server_url, given.settings.listen_host)
    uvicorn.run(
        application(given), host=host, port=port, log_level="warning",
        access_log=False, timeout_graceful_shutdown=3,
    )  # fmt: skip


if __name__ == "__main__":
    said(main)()
