"""Evidence through the gateway: recorded before it is made, archived, published, and unpacked safely."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from psycopg_pool import ConnectionPool

from compliance.entries import Actor, ObjectRef
from compliance.errors import EmptyPeriod, ExportNotFound, LedgerRewritten, UnknownProfile
from compliance.ledger import append, read
from compliance.verify import verify_bundle
from gateway import exporting
from gateway.client import Gateway
from gateway.commands import audit
from gateway.embedded.home import Home
from gateway.identity import Subject
from policies.decisions import Decision
from tests.compliance.conftest import LocalSigner, decision

CARL = Subject("carl", "person", ("compliance-officer",), (), None, mfa=True)
ALLOWED = Decision(True, (), "d1", "sha256:" + "0" * 64)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def services(ledger_url: str, tmp_path: Path) -> Iterator[Any]:
    """The gateway's parts that exporting uses, on the real database; its key is in memory."""
    with psycopg.connect(ledger_url) as connection:
        for package in ("promotion", "gateway.catalog"):
            connection.execute((resources.files(package) / "schema.sql").read_text("utf-8"))
    home, signer = Home(tmp_path / "home"), LocalSigner()
    home.prepare()

    def as_application(connection: Any) -> None:
        connection.execute("SET ROLE sallyport_app")
        connection.commit()

    with ConnectionPool(ledger_url, min_size=1, max_size=4, configure=as_application) as pool:
        yield SimpleNamespace(
            pool=pool, signer=signer, home=home, clock=lambda: datetime.now(UTC),
            public_keys=lambda: {signer.keyid: signer.public_key_pem()}, settings=SimpleNamespace(retention_days=None),
        )  # fmt: skip


def events(services: Any) -> list[tuple[str, dict[str, Any]]]:
    with services.pool.connection() as connection:
        entries = [json.loads(raw) for _, raw in read(connection)]
    return [(entry["type"], entry) for entry in entries]


def export(services: Any, **changes: Any) -> dict[str, Any]:
    """What came of an export, which the worker made."""
    asked = {"since": LONG_AGO, "until": None, "profile": "hipaa"} | changes
    name = exporting.request(services, CARL, ALLOWED, **asked).id
    exporting.build(services, name)
    return exporting.state(services, name).as_json()


def unpacked(services: Any, name: str, out: Path) -> Path:
    with tarfile.open(exporting.archive(services, CARL, ALLOWED, name)) as tar:
        tar.extractall(out, filter="data")
    return out


def test_that_a_bundle_is_made_is_in_the_ledger_before_and_after(services: Any, tmp_path: Path) -> None:
    made = export(services)
    assert [kind for kind, _ in events(services)] == ["audit:export-started", "audit:exported"]
    done = events(services)[1][1]
    assert done["object"] == {"type": "evidence", "id": made["id"], "digest": made["digest"]}
    assert (done["actor"]["id"], done["refs"]["decision_id"]) == ("carl", "d1")
    assert verify_bundle(unpacked(services, made["id"], tmp_path / "b")).ok
    assert events(services)[2][0] == "audit:downloaded"


def test_the_same_period_gives_the_same_bytes(services: Any) -> None:
    with services.pool.connection() as connection:
        append(connection, decision())
    until = datetime.now(UTC)
    archives = []
    for _ in range(3):
        name = export(services, until=until)["id"]
        archives.append((services.home.folder("exports") / f"{name}.tar").read_bytes())
    assert archives[0] == archives[1] == archives[2]


def test_a_period_in_the_future_ends_now(services: Any) -> None:
    assert export(services, until=datetime.now(UTC) + timedelta(days=9))["until"] < datetime.now(UTC).isoformat()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"profile": "nope"}, UnknownProfile),
        ({"since": LONG_AGO, "until": LONG_AGO}, EmptyPeriod),
        ({"since": datetime(2999, 1, 1, tzinfo=UTC)}, EmptyPeriod),
    ],
)
def test_what_cannot_be_exported_is_refused_before_anything_is_done(services: Any, changes: Any, error: Any) -> None:
    with pytest.raises(error):
        export(services, **changes)
    assert events(services) == []


def test_an_export_that_fails_is_in_the_ledger_and_leaves_nothing(services: Any) -> None:
    services.home.folder("exports").chmod(0o700)
    (services.home.folder("exports")).rmdir()
    (services.home.folder("exports")).write_text("not a folder")
    made = export(services)
    assert (made["state"], made["code"]) == ("failed", "export_failed") and "could not be written" in made["detail"]
    assert [kind for kind, _ in events(services)] == ["audit:export-started", "audit:export-failed"]


def test_an_export_whose_worker_was_killed_is_made_by_the_next_one(
    services: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Killed(BaseException):
        """The worker is gone in the middle: nothing it would do afterwards is done."""

    def killed(*_: Any) -> None:
        raise Killed

    until, folder = datetime.now(UTC), services.home.folder("exports")
    whole = export(services, until=until)
    name = exporting.request(services, CARL, ALLOWED, since=LONG_AGO, until=until, profile="hipaa").id
    with monkeypatch.context() as broken, pytest.raises(Killed):
        broken.setattr(exporting, "_pack", killed)
        broken.setattr(exporting.shutil, "rmtree", lambda *_, **__: None)
        exporting.build(services, name)
    assert (folder / name).is_dir() and exporting.state(services, name).state == "building"
    assert exporting.build(services, name) == exporting.build(services, name) == "ready"
    assert (folder / f"{name}.tar").read_bytes() == (folder / f"{whole['id']}.tar").read_bytes()
    assert [kind for kind, entry in events(services) if entry["object"]["id"] == name] == [
        "audit:export-started",
        "audit:exported",
    ]


def test_progress_is_seen_while_the_bundle_is_made(services: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, make = [], exporting.export_bundle

    def watched(*given: Any, **named: Any) -> Any:
        def progress(step: str, done: int, total: int) -> None:
            named_progress(step, done, total)
            seen.append(dict(exporting.state(services, name).progress))

        named_progress = named.pop("progress")
        return make(*given, progress=progress, **named)

    monkeypatch.setattr(exporting, "export_bundle", watched)
    name = exporting.request(services, CARL, ALLOWED, since=LONG_AGO, until=None, profile="hipaa").id
    exporting.build(services, name)
    assert [one["step"] for one in seen][:2] == ["prove", "verify"]


@pytest.mark.parametrize("name", ["", "..", "../stack", "0" * 32, "checkpoints", "a" * 31 + "/"])
def test_only_exports_can_be_fetched(services: Any, name: str) -> None:
    with pytest.raises(ExportNotFound):
        exporting.archive(services, CARL, ALLOWED, name)


def test_signed_statements_in_the_tables_are_in_the_bundle(services: Any, tmp_path: Path) -> None:
    from psycopg.types.json import Jsonb

    from compliance.attestations import Statement, Subject, sign_statement
    from compliance.canonical import canonical_json, digest

    envelope = sign_statement(Statement((Subject("x", "sha256:" + "1" * 64),), "urn:x", {"k": 11}), services.signer)
    with services.pool.connection() as connection:
        connection.execute("INSERT INTO catalog.projects VALUES ('p', 'w', now())")
        connection.execute("INSERT INTO catalog.datasets VALUES ('d', 'p', 'c', 'x', 'sam', now())")
        connection.execute(
            "INSERT INTO catalog.snapshots"
            " (id, dataset, project, state, requested_by, requested_at, decision_id, limits, envelope)"
            " VALUES ('s1', 'd', 'p', 'built', 'sam', now(), 'd', '{}', %s)",
            (Jsonb(envelope),),
        )  # fmt: skip
        append(connection, decision(detail={"envelope": digest(canonical_json(envelope))}))
    found = verify_bundle(unpacked(services, export(services)["id"], tmp_path / "b"))
    assert found.ok and len(list((tmp_path / "b" / "attestations").iterdir())) == 1


def test_a_checkpoint_is_published_and_never_signed_over_a_ledger_that_was_rewritten(services: Any, superuser: Any) -> None:
    with services.pool.connection() as connection:
        for number in range(5):
            append(connection, decision(number))
    first = exporting.checkpoint(services)
    folder = services.home.folder("exports") / "checkpoints"
    assert [path.read_bytes() for path in folder.iterdir()] == [first]
    with services.pool.connection() as connection:
        append(connection, decision(6))
    assert exporting.checkpoint(services) != first
    superuser.execute("UPDATE ledger.entries SET hash = sha256('x') WHERE seq = 2")
    with pytest.raises(LedgerRewritten, match="rewritten"):
        exporting.checkpoint(services)
    superuser.execute("DELETE FROM ledger.entries WHERE seq > 3")
    with pytest.raises(LedgerRewritten, match="cut"):
        exporting.checkpoint(services)
    assert len(list(folder.iterdir())) == 2


def test_a_damaged_ledger_is_exported_for_what_it_is_and_no_checkpoint_of_it_published(
    services: Any, superuser: Any, tmp_path: Path
) -> None:
    export(services)
    superuser.execute("UPDATE ledger.entries SET canonical = convert_to('{}', 'UTF8') WHERE seq = 1")
    made = export(services)
    assert made["problems"] and not made["ok"]
    assert not verify_bundle(unpacked(services, made["id"], tmp_path / "b")).ok
    assert len(list((services.home.folder("exports") / "checkpoints").iterdir())) == 1


def test_proofs_are_given_for_what_is_there(services: Any) -> None:
    with services.pool.connection() as connection:
        for number in range(5):
            append(connection, decision(number))
    answer = exporting.proofs(services, entry=2, old=3, size=None)
    assert (answer["size"], len(answer["inclusion"]), len(answer["consistency"])) == (5, 3, 4)
    for asked in (
        {"entry": 6, "old": None, "size": None},
        {"entry": None, "old": 9, "size": 5},
        {"entry": 1, "old": None, "size": 9},
    ):
        with pytest.raises(ExportNotFound):
            exporting.proofs(services, **asked)


class Canned(Gateway):
    """A gateway that answers with the archive it is given."""

    def __init__(self, archive: bytes) -> None:
        self.archive = archive

    def post(self, path: str, body: Any = None, **content: Any) -> Any:
        return {"id": "0" * 32, "entries": 0, "state": "ready"}

    def download(self, path: str) -> Iterator[bytes]:
        yield self.archive


def tar(*members: tuple[str, bytes, bytes]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as out:
        for name, kind, content in members:
            about = tarfile.TarInfo(name)
            about.type, about.size, about.linkname = kind, len(content), "/etc/passwd"
            out.addfile(about, io.BytesIO(content))
    return archive.getvalue()


@pytest.mark.parametrize(
    "archive",
    [
        tar(("../evil", tarfile.REGTYPE, b"x")), tar(("/tmp/evil", tarfile.REGTYPE, b"x")), tar(("link", tarfile.SYMTYPE, b"")),
        tar(("hard", tarfile.LNKTYPE, b"")), tar(("pipe", tarfile.FIFOTYPE, b"")), tar(("folder", tarfile.DIRTYPE, b"")),
        tar(("twice", tarfile.REGTYPE, b"x"), ("twice", tarfile.REGTYPE, b"y")), b"not a tar at all", b"",
        tar(("cut", tarfile.REGTYPE, b"x" * 9000))[:4000],
    ],
)  # fmt: skip
def test_an_archive_that_is_not_plain_files_is_refused_and_leaves_nothing(tmp_path: Path, archive: bytes) -> None:
    with pytest.raises(SystemExit) as ended:
        audit.export_to(Canned(archive), since=LONG_AGO, until=None, profile="hipaa", out=tmp_path / "deep" / "out")
    assert ended.value.code == 1
    assert list(tmp_path.rglob("*")) == [tmp_path / "deep"]


def test_verify_ends_with_0_1_or_2(services: Any, tmp_path: Path) -> None:
    bundle, run = unpacked(services, export(services)["id"], tmp_path / "b"), CliRunner().invoke
    good = run(audit.command, ["verify", str(bundle), "--json"])
    assert good.exit_code == 0 and json.loads(good.stdout)["ok"] is True
    key = tmp_path / "key.pem"
    key.write_text(LocalSigner().public_key_pem())
    assert json.loads(run(audit.command, ["verify", str(bundle), "--json", "--key", str(key)]).stdout)["pinned"] is True
    key.write_text(LocalSigner(2).public_key_pem())
    assert run(audit.command, ["verify", str(bundle), "--key", str(key)]).exit_code == 1
    key.write_text("no key")
    assert run(audit.command, ["verify", str(bundle), "--key", str(key)]).exit_code == 2
    (bundle / "report.html").write_text("x")
    bad = run(audit.command, ["verify", str(bundle), "--json"])
    assert bad.exit_code == 1 and json.loads(bad.stdout)["problems"][0]["where"] == "report.html"
    assert run(audit.command, ["verify", str(tmp_path / "nowhere")]).exit_code == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T08:00:00Z", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("2026-01-31T08:00:00+02:00", datetime(2026, 1, 31, 6, tzinfo=UTC)),
    ],
)
def test_moments_are_read(text: str, expected: datetime) -> None:
    assert audit.Moment().convert(text, None, None) == expected


@pytest.mark.parametrize(("text", "seconds"), [("30m", 1800), ("24h", 86400), ("90d", 90 * 86400), ("2w", 14 * 86400)])
def test_durations_are_so_long_ago(text: str, seconds: int) -> None:
    ago = datetime.now(UTC) - audit.Moment().convert(text, None, None)
    assert abs(ago.total_seconds() - seconds) < 5


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "5x", "-3d", "999999w", "2026-01-31T25:00:00Z"])
def test_other_texts_are_no_moments(text: str) -> None:
    import click

    with pytest.raises(click.BadParameter):
        audit.Moment().convert(text, None, None)


class Direct(Gateway):
    """A gateway whose evidence is asked for without HTTP."""

    def __init__(self, services: Any) -> None:
        self.services = services

    def get(self, path: str, **query: Any) -> Any:
        return exporting.proofs(self.services, entry=None, old=query["from"], size=query["size"])

    def download(self, path: str) -> Iterator[bytes]:
        yield exporting.checkpoint(self.services)


def test_a_witness_follows_the_ledger_and_refuses_one_that_was_rewritten(
    services: Any, superuser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    monkeypatch.setattr("gateway.commands.caller.connect", lambda user, role: Direct(services))
    key, log, state = tmp_path / "witness.pem", tmp_path / "log.pem", tmp_path / "last.txt"
    key.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    log.write_text(services.signer.public_key_pem())
    asked = ["witness", "--key", str(key), "--log-key", str(log), "--state", str(state)]
    for number in range(3):
        with services.pool.connection() as connection:
            append(connection, decision(number))
        done = CliRunner().invoke(audit.command, asked)
        assert done.exit_code == 0 and done.stdout.splitlines()[1] == str(number + 1), done.output
    superuser.execute("UPDATE ledger.entries SET hash = sha256('x') WHERE seq = 2")
    for path in (services.home.folder("exports") / "checkpoints").iterdir():
        path.unlink()  # whoever owns the gateway's machine too can make it sign; the witness still refuses
    refused = CliRunner().invoke(audit.command, asked)
    assert refused.exit_code == 1 and "checkpoint_refused" in refused.stderr
    key.write_text("no key")
    assert CliRunner().invoke(audit.command, asked).exit_code == 1


def test_what_the_ledger_gains_is_published_and_only_then(services: Any, superuser: Any) -> None:
    folder = services.home.folder("exports") / "checkpoints"
    exporting.publish_growth(services)
    assert not folder.exists()
    for size in (1, 2):
        with services.pool.connection() as connection:
            append(connection, decision(size))
        for _ in range(3):
            exporting.publish_growth(services)
        assert len(list(folder.iterdir())) == size
    superuser.execute("UPDATE ledger.entries SET hash = sha256('x') WHERE seq = 1")
    with services.pool.connection() as connection:
        append(connection, decision(3))
    with pytest.raises(LedgerRewritten):
        exporting.publish_growth(services)
    assert len(list(folder.iterdir())) == 2


def test_a_bundle_holds_so_many_checkpoints_however_many_there_are() -> None:
    from compliance.publishing import MOST_IN_BUNDLE, thinned

    notes = [f"sallyport/ledger\n{size}\nAAAA\n".encode() for size in range(1, 1_001)]
    few = thinned(notes[:900], 900)
    assert len(few) <= MOST_IN_BUNDLE and few[-1] == notes[899] and few == sorted(few, key=notes.index)
    assert thinned(notes, 900)[: len(few)] == few and thinned(notes, 900)[len(few) :] == notes[900:]
    assert thinned(notes[:50], 900) == notes[:50]


def test_the_keys_are_told_with_their_fingerprints(services: Any) -> None:
    told = exporting.public_keys(services)
    assert told["current"] == services.signer.keyid and told["keys"][0]["pem"] == services.signer.public_key_pem()
    assert told["keys"][0]["fingerprint"].startswith("sha256:") and told["keys"][0]["note_key"].startswith("sallyport/ledger+")


def test_findings_now_are_of_the_whole_ledger_and_name_who_approved_and_left(services: Any) -> None:
    services.access = SimpleNamespace(directory=lambda subject: None if subject.id == "gone" else subject)
    with services.pool.connection() as connection:
        for who in ("gone", "here"):
            append(connection, decision(type="approval:signed", actor=Actor(who, "person"), outcome="done"))
        append(connection, decision(type="lease:opened", outcome="done", object=ObjectRef("lease", "l1"), refs={}))
    found = exporting.findings(services)
    assert {(one.code, one.entry) for one in found} >= {("approver_left", 1), ("lease_without_decision", 3)}
    assert not [one for one in found if one.entry == 2]
