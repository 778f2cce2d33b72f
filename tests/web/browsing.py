"""A browser without a screen: keeps cookies, reads pages, and sends the forms that stand in them."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import httpx


class Forms(HTMLParser):
    """The forms of a page: where each goes, how, and with which values."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[dict[str, Any]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.forms.append({"action": given["action"], "method": given.get("method", "get"), "fields": {}})
        elif tag == "input" and self.forms and given.get("type") not in ("checkbox", "file"):
            self.forms[-1]["fields"][given["name"]] = given.get("value") or ""


class Browser:
    """One person's browser."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, follow_redirects=True, timeout=60, trust_env=False)

    def login(self, name: str, password: str) -> httpx.Response:
        page = self.http.get("/web/login")
        return self.send(page, "/web/login", name=name, password=password)

    def get(self, path: str, **query: str) -> httpx.Response:
        return self.http.get(path, params=query)

    def send(self, page: httpx.Response, action: str, files: Any = None, **fields: Any) -> httpx.Response:
        """What comes of sending the form of `page` that goes to `action`, filled in with `fields` and `files`."""
        form = next(form for form in Forms(page.text).forms if form["action"] == action)
        return self.http.request(form["method"].upper(), action, data=form["fields"] | fields, files=files)

    def offers(self, page: httpx.Response, action: str) -> bool:
        return any(form["action"] == action for form in Forms(page.text).forms)
