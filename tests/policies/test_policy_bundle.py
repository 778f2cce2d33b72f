"""Policies are loaded whole or not at all, call listed built-ins only, and can be handed to an OPA as a bundle."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import questions as q
from test_rules import DENIES, changed

from policies.builtins import BUILTINS, require_listed_builtins
from policies.bundle import DEFAULT_FOLDER, Bundle
from policies.embedded import EmbeddedEngine
from policies.errors import InvalidPolicies, UnlistedBuiltin
from policies.served import write_opa_bundle

BUNDLE = Bundle.load()


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for part in ("rego", "data"):
        shutil.copytree(DEFAULT_FOLDER / part, tmp_path / part)
    return tmp_path


@pytest.mark.parametrize(
    "rule",
    [
        "x := http.send({})",
        "x := http.send ({})",
        "x := http . send({})",
        'x := http["send"]({})',
        "x := time.now_ns()",
        "x := [y | y := opa.runtime()]",
        "x := {y | some z in [1]; y := rand.intn(z, 2)}",
        "x if { every y in [1] { time.clock(y) } }",
        "x := count([1]) with count as http.send",
        "x := count([1]) with input as 5",
        "send(y) := y\n\nx := http.send({})",
        "object.get(y) := y\n\nx := object.union({}, {})",
        'x := $"{http.send({})}"',
        "x := min([10, 9])",
        "x := 2 + 2",
        "x := {1} & {2}",
        "x := 7 % 2",
        "x := 7 * 2",
        "x := 7 / 2",
        "x if not regex.match(`a`, input.b)",
        "x := time.parse_rfc3339_ns(input.now)",
    ],
)
def test_a_built_in_that_is_not_listed_stops_the_load(copied: Path, rule: str) -> None:
    (copied / "rego" / "more.rego").write_text(f"package sallyport.more\n\n{rule}\n")
    with pytest.raises(UnlistedBuiltin):
        Bundle.load(copied)


@pytest.mark.parametrize(
    "rule",
    [
        "x := count([1])", 'x := "http.send({})"', "# http.send({})\nx := 1", "x := `a + b * c`", "f(a) := a\n\nx := f(1)",
        "x if not (1 == 2)", "x := {1, 2} - {1}", "x := {1} | {2}", "x := data.sallyport.values.least(1, 2)",
    ],
)  # fmt: skip
def test_listed_built_ins_own_functions_texts_and_comments_do_not(copied: Path, rule: str) -> None:
    (copied / "rego" / "more.rego").write_text(f"package sallyport.more\n\n{rule}\n")
    assert Bundle.load(copied).digest != BUNDLE.digest


def test_an_import_lets_its_own_functions_be_called_and_no_others() -> None:
    module = "package a\n\nimport data.sallyport.values\n\nx := {}\n"
    require_listed_builtins({"a": module.format("values.least(1, 2)")})
    with pytest.raises(UnlistedBuiltin):
        require_listed_builtins({"a": module.format("uuid.rfc4122(1)")})


def test_policies_that_cannot_be_read_are_refused(copied: Path) -> None:
    (copied / "data" / "more.json").write_text("{")
    with pytest.raises(InvalidPolicies):
        Bundle.load(copied)
    (copied / "data" / "more.json").write_text('{"roles": {}}')
    with pytest.raises(InvalidPolicies, match="again"):
        Bundle.load(copied)
    with pytest.raises(InvalidPolicies):
        Bundle.load(copied / "nowhere")


def test_the_digest_names_rules_and_data_but_not_tests(copied: Path) -> None:
    assert Bundle.load(copied).digest == BUNDLE.digest
    (copied / "rego" / "more_test.rego").write_text("package sallyport.more_test\n\ntest_x if http.send({})\n")
    assert Bundle.load(copied).digest == BUNDLE.digest
    limits = copied / "data" / "limits.json"
    limits.write_text(limits.read_text().replace("900", "901"))
    assert Bundle.load(copied).digest != BUNDLE.digest


def without(data: Any, path: tuple[str, ...]) -> Any:
    return {
        name: without(value, path[1:]) if name == path[0] else value for name, value in data.items() if (name,) != path
    }  # fmt: skip


PARTS = [(name,) for name in BUNDLE.data] + [
    (name, part) for name, value in BUNDLE.data.items() for part in value if isinstance(value, dict)
]


@pytest.mark.parametrize("path", PARTS, ids=".".join)
def test_data_that_an_organisation_leaves_out_never_allows_what_was_denied(path: tuple[str, ...]) -> None:
    engine = EmbeddedEngine(Bundle(BUNDLE.modules, without(BUNDLE.data, path), "x"))
    # Without the name of the purpose re-identification nothing is re-identified, so nobody has to approve that.
    spared = {"privacy_officer_missing"} if path[0] == "purposes" else set()
    for good, changes, reasons in DENIES[:: 1 if len(path) == 1 else 2]:
        answer = engine.ask(changed(good, changes) if changes else good(), q.DATASETS)
        assert not answer["allow"] or set(reasons) <= spared, (changes, reasons)


def test_an_opa_bundle_holds_rules_data_and_the_revision_and_is_the_same_each_time(tmp_path: Path) -> None:
    one, two = tmp_path / "one.tar.gz", tmp_path / "two.tar.gz"
    write_opa_bundle(BUNDLE, one, q.DATASETS)
    write_opa_bundle(BUNDLE, two, q.DATASETS)
    assert one.read_bytes() == two.read_bytes()
    with tarfile.open(one) as archive:
        manifest = json.load(archive.extractfile("/.manifest"))  # type: ignore[arg-type]
        assert manifest["revision"] == BUNDLE.digest
        assert {f"/{name}" for name in BUNDLE.modules} < set(archive.getnames())


def test_a_real_opa_answers_from_the_bundle_as_the_embedded_engine_does(opa: Path, tmp_path: Path) -> None:
    out, asked = tmp_path / "bundle.tar.gz", tmp_path / "input.json"
    write_opa_bundle(BUNDLE, out, q.DATASETS)
    for good in (q.live, q.promote):
        asked.write_text(json.dumps(good()))
        command = [opa, "eval", "--bundle", out, "--input", asked, "--format", "raw", "data.sallyport.decision"]
        answer = subprocess.run(command, capture_output=True, check=True, text=True)
        assert json.loads(answer.stdout) == EmbeddedEngine(BUNDLE).ask(good(), q.DATASETS)


OPERATORS = {"eq", "assign", "equal", "neq", "lt", "lte", "gt", "gte", "minus", "or", "internal.member_2", "internal.member_3"}


def test_opa_itself_finds_no_built_in_beyond_the_list(opa: Path, tmp_path: Path) -> None:
    everything = json.loads(subprocess.run([opa, "capabilities", "--current"], capture_output=True, check=True).stdout)
    everything["builtins"] = [each for each in everything["builtins"] if each["name"] in BUILTINS | OPERATORS]
    assert {each["name"] for each in everything["builtins"]} >= BUILTINS
    (tmp_path / "capabilities.json").write_text(json.dumps(everything))
    for options in (["--capabilities", tmp_path / "capabilities.json", "--ignore", "*_test.rego"], []):
        command = [opa, "check", "--strict", *options, DEFAULT_FOLDER / "rego"]
        checked = subprocess.run(command, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr


def test_every_rule_file_is_formatted_and_has_its_own_tests_which_pass(opa: Path) -> None:
    rego = DEFAULT_FOLDER / "rego"
    assert subprocess.run([opa, "fmt", "--list", rego], capture_output=True, text=True, check=True).stdout == ""
    rules = [path for path in rego.rglob("*.rego") if not path.stem.endswith("_test")]
    assert not [path.name for path in rules if not path.with_name(f"{path.stem}_test.rego").exists()]
    tested = subprocess.run([opa, "test", rego, DEFAULT_FOLDER / "data"], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout
