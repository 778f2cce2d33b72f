"""Rules for cookies, and for where a login leads."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from gateway.composition import Services

PATH = "/web"


def cookie_rules(given: Services) -> dict[str, Any]:
    """No script and no other site gets a cookie of ours, and it is sent over TLS where there is TLS."""
    secure = given.settings.gateway_url.startswith("https:")
    return {"path": PATH, "httponly": True, "samesite": "strict", "secure": secure}


def inside(wanted: str) -> str:
    """Where to go after the login: a page of ours, whatever was asked for."""
    parts = urlsplit(wanted)
    ours = not parts.scheme and not parts.netloc and wanted.startswith(PATH + "/") and "\\" not in wanted
    return wanted if ours and wanted.isprintable() else PATH + "/"
