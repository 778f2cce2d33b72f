"""The OPA server as engine: it agrees with the embedded one, and whatever goes wrong with it denies, in bounded time."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import questions as q
from hypothesis import HealthCheck, given, settings

from policies.bundle import Bundle
from policies.client import PolicyClient
from policies.embedded import EmbeddedEngine
from policies.errors import InvalidPolicies
from policies.server import ServerEngine

BUNDLE = Bundle.load()
EMBEDDED = EmbeddedEngine(BUNDLE)
CHECKS = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture]


@pytest.fixture(scope="session")
def engine(opa_server: Any) -> ServerEngine:
    return ServerEngine(opa_server.url, BUNDLE)


def test_both_engines_answer_thousands_of_questions_alike(engine: ServerEngine) -> None:
    @settings(max_examples=2000, deadline=None, suppress_health_check=CHECKS, database=None)
    @given(q.questions())
    def agree(asked: Any) -> None:
        assert EMBEDDED.ask(asked, q.DATASETS) == engine.ask(asked, q.DATASETS)

    agree()


def test_both_engines_answer_alike_under_any_contract(engine: ServerEngine) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=CHECKS, database=None)
    @given(q.questions(), q.datasets())
    def agree(asked: Any, datasets: Any) -> None:
        assert EMBEDDED.ask(asked, datasets) == engine.ask(asked, datasets)

    agree()


def test_changed_datasets_are_what_the_next_question_is_judged_by(engine: ServerEngine) -> None:
    shorter = {"clinic": q.DATASETS["clinic"] | {"max_ttl": 5}}
    assert engine.ask(q.live(), q.DATASETS)["obligations"]["ttl_seconds"] == 7200
    assert engine.ask(q.live(), shorter)["obligations"]["ttl_seconds"] == 5
    assert engine.ask(q.live(), {})["reasons"] == ["unknown_dataset"]


def test_two_clients_of_one_server_each_get_answers_from_their_own_data(opa_server: Any, engine: ServerEngine) -> None:
    other, shorter = ServerEngine(opa_server.url, BUNDLE), {"clinic": q.DATASETS["clinic"] | {"max_ttl": 5}}
    for _ in range(3):
        assert engine.ask(q.live(), q.DATASETS)["obligations"]["ttl_seconds"] == 7200
        assert other.ask(q.live(), shorter)["obligations"]["ttl_seconds"] == 5


def test_a_restarted_server_is_given_the_policies_again(make_server: Callable[..., Any]) -> None:
    server = make_server()
    client = PolicyClient(ServerEngine(server.url, BUNDLE))
    assert client.decide(q.live(), datasets=q.DATASETS).allow
    server.stop()
    assert client.decide(q.live(), datasets=q.DATASETS).reasons == ("engine_unavailable",)
    server.start()
    assert client.decide(q.live(), datasets=q.DATASETS).allow


def test_a_module_that_the_policies_no_longer_have_has_no_say_any_more(make_server: Callable[..., Any]) -> None:
    from opa_client.opa import OpaClient

    server, person = make_server(), "rego/sallyport/person.rego"
    more = 'package sallyport.more\n\nworn(subject) if subject.id == "dana"\n'
    calls = BUNDLE.modules[person] + '\ntraining contains "training_expired" if data.sallyport.more.worn(asked.subject)\n'
    added = 'package sallyport.person\n\nmfa contains "mfa_required" if input.subject.id == "dana"\n'
    modules = {**BUNDLE.modules, person: calls, "rego/sallyport/more.rego": more, "rego/zz.rego": added}
    before = PolicyClient(ServerEngine(server.url, Bundle(modules, BUNDLE.data, "sha256:before"), timeout=20))
    assert before.decide(q.live(), datasets=q.DATASETS).reasons == ("mfa_required", "training_expired")
    raw = OpaClient(port=int(server.url.rpartition(":")[2]))
    raw.update_policy_from_string("package elsewhere\n\nx := 1\n", "of/others")
    assert PolicyClient(ServerEngine(server.url, BUNDLE, timeout=20)).decide(q.live(), datasets=q.DATASETS).allow
    ours = {name.removesuffix(".rego") for name in BUNDLE.modules}
    assert set(raw.get_policies_list()) == ours | {"sallyport_served", "of/others"}
    assert before.decide(q.live(), datasets=q.DATASETS).reasons == ("mfa_required", "training_expired")


AUTHORISED = 'package system.authz\n\ndefault allow := false\n\nallow if input.identity == "right"\n'


def test_a_wrong_token_denies_and_the_right_one_does_not(make_server: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "authz.rego").write_text(AUTHORISED)
    server = make_server("--authentication=token", "--authorization=basic", str(tmp_path / "authz.rego"))
    for token, expected in ((None, False), ("wrong", False), ("right", True)):
        decision = PolicyClient(ServerEngine(server.url, BUNDLE, token=token)).decide(q.export(), datasets={})
        assert decision.allow is expected
        assert expected or decision.reasons == ("engine_unavailable",)


@contextmanager
def answering(respond: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[int]]]:
    """A listener that does with each connection what a broken server might; and how many connections it had."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(20)
        accepted: list[int] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                accepted.append(1)
                threading.Thread(target=respond, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", accepted
        listener.shutdown(socket.SHUT_RDWR)


def silent(connection: socket.socket) -> None:
    time.sleep(20)
    connection.close()


def dripping(connection: socket.socket) -> None:
    with connection:
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            for _ in range(100):
                connection.sendall(b" ")
                time.sleep(0.2)
        except OSError:
            return


def saying(head: bytes, body: bytes) -> Callable[[socket.socket], None]:
    def respond(connection: socket.socket) -> None:
        with connection:
            connection.settimeout(5)
            try:
                while connection.recv(1 << 20):
                    connection.sendall(head + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            except OSError:
                return

    return respond


OK = b"HTTP/1.1 200 OK"
BROKEN = {
    "silent": silent,
    "dripping": dripping,
    "closing": lambda connection: connection.close(),
    "no http": saying(b"hello", b"hello"),
    "no json": saying(OK, b"<html>"),
    "empty": saying(OK, b"{}"),
    "a list": saying(OK, b"[]"),
    "allow from nobody": saying(OK, b'{"result": {"allow": true, "reasons": [], "obligations": {}}}'),
    "allow of another revision": saying(OK, b'{"result": {"decision": {"allow": true, "reasons": [], "obligations": {}},'
                                            b' "revision": "x", "policies": "y"}}'),
    "error": saying(b"HTTP/1.1 500 Oh", b'{"code": "internal_error"}'),
    "elsewhere": saying(b"HTTP/1.1 307 There\r\nLocation: http://127.0.0.1:1/", b""),
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(BROKEN))
def test_a_server_that_is_slow_or_answers_nonsense_denies_in_bounded_time(kind: str) -> None:
    with answering(BROKEN[kind]) as (url, _):
        client = PolicyClient(ServerEngine(url, BUNDLE, timeout=0.4))
        began = time.monotonic()
        decision = client.decide(q.live(), datasets=q.DATASETS)
        assert decision.reasons in (("engine_unavailable",), ("invalid_answer",))
        assert not decision.allow and decision.obligations == {}
        assert time.monotonic() - began < 2.5


def test_a_server_that_is_not_there_denies_and_is_not_healthy() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        engine = ServerEngine(f"http://127.0.0.1:{free.getsockname()[1]}", BUNDLE, timeout=0.4)
    assert PolicyClient(engine).decide(q.live(), datasets=q.DATASETS).reasons == ("engine_unavailable",)
    assert not engine.healthy()


def test_after_an_overrun_the_next_question_is_not_stuck_behind_it(make_server: Callable[..., Any]) -> None:
    with answering(dripping) as (url, accepted):
        client = PolicyClient(ServerEngine(url, BUNDLE, timeout=0.3))
        for _ in range(2):
            assert client.decide(q.export()).reasons == ("engine_unavailable",)
        assert len(accepted) >= 2


def test_one_connection_serves_many_questions(opa_server: Any) -> None:
    """Through a listener that counts connections and passes bytes on."""

    def forward(connection: socket.socket) -> None:
        onward = socket.create_connection(("127.0.0.1", opa_server.port))

        def pump(source: socket.socket, sink: socket.socket) -> None:
            try:
                while data := source.recv(65536):
                    sink.sendall(data)
            except OSError:
                return

        threading.Thread(target=pump, args=(onward, connection), daemon=True).start()
        pump(connection, onward)

    with answering(forward) as (url, accepted):
        client = PolicyClient(ServerEngine(url, BUNDLE))
        assert all(client.decide(q.live(), datasets=q.DATASETS).allow for _ in range(50))
        assert len(accepted) == 1


@pytest.mark.parametrize("url", ["", "opa:8181", "ftp://opa", "http://", "unix:///run/opa"])
def test_an_address_that_is_no_http_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(InvalidPolicies):
        ServerEngine(url, BUNDLE)


STARTED = """
import sys, time
sys.path[:0] = sys.argv[1:3]
from conftest import Server
from pathlib import Path
server = Server(Path(sys.argv[3]))
server.start()
print(server.port, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv ends a process with the one that started it")
def test_a_server_of_the_tests_ends_with_tests_that_are_killed(opa: Path) -> None:
    here = Path(__file__).parent
    command = [sys.executable, "-c", STARTED, str(here), str(here.parents[1]), str(opa)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        port = int(tests.stdout.readline())
        tests.kill()
    until = time.monotonic() + 5
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return
        time.sleep(0.05)
    pytest.fail("the server lives on")
