"""Door 4 in a browser: files are asked out, reviewed blind by two people, released and fetched, or stopped with a sentence."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx
from browsing import Browser, Forms

from gateway.client import Gateway

Browsers = Callable[[str], Browser]


def ask(browser: Browser, name: str, content: bytes, project: str = "readmission") -> str:
    """The path of a new request's page, once its checks have run."""
    sent = browser.send(
        browser.get("/web/egress"), "/web/egress", files=[("files", (name, content))], project=project, why="For the board."
    )
    assert sent.status_code == 200, sent.text
    path = str(sent.url.path)
    for _ in range(120):
        if "The checks have not run yet" not in (page := browser.get(path).text) and ">checking<" not in page:
            return path
        time.sleep(0.25)
    raise AssertionError("the checks did not end")


def review(browser: Browser, path: str, file: str, say: str = "approve") -> httpx.Response:
    return browser.send(browser.get(path), f"{path}/vote", paths=[file], say=say, why="Looked at it.")


def test_a_file_leaves_after_two_blind_reviews_and_only_then(
    browser: Browsers, clinic: Path, as_user: Callable[[str], Gateway]
) -> None:
    dana, odile, otto = browser("dana"), browser("odile"), browser("otto")
    path = ask(dana, "notes.md", b"# What we learned\n\nThe model ranks well enough to be tried.\n")
    assert not dana.offers(dana.get(path), f"{path}/vote")
    assert dana.http.get(f"{path}/files/notes.md").status_code == 403
    assert path in odile.get("/web/").text
    assert "Your vote stands" in review(odile, path, "notes.md").text
    assert path not in odile.get("/web/").text
    assert "otto" not in odile.get(path).text and ">odile<" not in otto.get(path).text.split("<h2>History")[0]
    assert not dana.offers(dana.get(path), f"{path}/release")
    assert review(otto, path, "notes.md").status_code == 200
    assert path in dana.get("/web/").text
    released = dana.send(dana.get(path), f"{path}/release")
    assert "The files may be fetched" in released.text
    taken = dana.http.get(f"{path}/files/notes.md")
    assert taken.content.startswith(b"# What we learned")
    assert taken.headers["content-disposition"].startswith("attachment") and "script" not in taken.headers["content-type"]
    text = path.rsplit("/", 1)[1]
    events = [entry["type"] for entry in as_user("carl").get("/v1/audit/entries", text=text, limit=100)["items"]]
    assert events.count("egress:voted") == 2 and events[-2:] == ["egress:released", "egress:file-taken"]


def test_a_file_that_names_a_patient_is_returned_with_what_was_found(browser: Browsers, clinic: Path) -> None:
    dana = browser("dana")
    path = ask(dana, "draft.md", b"Call Margaret Whitcombe, MRN 48213377, at 617-555-0142 about the visit.\n")
    page = dana.get(path).text
    assert ">returned<" in page and "draft.md" in page
    assert "Whitcombe" not in page and "48213377" not in page
    assert path in dana.get("/web/").text


def test_changed_bytes_void_the_votes_and_are_checked_again(browser: Browsers, clinic: Path) -> None:
    dana, odile = browser("dana"), browser("odile")
    path = ask(dana, "plan.md", b"Try the model on one ward first.\n")
    review(odile, path, "plan.md")
    dana.send(dana.get(path), f"{path}/change", files={"file": ("plan.md", b"Try it on two wards first.\n")}, path="plan.md")
    for _ in range(120):
        if odile.offers(page := odile.get(path), f"{path}/vote"):
            break
        time.sleep(0.25)
    assert "<dd>2" in page.text and odile.offers(page, f"{path}/vote")


def test_a_vote_needs_files_and_a_reason_and_no_author_votes(browser: Browsers, clinic: Path) -> None:
    sam, odile = browser("sam"), browser("odile")
    path = ask(sam, "idea.md", b"Ask fewer columns.\n")
    page = odile.get(path)
    assert odile.send(page, f"{path}/vote", say="approve", why="x").status_code == 422
    assert odile.send(page, f"{path}/vote", say="approve", why=" ", paths=["idea.md"]).status_code == 422
    form = sam.get("/web/egress")
    none = sam.send(form, "/web/egress", project="readmission", why="x")
    assert none.status_code == 422 and "at least one file" in none.text
    token = next(one["fields"]["csrf"] for one in Forms(form.text).forms if one["action"] == "/web/egress")
    chosen = {"csrf": token, "project": "readmission", "why": "x"}
    parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in chosen.items()]
    # What a browser sends for a file field in which nothing was chosen.
    parts.append('--b\r\nContent-Disposition: form-data; name="files"; filename=""\r\n\r\n\r\n--b--\r\n')
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    left_empty = sam.http.post("/web/egress", content="".join(parts).encode(), headers=kind)
    assert left_empty.status_code == 422 and "at least one file" in left_empty.text


def test_requests_of_other_projects_are_not_shown(browser: Browsers, clinic: Path) -> None:
    assert browser("dana").get("/web/egress/" + "0" * 32).status_code == 404
    assert browser("dana").get("/web/egress").status_code == 200
