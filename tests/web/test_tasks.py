"""Each role's whole task in a browser: log in, do it, see it done; and what the ledger has of it is what the API would leave."""

from __future__ import annotations

import re
import tarfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from browsing import Browser

from compliance.ledger import integrate
from gateway.client import Gateway
from gateway.composition import Services
from tests.ledger_reading import whole_ledger

COLUMNS = ["patients.sex", "patients.birth_date"]
Browsers = Callable[[str], Browser]


def ask(browser: Browser, why: str = "The snapshot has no months.", columns: list[str] = COLUMNS) -> str:
    """The path of a new request's page."""
    form = browser.get("/web/access/ask/clinic")
    made = browser.send(form, "/web/access/ask/clinic", columns=columns, purpose="model-debugging", hours="1", why=why)
    assert made.status_code == 200, made.text
    return str(made.url.path)


def entries(api: Gateway, text: str) -> list[tuple[str, str, str]]:
    items = api.get("/v1/audit/entries", text=text, limit=1000)["items"]
    return [(entry["type"], entry["actor"]["id"], entry["outcome"]) for entry in items]


def test_a_data_scientist_asks_and_a_steward_approves_and_both_see_it(
    browser: Browsers, clinic: Path, as_user: Callable[[str], Gateway]
) -> None:
    dana, sam = browser("dana"), browser("sam")
    path = ask(dana)
    page = dana.get(path)
    assert "Approvals by enough other people in the required roles are missing." in page.text
    assert not dana.offers(page, f"{path}/approve")
    waiting = sam.get("/web/")
    assert path in waiting.text
    done = sam.send(sam.get(path), f"{path}/approve")
    assert "the request is granted" in done.text
    assert "dana can open a lease" in done.text
    assert path not in sam.get("/web/").text
    assert f"sallyport access lease {path.rsplit('/', 1)[1]}" in dana.get(path).text
    seen = entries(as_user("carl"), path.rsplit("/", 1)[1])
    assert seen == [
        ("access-request:created", "dana", "done"), ("access-request:approved", "sam", "done"), ("grant:created", "sam", "done"),
    ]  # fmt: skip


def test_pages_leave_the_same_entries_as_the_api(browser: Browsers, clinic: Path, as_user: Callable[[str], Gateway]) -> None:
    dana, sam, carl = browser("dana"), browser("sam"), as_user("carl")
    start = carl.get("/v1/audit/entries", limit=1000, after=0, type="policy:loaded")["items"][0]["seq"]

    def kinds(after: int) -> tuple[list[tuple[str, str, str]], int]:
        items = [one for one in whole_ledger(carl, after) if one["actor"]["id"] in ("dana", "sam")]
        return [(one["type"], one["actor"]["id"], one["outcome"]) for one in items], whole_ledger(carl, after)[-1]["seq"]

    _, last = kinds(start - 1)
    path = ask(dana)
    sam.send(sam.get(path), f"{path}/approve")
    by_page, last = kinds(last)
    body = {"dataset": "clinic", "columns": COLUMNS, "purpose": "model-debugging", "hours": 1, "why": "x"}
    made = as_user("dana").post("/v1/access-requests", body)
    as_user("sam").post(f"/v1/access-requests/{made['id']}/approve", {})
    by_api, _ = kinds(last)
    assert by_page == by_api


def test_ones_own_request_is_not_offered_for_approval_and_is_refused_in_sentences(browser: Browsers, clinic: Path) -> None:
    stella = browser("stella")
    path = ask(stella)
    page = stella.get(path)
    assert not stella.offers(page, f"{path}/approve")
    refused = stella.http.post(f"{path}/approve", data={"csrf": _csrf(page.text)})
    assert refused.status_code == 403
    assert "that approval counts for nothing" in refused.text


def test_what_no_approval_could_mend_is_refused_with_each_reason(browser: Browsers, clinic: Path) -> None:
    dana = browser("dana")
    form = dana.get("/web/access/ask/clinic")
    refused = dana.send(form, "/web/access/ask/clinic", columns=COLUMNS, purpose="advertising", hours="1", why="x")
    assert refused.status_code == 403
    assert "purpose" in refused.text
    empty = dana.send(form, "/web/access/ask/clinic", purpose="model-debugging", hours="1", why="")
    assert empty.status_code == 422
    assert "columns" in empty.text


def test_a_steward_rejects_a_request_and_must_say_why(browser: Browsers, clinic: Path) -> None:
    dana, sam = browser("dana"), browser("sam")
    path = ask(dana)
    page = sam.get(path)
    assert sam.send(page, f"{path}/reject", why=" ").status_code == 422
    done = sam.send(page, f"{path}/reject", why="The snapshot has it.")
    assert "It was rejected" in done.text
    assert "Access to clinic rejected" in dana.get("/web/").text


def test_a_steward_ends_a_lease_and_others_cannot(browser: Browsers, clinic: Path, as_user: Callable[[str], Gateway]) -> None:
    dana, sam, vera = browser("dana"), browser("sam"), browser("vera")
    path = ask(dana)
    sam.send(sam.get(path), f"{path}/approve")
    lease = as_user("dana").post("/v1/leases", {"request": path.rsplit("/", 1)[1]})["id"]
    end = f"/web/leases/{lease}/end"
    page = vera.get("/web/leases")
    assert lease in page.text
    assert not vera.offers(page, end)
    assert vera.http.post(end, data={"csrf": _csrf(page.text)}).status_code == 403
    assert "/web/leases" in dana.get("/web/").text
    done = sam.send(sam.get("/web/leases"), end)
    assert "The lease has ended" in done.text
    assert not sam.offers(done, end)


def test_a_validator_signs_with_the_password_deploys_and_rolls_back(
    browser: Browsers, checked: Callable[..., str], password: Callable[[str], str], as_user: Callable[[str], Gateway]
) -> None:
    vera, dana, first, second = browser("vera"), browser("dana"), checked("web-ranks"), checked("web-ranks", most=50)
    assert f"/web/promotions/{first}" in vera.get("/web/").text
    for promotion in (first, second):
        path = f"/web/promotions/{promotion}"
        assert not dana.offers(dana.get(path), f"{path}/approve")
        given = {"role": "model-validator", "meaning": "I validated it", "password": password("vera")}
        wrong = vera.send(vera.get(path), f"{path}/approve", **given | {"password": "guess"})
        assert wrong.status_code == 403
        assert "Nothing was signed" in wrong.text
        signed = vera.send(vera.get(path), f"{path}/approve", **given)
        assert "Your signature stands over exactly these bytes." in signed.text
        assert "I validated it" in signed.text
        assert "is in production, under a signature" in vera.send(vera.get(path), f"{path}/deploy").text
    events = {(event, who) for event, who, _ in entries(as_user("carl"), second)}
    assert {("approval:signed", "vera"), ("promotion:approved", "vera"), ("model:deployed", "vera")} <= events
    model = vera.get("/web/models/readmission/web-ranks")
    assert "Beside its training rows" in model.text and "Input x: nothing asked in 1h" in model.text
    assert '<th scope="row">to 40</th><td>75.0</td><td>0.0</td>' in model.text and 'class="bar before"' in model.text
    seen = as_user("vera").get(f"/v1/promotions/{second}")["drift"]
    assert [(one["of"], one["window"], one["rows"]) for one in seen] == [("x", "1h", 0), ("output", "1h", 0)]
    digest = re.search(r'name="digest" value="(sha256:[0-9a-f]{64})"', model.text)
    assert digest is not None
    back = "/web/models/readmission/web-ranks/rollback"
    assert vera.send(model, back, digest=digest.group(1)).status_code == 422
    assert "The earlier model is in production again" in vera.send(model, back, digest=digest.group(1), sure="yes").text


def test_a_dossier_shows_what_differs_from_production(browser: Browsers, checked: Callable[..., str], parts: Services) -> None:
    vera = browser("vera")
    page = vera.get(f"/web/promotions/{checked('web-ranks', most=7)}")
    assert "What differs in the model contract" in page.text
    assert re.search(r'class="new".*max: 7', page.text)


def test_a_deployment_that_policy_denies_is_refused_in_sentences(
    browser: Browsers, checked: Callable[..., str], parts: Services
) -> None:
    vera = browser("vera")
    path = f"/web/promotions/{checked('web-unsigned')}"
    page = vera.get(path)
    assert "Approvals by enough other people" in page.text
    assert not vera.offers(page, f"{path}/deploy")
    assert vera.http.post(f"{path}/deploy", data={"csrf": _csrf(page.text)}).status_code in (403, 409)
    done = vera.send(page, f"{path}/reject", why="It is not needed.")
    assert "It was rejected" in done.text
    with parts.pool.connection() as connection:
        integrate(connection)
        entries = connection.execute("SELECT canonical FROM ledger.entries WHERE type = 'promotion:rejected'").fetchall()
    assert any(b"It is not needed." in bytes(entry) for (entry,) in entries)


def test_a_steward_builds_a_snapshot_and_sees_it_queued(browser: Browsers, clinic: Path) -> None:
    sam = browser("sam")
    done = sam.send(sam.get("/web/datasets/clinic"), "/web/datasets/clinic/snapshots")
    assert "A worker builds the snapshot" in done.text
    assert "patient_id" in done.text
    assert "pseudonym" in done.text


def every_page(browser: Browser, **wanted: str) -> str:
    """The text of a search in the ledger, however many pages it has."""
    text, after = "", "0"
    while True:
        shown = browser.get("/web/audit", after=after, **wanted).text
        text += shown
        following = re.search(r"after=(\d+)", shown)
        if following is None:
            return text
        after = following[1]


def test_a_compliance_officer_searches_follows_exports_and_downloads(browser: Browsers, clinic: Path) -> None:
    carl, dana = browser("carl"), browser("dana")
    path = ask(dana)
    found = every_page(carl, type="access-request:created", actor="dana")
    assert path.rsplit("/", 1)[1] in found
    assert "approval:signed" not in found
    line = carl.get("/web/audit/timeline", id=path.rsplit("/", 1)[1])
    assert "access request created" in line.text
    form = carl.get("/web/audit/exports")
    done = carl.send(form, "/web/audit/exports", profile="hipaa")
    assert "A worker makes the bundle" in done.text
    link, deadline = None, time.monotonic() + 60
    while link is None and time.monotonic() < deadline:
        link = re.search(r"/web/audit/exports/[0-9a-f]{32}", carl.get("/web/audit/exports").text)
    assert link is not None
    with tarfile.open(fileobj=BytesIO(carl.get(link.group(0)).content)) as bundle:
        assert "entries.jsonl" in bundle.getnames()
    note = carl.send(carl.get("/web/audit"), "/web/audit/checkpoint")
    assert note.headers["content-disposition"].startswith("attachment")
    assert "sallyport" in note.text


@pytest.mark.parametrize("path", ["/web/audit", "/web/audit/timeline?id=dana", "/web/audit/exports", "/web/policies"])
def test_others_are_told_why_they_may_not_read_the_ledger(browser: Browsers, path: str) -> None:
    refused = browser("olga").http.get(path)
    assert refused.status_code == 403
    assert "role" in refused.text


def test_an_operator_sees_what_is_in_production_and_has_no_more_than_that(browser: Browsers, clinic: Path) -> None:
    olga = browser("olga")
    assert olga.get("/web/models").status_code == 200
    assert not olga.offers(olga.get("/web/datasets/clinic"), "/web/datasets/clinic/snapshots")
    assert "/web/audit" not in olga.get("/web/").text and "/web/policies" not in olga.get("/web/").text


def test_the_boundary_map_says_who_sees_what(browser: Browsers, clinic: Path) -> None:
    dana = browser("dana")
    page = dana.get("/web/boundary", dataset="clinic")
    for _ in range(15):
        if "Look again" not in page.text:
            break
        page = dana.get("/web/boundary", dataset="clinic")
    assert "Live zone" in page.text
    assert "approvals_missing" in page.text


def test_no_secret_and_no_live_value_stands_in_any_page(
    browser: Browsers, clinic: Path, stack_home: Path, password: Callable[[str], str], parts: Services
) -> None:
    secrets = [password(name) for name in ("dana", "sam", "vera", "carl")] + [str(value) for value in parts.passwords.values()]
    rows = (clinic / "patients.csv").read_text("utf-8").splitlines()[1:50]
    values = {field for row in rows for field in row.split(",") if re.fullmatch(r"\d{3}-\d{2}-\d{4}|.+@.+", field)}
    assert values
    for name in ("dana", "sam", "carl"):
        person = browser(name)
        paths = ["/web/", "/web/datasets/clinic", "/web/access", "/web/leases", "/web/promotions", "/web/models"]
        text = "".join(person.get(path).text for path in [*paths, *(["/web/audit"] if name == "carl" else [])])
        assert not [secret for secret in secrets if secret in text]
        assert not [value for value in values if value in text]


def _csrf(html: str) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', html)
    assert found
    return found.group(1)
