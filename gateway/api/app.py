"""The gateway's HTTP application: routers, problems, and the services they stand on."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from starlette.routing import Mount

from compliance.errors import ComplianceError
from gateway import metrics, problems
from gateway.api import (
    audit,
    datasets,
    decisions,
    egress,
    features,
    health,
    ingress,
    keeping,
    leases,
    mlflow_proxy,
    notebooks,
    policy,
    promotions,
    reviews,
    scorings,
    sessions,
    snapshots,
    stages,
)
from gateway.api.admission import Admission
from gateway.api.idempotency import Idempotency
from gateway.composition import Services
from gateway.errors import GatewayError
from gateway.web.app import create_web
from policies.errors import PoliciesError
from promotion.errors import PromotionError
from sandbox.errors import SandboxError

ROUTERS = (
    datasets,
    snapshots,
    leases,
    promotions,
    scorings,
    stages,
    audit,
    keeping,
    reviews,
    decisions,
    policy,
    egress,
    ingress,
    notebooks,
    sessions,
    features,
)
OUR_ERRORS = (GatewayError, PoliciesError, ComplianceError, SandboxError, PromotionError)


def create_app(services: Services) -> FastAPI:
    """The application over `services`, which it closes when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        services.close()

    app = FastAPI(
        title="Sallyport gateway",
        version=version("sallyport"),
        openapi_url="/v1/openapi.json",
        docs_url="/v1/docs",
        redoc_url=None,
        responses=problems.RESPONSES,
        lifespan=lifespan,
    )
    app.state.services = services
    problems.install(app, OUR_ERRORS)
    app.add_middleware(Idempotency, services=services)
    app.add_middleware(Admission)
    app.add_middleware(metrics.Watch)  # the last added is the outermost
    app.include_router(health.router)
    app.include_router(metrics.router)
    for module in ROUTERS:
        app.include_router(module.router, prefix="/v1")
    app.include_router(mlflow_proxy.router)
    app.add_api_route("/", lambda: RedirectResponse("/web/"), include_in_schema=False)
    pages = Mount("/web", create_web(services, OUR_ERRORS))
    pages.path_regex = re.compile(pages.path_regex.pattern, re.DOTALL)  # also of addresses with a line's end in them
    app.router.routes.append(pages)
    return app
