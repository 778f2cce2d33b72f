"""What machines read of the gateway: metrics in the Prometheus format, and logs that name nobody."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path

import httpx
from browsing import Browser

from gateway import logs
from gateway.client import Gateway
from gateway.metrics import Requests, metric, sample

LINE = re.compile(r'[a-z_]+(\{[a-z_]+="(\\.|[^"\\\n])*"(,[a-z_]+="(\\.|[^"\\\n])*")*\})? [0-9.e+-]+')


def scrape(url: str) -> dict[str, float]:
    text = httpx.get(f"{url}/metrics", trust_env=False).text
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if not line.startswith("#")}


def test_every_line_is_of_the_text_format_and_every_metric_is_described(url: str) -> None:
    answer = httpx.get(f"{url}/metrics", trust_env=False)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    described: set[str] = set()
    for line in answer.text.splitlines():
        if line.startswith("# TYPE "):
            described.add(line.split()[2])
        elif not line.startswith("# HELP "):
            assert LINE.fullmatch(line), line
            assert re.sub(r"_(bucket|sum|count)$", "", line.split("{")[0].split(" ")[0]) in described | {line.split("{")[0]}


def test_requests_decisions_and_the_ledger_are_counted(
    url: str, clinic: Path, as_user: Callable[[str], Gateway], browser: Callable[[str], Browser]
) -> None:
    before = scrape(url)
    as_user("carl").get("/v1/audit/entries")
    browser("dana").get("/web/datasets/clinic")
    after = scrape(url)

    def more(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    assert more('sallyport_requests_total{method="GET",route="/v1/audit/entries",status="200"}') == 1
    assert more('sallyport_requests_total{method="GET",route="/web/datasets/{dataset}",status="200"}') == 1
    assert more('sallyport_decisions_total{action="export",outcome="allow"}') >= 1
    assert more("sallyport_ledger_entries") >= 1
    assert {
        "sallyport_leases_open",
        'sallyport_jobs_waiting{queue="sallyport-checks"}',
        'sallyport_part_up{part="vault"}',
    } <= set(after)


def test_neither_metrics_nor_logs_say_who_asked_or_for_which_object(
    url: str, stack_home: Path, browser: Callable[[str], Browser]
) -> None:
    httpx.get(f"{url}/v1/promotions/a-name-in-a-path", trust_env=False)
    browser("dana").get("/web/audit/timeline", id="a-name-in-a-query")
    log = (stack_home / "logs" / "gateway.log").read_text("utf-8")
    text = httpx.get(f"{url}/metrics", trust_env=False).text
    assert not re.search(r"a-name-in|\bdana\b|Bearer|eyJ", log + text)
    last = json.loads(next(line for line in reversed(log.splitlines()) if "timeline" in line))
    assert last["route"] == "/web/audit/timeline"
    assert last["status"] == 403
    assert last["milliseconds"] > 0


def test_a_path_of_no_route_and_a_method_nobody_knows_make_no_new_series(url: str) -> None:
    for name in ("a", "b"):
        httpx.request("BREW", f"{url}/nowhere/{name}", trust_env=False)
    assert not [name for name in scrape(url) if "nowhere" in name or "BREW" in name]


def test_label_values_are_escaped() -> None:
    assert sample("a", {"b": 'x"\\\n'}, 1) == 'a{b="x\\"\\\\\\n"} 1'
    assert metric("a", "gauge", "About.", [({}, 2)]) == ["# HELP a About.", "# TYPE a gauge", "a 2"]


def test_durations_are_cumulative() -> None:
    counted = Requests()
    for seconds in (0.02, 0.2, 99.0):
        counted.add("GET", "/a", 200, seconds)
    lines = counted.lines()
    assert 'sallyport_request_seconds_bucket{route="/a",le="0.01"} 0' in lines
    assert 'sallyport_request_seconds_bucket{route="/a",le="0.05"} 1' in lines
    assert 'sallyport_request_seconds_bucket{route="/a",le="30.0"} 2' in lines
    assert 'sallyport_request_seconds_bucket{route="/a",le="+Inf"} 3' in lines


def test_the_text_of_an_exception_is_not_logged() -> None:
    try:
        raise ValueError("patient Mary Smith")
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "failed", (), (ValueError, error, error.__traceback__))
    said = logs.JsonLines().format(record)
    assert "Mary" not in said
    assert json.loads(said)["error"].startswith("ValueError at ")
