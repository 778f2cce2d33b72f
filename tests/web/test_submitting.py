"""A model submitted in a browser: by files, by folder, and refused with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from browsing import Browser

from gateway.client import Gateway
from gateway.demo.domains import DOMAINS
from promotion.tree import tree_digest

Browsers = Callable[[str], Browser]
CONTRACT = DOMAINS["clinic"].model_contract.read_bytes().replace(b"name: readmission", b"name: dropped", 1)
PAGE = "/web/promotions"
BYTES = b"whatever it is: the checks look, and nothing before them"


def send(
    browser: Browser, *files: tuple[str, str, bytes], contract: bytes = CONTRACT, project: str = "readmission", model: str = ""
):
    sent = [("contract", ("model.yaml", contract)), *((field, (name, content)) for field, name, content in files)]
    return browser.send(browser.get(PAGE), PAGE, files=sent, project=project, model=model)


def test_a_folder_dropped_in_the_browser_is_the_model_it_is_on_disk(
    browser: Browsers, clinic: Path, as_user: Callable[[str], Gateway], tmp_path: Path
) -> None:
    dana = browser("dana")
    (tmp_path / "more").mkdir()
    (tmp_path / "model.onnx").write_bytes(BYTES)
    (tmp_path / "more" / "README.md").write_text("About it.")
    done = send(dana, ("folder", "chosen/model.onnx", BYTES), ("folder", "chosen/more/README.md", b"About it."))
    assert done.status_code == 200 and "its checks run" in done.text
    found = as_user("dana").get(f"/v1/promotions/{str(done.url.path).rsplit('/', 1)[1]}")
    assert (found["name"], found["author"], found["digest"]) == ("dropped", "dana", tree_digest(tmp_path))


def test_files_alone_are_taken_as_they_are_named(browser: Browsers, clinic: Path, as_user: Callable[[str], Gateway]) -> None:
    done = send(browser("dana"), ("files", "model.onnx", BYTES))
    assert done.status_code == 200, done.text
    assert str(done.url.path).rsplit("/", 1)[1] in {one["id"] for one in as_user("dana").get("/v1/promotions")["items"]}


def test_a_form_filled_in_wrongly_is_refused_with_a_sentence(browser: Browsers, clinic: Path) -> None:
    dana = browser("dana")
    model = ("files", "model.onnx", BYTES)
    assert "one of the three" in send(dana).text
    assert "one of the three" in send(dana, model, model="runs:/x/y").text
    assert "The model contract is no YAML" in send(dana, model, contract=b"name: [").text
    assert send(dana, model, contract=b"\xff\xfe").status_code == 422
    assert "leads out of the model" in send(dana, ("files", "../model.onnx", BYTES)).text
    assert send(dana, model, project="income-of-others").status_code == 403


def test_only_who_may_submit_sees_the_form_and_others_are_refused(browser: Browsers, clinic: Path) -> None:
    dana, vera = browser("dana"), browser("vera")
    assert dana.offers(dana.get(PAGE), PAGE) and not vera.offers(vera.get(PAGE), PAGE)
