"""Logging in to the pages at a real OpenID Connect provider, and everything that is refused on the way."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import pytest
from bao_provider import MAPPING, BaoProvider, provider
from fastapi.testclient import TestClient

from compliance.ledger import integrate
from gateway.api.app import create_app
from gateway.composition import Services, compose
from gateway.oidc import CALLBACK
from gateway.settings import Settings
from gateway.web import sso
from gateway.web.attempts import Attempts
from gateway.web.sessions import COOKIE


@pytest.fixture(scope="module")
def organisation(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaoProvider]:
    with provider(url + CALLBACK, tmp_path_factory.mktemp("provider")) as made:
        yield made


@pytest.fixture(scope="module")
def given(organisation: BaoProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    mapping = tmp_path_factory.mktemp("mapping") / "claims.yaml"
    mapping.write_text(MAPPING, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SALLYPORT_OIDC_ISSUER", organisation.issuer)
        patch.setenv("SALLYPORT_OIDC_CLIENT_ID", organisation.client_id)
        patch.setenv("SALLYPORT_OIDC_CLAIMS_FILE", str(mapping))
        patch.setenv("SALLYPORT_OIDC_SCOPES", "openid groups")
        made = compose(Settings.load())
    yield made
    made.close()


@pytest.fixture(autouse=True)
def fresh_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sso, "attempts", Attempts(time.monotonic))


def browser(given: Services) -> TestClient:
    return TestClient(
        create_app(given), base_url=given.settings.gateway_url, follow_redirects=False, raise_server_exceptions=False
    )


def led_to(client: TestClient, **query: str) -> str:
    """Where a browser that wants to log in is led."""
    answer = client.get("/web/login/start", params=query)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def back(client: TestClient, sent: dict[str, str]) -> httpx.Response:
    return client.get(CALLBACK, params=sent)


def logged_in(given: Services, organisation: BaoProvider, name: str, **query: str) -> TestClient:
    client = browser(given)
    answer = back(client, organisation.authorise(led_to(client, **query), organisation.session(name)))
    assert answer.status_code == 200, answer.text
    return client


def said(given: Services, event: str) -> list[dict[str, Any]]:
    import json

    with given.pool.connection() as connection:
        integrate(connection)
        rows = connection.execute("SELECT canonical FROM ledger.entries WHERE type = %s ORDER BY seq", (event,)).fetchall()
    return [json.loads(bytes(row[0])) for row in rows]


def test_a_person_logs_in_at_the_provider_and_is_who_their_groups_say(given: Services, organisation: BaoProvider) -> None:
    client = browser(given)
    page = client.get("/web/login?next=/web/leases")
    assert "Log in at your organisation" in page.text and 'type="password"' not in page.text
    address = led_to(client, next="/web/leases")
    asked = {name: value[0] for name, value in parse_qs(urlsplit(address).query).items()}
    assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256" and len(asked["nonce"]) > 20
    answer = back(client, organisation.authorise(address, organisation.session("grace")))
    assert answer.status_code == 200 and 'content="0; url=/web/leases"' in answer.text
    cookie = next(one for one in answer.headers.get_list("set-cookie") if one.startswith(COOKIE))
    assert {"HttpOnly", "SameSite=strict", "Path=/web"} <= set(cookie.split("; "))
    home = client.get("/web/").text
    assert "<strong>grace</strong>" in home and "data-steward" in home
    entry = said(given, "session:opened")[-1]
    assert (entry["actor"]["id"], entry["actor"]["roles"], entry["detail"]) == (
        "grace",
        ["data-steward"],
        {"how": "oidc", "mfa": True},
    )


def test_a_group_nobody_mapped_gives_nothing(given: Services, organisation: BaoProvider) -> None:
    home = logged_in(given, organisation, "jack").get("/web/").text
    assert "<strong>jack</strong>" in home and "no role" in home


def test_a_session_needs_no_password_and_takes_none(given: Services) -> None:
    client = browser(given)
    form = re.search(r'name="csrf" value="(\w*)"', client.get("/web/login").text)
    answer = client.post("/web/login", data={"name": "sam", "password": "x", "csrf": form[1] if form else "x"})
    assert answer.status_code == 403 and COOKIE not in answer.cookies


REFUSED = "This login was not begun in this browser"


def test_an_answer_is_taken_only_by_the_browser_that_began_the_login(given: Services, organisation: BaoProvider) -> None:
    mine, victim = browser(given), browser(given)
    sent = organisation.authorise(led_to(mine), organisation.session("henry"))
    led_to(victim)
    for client in (victim, browser(given)):
        answer = back(client, sent)
        assert answer.status_code == 403 and REFUSED in answer.text and COOKIE not in answer.cookies
    assert back(mine, sent).status_code == 200


@pytest.mark.parametrize("changed", [{"state": "x"}, {"state": ""}, {"state": "é"}, {"code": ""}, {"iss": "http://evil"},
                                     {"error": "access_denied"}, {"code": "made-up"}])  # fmt: skip
def test_a_tampered_answer_opens_nothing_and_is_recorded(
    given: Services, organisation: BaoProvider, changed: dict[str, str]
) -> None:
    client, before = browser(given), len(said(given, "session:refused"))
    answer = back(client, organisation.authorise(led_to(client), organisation.session("henry")) | changed)
    assert answer.status_code == 403 and COOKIE not in answer.cookies
    assert "login" in answer.text
    entries = said(given, "session:refused")
    assert len(entries) == before + 1 and entries[-1]["outcome"] == "refused" and entries[-1]["actor"]["id"] == "unknown"


def test_an_answer_is_taken_once(given: Services, organisation: BaoProvider) -> None:
    client = browser(given)
    sent = organisation.authorise(led_to(client), organisation.session("henry"))
    cookie = client.cookies[sso.LOGIN_COOKIE]
    assert back(client, sent).status_code == 200
    client.cookies.set(sso.LOGIN_COOKIE, cookie, path="/web")
    assert back(client, sent).status_code == 403


def test_a_code_that_was_stolen_is_worth_nothing_without_the_verifier(given: Services, organisation: BaoProvider) -> None:
    """The thief begins a login of their own and gives their own state, but the victim's code."""
    victim, thief = browser(given), browser(given)
    stolen = organisation.authorise(led_to(victim), organisation.session("grace"))["code"]
    own = dict(parse_qsl(urlsplit(led_to(thief)).query))
    answer = back(thief, {"code": stolen, "state": own["state"]})
    assert answer.status_code == 403 and COOKIE not in answer.cookies


def test_an_answer_with_another_nonce_is_refused(given: Services, organisation: BaoProvider) -> None:
    client = browser(given)
    address = urlsplit(led_to(client))
    asked = dict(parse_qsl(address.query)) | {"nonce": "an-earlier-one"}
    sent = organisation.authorise(address._replace(query=urlencode(asked)).geturl(), organisation.session("henry"))
    answer = back(client, sent)
    assert answer.status_code == 403 and "belongs to another login" in answer.text


def test_a_token_for_another_client_of_the_same_provider_is_refused(given: Services, organisation: BaoProvider) -> None:
    assert given.provider is not None
    other = organisation.admin("GET", "identity/oidc/client/another")["data"]["client_id"]
    bent = dataclasses.replace(given)
    client = browser(bent)
    given.provider.client_id = other  # as if the gateway asked as that client, whose tokens it must not believe
    try:
        answer = back(client, organisation.authorise(led_to(client), organisation.session("henry")))
    finally:
        given.provider.client_id = organisation.client_id
    assert answer.status_code == 401 and COOKIE not in answer.cookies


def test_a_login_that_took_too_long_is_over(given: Services, organisation: BaoProvider) -> None:
    client = browser(given)
    sent = organisation.authorise(led_to(client), organisation.session("henry"))
    later = browser(dataclasses.replace(given, clock=lambda: given.clock() + sso.MOST_MINUTES + timedelta(seconds=1)))
    later.cookies = client.cookies
    assert back(later, sent).status_code == 403


def test_keys_the_provider_rotated_are_learnt(given: Services, organisation: BaoProvider) -> None:
    logged_in(given, organisation, "henry")
    organisation.admin("POST", "identity/oidc/key/default/rotate", verification_ttl="1h")
    assert logged_in(given, organisation, "henry").get("/web/").status_code == 200


def test_a_provider_that_is_another_than_the_settings_say_is_not_believed(organisation: BaoProvider, given: Services) -> None:
    from gateway.identity import IssuerUnavailable
    from gateway.oidc import Provider

    lying = Provider(organisation.issuer + "/", organisation.client_id)
    with pytest.raises(IssuerUnavailable, match="another name"):
        lying.keys()


def csrf(client: TestClient) -> str:
    found = re.search(r'name="csrf" value="(\w+)"', client.get("/web/").text)
    assert found
    return found[1]


def test_approving_needs_a_login_of_a_short_while_ago(
    given: Services, organisation: BaoProvider, clinic: Path, as_user: Any
) -> None:
    """Step-up (RFC 9470): the provider says when the person logged in, and asks for it again when that is long ago."""
    body = {"dataset": "clinic", "columns": ["encounters.systolic"], "purpose": "model-debugging", "hours": 1, "why": "a test"}
    page = f"/web/access/{as_user('dana').post('/v1/access-requests', body)['id']}"
    session = organisation.session("grace")
    strict = dataclasses.replace(given, settings=given.settings.model_copy(update={"approval_login_seconds": 6}))
    client = browser(strict)
    assert back(client, organisation.authorise(led_to(client), session)).status_code == 200
    time.sleep(7.1)
    answer = client.post(f"{page}/approve", data={"csrf": csrf(client)})
    assert answer.headers["location"] == f"/web/login/start?max_age=6&next={page}"
    assert "code" not in organisation.authorise(led_to(client, max_age="6"), session), "the provider asks for a new login"
    newer = back(client, organisation.authorise(led_to(client, max_age="6", next=page), organisation.session("grace")))
    assert f'content="0; url={page}"' in newer.text
    answer = client.post(f"{page}/approve", data={"csrf": csrf(client)})
    assert answer.headers["location"] == f"{page}?done=granted"


def test_an_old_login_cannot_approve_through_the_api_either_and_is_told_what_to_bring(
    given: Services, organisation: BaoProvider
) -> None:
    assert given.provider is not None
    strict = dataclasses.replace(given, settings=given.settings.model_copy(update={"approval_login_seconds": 6}))
    client = browser(strict)
    sent = organisation.authorise(led_to(client), organisation.session("grace"))
    begun = sso._taken(strict, client.cookies[sso.LOGIN_COOKIE], sent["state"])
    _, tokens = sso.prove(strict, given.provider, begun, sent["code"])
    time.sleep(7.1)
    answer = client.post("/v1/access-requests/x/approve", headers={"Authorization": f"Bearer {tokens.token}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "login_too_old")
    assert 'error="insufficient_user_authentication", max_age="6"' in answer.headers["www-authenticate"]


def test_a_session_is_ended_by_its_person_or_an_operator_and_nobody_else(
    given: Services, organisation: BaoProvider, as_user: Any
) -> None:
    client = logged_in(given, organisation, "grace")
    olga, dana = as_user("olga"), as_user("dana")
    (mine,) = [one for one in olga.get("/v1/sessions")["items"] if one["subject"] == "grace"][:1]
    assert mine["how"] == "oidc"
    assert all(one["subject"] == "dana" for one in dana.get("/v1/sessions")["items"])
    from gateway.client import Refusal

    with pytest.raises(Refusal) as refused:
        dana.delete(f"/v1/sessions/{mine['id']}")
    assert refused.value.problem_code == "session_not_found"
    with pytest.raises(Refusal) as refused:
        dana.post("/v1/sessions/end-all", {"subject": "grace"})
    assert refused.value.reasons == ("role_not_permitted",)
    assert client.get("/web/").status_code == 200
    olga.delete(f"/v1/sessions/{mine['id']}")
    assert client.get("/web/").status_code == 303
    entry = said(given, "session:ended")[-1]
    assert (entry["actor"]["id"], entry["refs"]["holder"], entry["detail"]["why"]) == ("olga", "grace", "ended-by-operator")


def test_ending_all_logins_also_ends_tokens_that_were_taken_along(
    given: Services, organisation: BaoProvider, as_user: Any
) -> None:
    client = browser(given)
    sent = organisation.authorise(led_to(client), organisation.session("ida"))
    begun = sso._taken(given, client.cookies[sso.LOGIN_COOKIE], sent["state"])
    assert given.provider is not None
    _, tokens = sso.prove(given, given.provider, begun, sent["code"])
    taken = {"Authorization": f"Bearer {tokens.token}"}
    page = logged_in(given, organisation, "ida")
    assert client.get("/v1/leases", headers=taken).status_code == 200
    as_user("olga").post("/v1/sessions/end-all", {"subject": "ida"})
    answer = client.get("/v1/leases", headers=taken)
    assert (answer.status_code, answer.json()["detail"]) == (401, "Your logins were ended; log in again.")
    assert page.get("/web/").status_code == 303
    time.sleep(1.1)
    assert logged_in(given, organisation, "ida").get("/web/").status_code == 200


def test_ending_everything_needs_a_name(as_user: Any) -> None:
    from gateway.client import Refusal

    for body in ({}, {"subject": None}, {"subject": ""}):
        with pytest.raises(Refusal) as refused:
            as_user("dana").post("/v1/sessions/end-all", body)
        assert refused.value.problem_code == "invalid_request"
    assert as_user("dana").get("/v1/whoami")["id"] == "dana"


def test_the_command_ends_the_callers_own_logins(given: Services, stack_home: Path) -> None:
    from click.testing import CliRunner

    from gateway.commands.sessions import command
    from gateway.embedded.users import login

    done = CliRunner().invoke(command, ["end-all", "--as", "odile"])
    assert done.exit_code == 0, done.output
    refused = CliRunner().invoke(command, ["list", "--as", "odile"])
    assert refused.exit_code == 1 and "log in again" in refused.output
    time.sleep(1.1)
    login(stack_home, "odile", fresh=True)
    assert CliRunner().invoke(command, ["list", "--as", "odile"]).exit_code == 0


def test_a_provider_that_is_down_lets_nobody_in_and_the_page_says_so(given: Services) -> None:
    from gateway.oidc import Provider

    down = dataclasses.replace(given, provider=Provider("http://127.0.0.1:1", "gateway", redirect_uri="http://x/"))
    answer = browser(down).get("/web/login/start")
    assert answer.status_code == 503 and "nobody is let in" in answer.text
