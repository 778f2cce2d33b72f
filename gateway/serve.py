"""`python -m gateway.serve`: the model server, over the store and nothing but the store."""

from __future__ import annotations

from fastapi import FastAPI

from gateway import logs, publishing
from gateway.composition import Services, now
from gateway.errors import SettingsInvalid
from gateway.identity import Subject
from gateway.queueing import DurableQueue
from gateway.scoring import LiveFeatures
from gateway.settings import Settings
from gateway.starting import address, begin, said
from gateway.web.endings import Endings
from promotion import listening
from promotion.entities import Gather
from promotion.loading import Models
from promotion.predictions import Writer
from promotion.serving import create_app


def application(given: Services, gather: Gather | None = None) -> FastAPI:
    """The server's application; what the database says is deployed is in the store before it answers."""
    publishing.follow(given)  # its volume may be one that only the gateway writes to

    endings = Endings(given.pool)

    def authenticate(token: str) -> Subject:
        subject = given.verifier.subject(token)
        endings.require_not_ended(subject)
        return subject

    log = Writer(given.database("sallyport_app", "control"), now)
    only = frozenset(name for name in (given.settings.served_models or "").replace(" ", "").split(",") if name)
    models = Models(given.store, given.public_keys, only=only)
    return create_app(models, authenticate=authenticate, log=log, gather=gather, queue=DurableQueue(given))


def tls(settings: Settings) -> listening.Tls | None:
    """How the server proves itself and its callers. Raises SettingsInvalid for one file without the others, or one not there."""
    certificate, key, clients = settings.model_server_certificate, settings.model_server_key, settings.model_server_clients
    for name, file in (("CERTIFICATE", certificate), ("KEY", key), ("CLIENTS", clients)):
        if file is not None and not file.is_file():
            raise SettingsInvalid(f"SALLYPORT_MODEL_SERVER_{name}: there is no such file.")
    if certificate is None and key is None and clients is None:
        return None
    if certificate is None or key is None:
        raise SettingsInvalid("SALLYPORT_MODEL_SERVER_CERTIFICATE and SALLYPORT_MODEL_SERVER_KEY are set together.")
    return listening.Tls(certificate, key, clients)


def main() -> None:
    """Serves until it is told to stop."""
    logs.configure()
    given = begin(writes=False)
    host, port = address(given.settings.model_server_url, given.settings.listen_host)
    features = LiveFeatures(given)
    try:
        listening.run(application(given, features), host=host, port=port, tls=tls(given.settings))
    finally:
        features.close()


if __name__ == "__main__":
    said(main)()
