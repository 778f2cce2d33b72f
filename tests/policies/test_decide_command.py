"""`sallyport decide` answers every line, whatever stands in it, and fast."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import pytest
import questions as q
from click.testing import CliRunner, Result

from gateway.commands.decide import command


def decide(folder: Path, asked: str | bytes, *options: str, data: Any = q.DATASETS, name: str = "input.json") -> Result:
    (folder / name).write_bytes(asked.encode() if isinstance(asked, str) else asked)
    (folder / "data.json").write_text(json.dumps(data))
    return CliRunner().invoke(command, [str(folder / name), "--data", str(folder / "data.json"), *options])


def answers(result: Result) -> list[Any]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_question_gets_allow_reasons_obligations_decision_id_and_policy_digest(tmp_path: Path) -> None:
    (answer,) = answers(decide(tmp_path, json.dumps(q.live())))
    assert answer.keys() == {"allow", "reasons", "obligations", "decision_id", "policy_digest"}
    assert answer["allow"] and answer["obligations"]["columns"] == {"p.birth": "generalise", "p.ssn": "pseudonym"}


@pytest.mark.parametrize("wrap", [lambda data: data, lambda data: {"datasets": data}])
def test_datasets_may_be_bare_or_under_their_key(tmp_path: Path, wrap: Any) -> None:
    assert answers(decide(tmp_path, json.dumps(q.live()), data=wrap(q.DATASETS)))[0]["allow"]


def test_without_datasets_every_dataset_is_unknown(tmp_path: Path) -> None:
    assert answers(decide(tmp_path, json.dumps(q.live()), data={}))[0]["reasons"] == ["unknown_dataset"]


BAD = [
    b"{",
    b"\xff\xfe",
    b'"x"',
    b"null",
    b"[1]",
    b"nonsense",
    b"[" * 5000,
    b'{"action": "read", "x": NaN}',
    b"1e999",
    b"9" * 5000,
]


@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_question_is_denied(tmp_path: Path, bad: bytes) -> None:
    assert answers(decide(tmp_path, bad))[0]["reasons"] == ["invalid_input"]


def test_lines_are_decided_one_by_one_and_bad_ones_stop_nothing(tmp_path: Path) -> None:
    good = json.dumps(q.live()).encode()
    lines = [good, b"", *BAD, b"   ", good + b"\r", b"\xef\xbb\xbf" + good]
    said = answers(decide(tmp_path, b"\n".join(lines), name="input.jsonl"))
    assert [answer["allow"] for answer in said] == [True, *[False] * len(BAD), True, True]


def test_deep_questions_are_judged_by_what_policy_reads(tmp_path: Path) -> None:
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    assert answers(decide(tmp_path, json.dumps({**q.live(), "extra": deep})))[0]["allow"]


def test_any_text_in_a_column_name_comes_back_as_it_was(tmp_path: Path) -> None:
    name = 'p."\ud800\x00\x1b é😀~61\\'
    data = {"clinic": q.DATASETS["clinic"] | {"columns": {name: "quasi"}}}
    asked = q.live(name, approvals=(q.steward("sam"),))
    assert answers(decide(tmp_path, json.dumps(asked), data=data))[0]["obligations"]["columns"] == {name: "generalise"}


@pytest.mark.parametrize("data", [b"{", b"[]", b"5", b"\xff", b'{"a": NaN}'])
def test_data_that_is_no_json_object_ends_the_command_with_a_reason(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "input.json").write_text("{}")
    (tmp_path / "data.json").write_bytes(data)
    result = CliRunner().invoke(command, [str(tmp_path / "input.json"), "--data", str(tmp_path / "data.json")])
    assert result.exit_code == 1 and result.stdout == ""


def test_policies_that_do_not_compile_end_the_command_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "policies" / "rego").mkdir(parents=True)
    (tmp_path / "policies" / "rego" / "a.rego").write_text("package sallyport\n\ndecision := {\n")
    result = decide(tmp_path, "{}", "--policies", str(tmp_path / "policies"))
    assert result.exit_code == 1 and result.stdout == ""


def test_the_server_engine_gives_the_same_answer(tmp_path: Path, opa_server: Any) -> None:
    said = answers(decide(tmp_path, json.dumps(q.live()), "--engine", "server", "--server-url", opa_server.url))
    local = answers(decide(tmp_path, json.dumps(q.live())))
    assert {**said[0], "decision_id": ""} == {**local[0], "decision_id": ""}


def processor_seconds() -> float:
    """What this process and those it started have used; unlike the clock on the wall no busy machine changes it much."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def test_many_lines_are_decided_on_all_cores_in_their_order_and_fast(tmp_path: Path) -> None:
    lines = [json.dumps(q.live() if n % 3 else q.export()) for n in range(6000)]
    began = processor_seconds()
    said = answers(decide(tmp_path, "\n".join(lines), name="input.jsonl"))
    seconds = processor_seconds() - began
    assert [bool(answer["obligations"]) for answer in said] == [bool(n % 3) for n in range(6000)]
    assert len({answer["decision_id"] for answer in said}) == 6000
    assert seconds < 40
    print(f"{6000 / seconds:.0f} decisions a second of processor time")
