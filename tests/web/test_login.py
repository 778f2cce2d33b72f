"""Login, sessions and forms of the pages, and the headers every page carries."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from browsing import Browser

from gateway.composition import Services
from gateway.identity import Subject
from gateway.oidc import Tokens
from gateway.web import sessions
from gateway.web.attempts import MOST_OF_A_NAME, WINDOW_SECONDS, Attempts
from gateway.web.cookies import inside

SAM = Subject("sam", "person", ("data-steward",))
PAGES = ("/web/", "/web/datasets", "/web/access", "/web/leases", "/web/promotions", "/web/models", "/web/boundary", "/web/audit",
         "/web/access-reviews", "/web/policies")  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_without_a_session_every_page_leads_to_the_login(url: str, path: str) -> None:
    answer = httpx.get(url + path, trust_env=False)
    assert (answer.status_code, answer.headers["location"].split("?")[0]) == (303, "/web/login")


def test_the_root_leads_to_the_pages_and_the_stylesheet_needs_no_session(url: str) -> None:
    assert httpx.get(url + "/", trust_env=False).headers["location"].endswith("/web/")
    assert httpx.get(url + "/web/static/style.css", trust_env=False).headers["content-type"].startswith("text/css")


@pytest.mark.parametrize("path", ["/web/login", "/web/", "/web/nothing", "/web/static/style.css"])
def test_every_page_carries_strict_headers_and_has_no_script_or_style_in_it(browser: Callable[[str], Browser], path: str) -> None:
    answer = browser("sam").get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert not re.search(r"<script|<style| style=| on[a-z]+=", answer.text)


def test_the_session_cookie_is_for_the_pages_alone_and_no_script_or_other_site_gets_it(
    url: str, password: Callable[[str], str]
) -> None:
    fresh = Browser(url)
    fresh.http.follow_redirects = False
    answer = fresh.login("sam", password("sam"))
    cookie = next(value for value in answer.headers.get_list("set-cookie") if value.startswith(sessions.COOKIE))
    assert {"HttpOnly", "SameSite=strict", "Path=/web"} <= set(cookie.split("; "))
    assert fresh.http.get("/v1/whoami").status_code == 401


def test_a_wrong_password_opens_no_session_and_says_no_more_than_that(url: str) -> None:
    answer = Browser(url).login("stella", "not her password")
    assert answer.status_code == 403
    assert "The name or the password is wrong." in answer.text
    assert Browser(url).login("../../sam", "x").status_code == 403


def test_too_many_failures_are_slowed_down_whoever_is_named(url: str) -> None:
    for _ in range(MOST_OF_A_NAME):
        assert Browser(url).login("nobody", "guess").status_code == 403
    answer = Browser(url).login("nobody", "guess")
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= WINDOW_SECONDS + 1


def test_failures_are_forgotten_after_a_while_and_after_a_success() -> None:
    now = [0.0]
    attempts = Attempts(lambda: now[0])
    for _ in range(MOST_OF_A_NAME):
        attempts.failed("sam", "1.2.3.4")
    assert attempts.wait_seconds("sam", "5.6.7.8") > 0
    assert attempts.wait_seconds("vera", "1.2.3.4") == 0
    now[0] = WINDOW_SECONDS + 1
    assert attempts.wait_seconds("sam", "5.6.7.8") == 0
    for _ in range(MOST_OF_A_NAME):
        attempts.failed("sam", "1.2.3.4")
    attempts.succeeded("sam")
    assert attempts.wait_seconds("sam", "5.6.7.8") == 0


def test_after_logout_the_cookie_opens_nothing(browser: Callable[[str], Browser], url: str) -> None:
    sam = browser("sam")
    cookie = sam.http.cookies[sessions.COOKIE]
    sam.send(sam.get("/web/"), "/web/logout")
    again = httpx.get(url + "/web/", cookies={sessions.COOKIE: cookie}, trust_env=False)
    assert again.status_code == 303


@pytest.mark.parametrize("csrf", [None, "", "x", "0" * 64, "é"])
def test_a_form_without_this_sessions_proof_is_refused(browser: Callable[[str], Browser], csrf: str | None) -> None:
    sam = browser("sam")
    data = {} if csrf is None else {"csrf": csrf}
    assert sam.http.post("/web/logout", data=data).status_code == 403
    assert sam.get("/web/").url.path == "/web/"


def test_the_proof_of_another_session_is_refused_even_for_the_same_person(browser: Callable[[str], Browser]) -> None:
    sam, other = browser("sam"), browser("sam")
    page = other.get("/web/")
    assert sam.send(page, "/web/logout").status_code == 403


def test_the_table_of_sessions_gives_neither_cookie_nor_token(browser: Callable[[str], Browser], parts: Services) -> None:
    sam = browser("sam")
    cookie = sam.http.cookies[sessions.COOKIE]
    with parts.pool.connection() as connection:
        found = sessions.find_session(connection, cookie, datetime.now(UTC))
        rows = connection.execute("SELECT id, token FROM web.sessions").fetchall()
    assert found is not None
    assert parts.verifier.subject(found.token).id == "sam"
    raw = b"".join(bytes(value) for row in rows for value in row)
    assert cookie.encode() not in raw
    assert found.token.encode() not in raw
    assert found.token not in repr(found)


def test_a_session_is_over_after_its_longest_time_and_a_changed_cookie_finds_none(parts: Services) -> None:
    now = datetime.now(UTC)
    with parts.pool.connection() as connection:
        made = sessions.open_session(connection, Tokens("a-token", "more"), now, subject=SAM, how="password")
        assert sessions.find_session(connection, made.cookie, now) == made
        assert sessions.find_session(connection, made.cookie + "x", now) is None
        assert sessions.find_session(connection, made.cookie, now + sessions.MOST + timedelta(seconds=1)) is None


def test_a_session_whose_token_counts_no_more_leads_to_the_login(parts: Services, url: str) -> None:
    with parts.pool.connection() as connection:
        made = sessions.open_session(connection, Tokens("not.a.token"), datetime.now(UTC), subject=SAM, how="password")
    answer = httpx.get(url + "/web/", cookies={sessions.COOKIE: made.cookie}, trust_env=False)
    assert answer.status_code == 303
    with parts.pool.connection() as connection:
        assert sessions.find_session(connection, made.cookie, datetime.now(UTC)) is None


@pytest.mark.parametrize(
    ("wanted", "where"),
    [
        ("/web/access/12", "/web/access/12"), ("https://elsewhere.example/", "/web/"), ("//elsewhere.example/web/", "/web/"),
        ("/v1/whoami", "/web/"), ("/web/\\elsewhere", "/web/"), ("/web/a\r\nSet-Cookie: a=b", "/web/"), ("", "/web/"),
    ],
)  # fmt: skip
def test_the_login_leads_nowhere_else(wanted: str, where: str) -> None:
    assert inside(wanted) == where


def test_passwords_of_embedded_people_can_be_shown_to_whoever_may_read_the_home(
    stack_home: Path, password: Callable[[str], str]
) -> None:
    from click.testing import CliRunner

    from gateway.commands.login import login

    shown = CliRunner().invoke(login, ["--show-password", "carl"])
    assert shown.output.strip() == password("carl")
    refused = CliRunner().invoke(login, ["--show-password", "scoring"])
    assert refused.exit_code != 0
