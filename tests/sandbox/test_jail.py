"""The jail holds: every way out that we know is tried from inside, as root and as an ordinary account."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import jail
from sandbox.errors import BubblewrapMissing
from sandbox.jail import Limits, Outcome, run_isolated
from sandbox.jail_filter import program

sys.path.insert(0, str(Path(__file__).parent))
import escapes
from jail_targets import HERE, for_every_account, run_outside, targets

NOBODY = 65534
ACCOUNTS = ["root", "ordinary"] if os.geteuid() == 0 else ["ordinary"]


@pytest.fixture(scope="module")
def suite() -> Iterator[dict[str, Any]]:
    """What each attempt got: outside, and inside for each account."""
    with tempfile.TemporaryDirectory(prefix="escape-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        with targets(folder) as on:
            found = {"outside": run_outside(on, folder, sorted(escapes.REAL))}
            if os.geteuid() == 0:
                for path in (folder, *folder.rglob("*")):
                    os.chown(path, NOBODY, NOBODY)
                os.chown(on["dev_shm"], NOBODY, NOBODY)
                found["ordinary"] = _jailed(folder, NOBODY)
                for path in (folder, *folder.rglob("*")):
                    os.chown(path, 0, 0)
                os.chown(on["dev_shm"], 0, 0)
                found["root"] = _jailed(folder, None)
            else:
                found["ordinary"] = _jailed(folder, None)
            found["untouched"] = {"row": [(folder / "read_only" / "row.txt").read_text() == "unchanged"]}
        yield found


def _jailed(folder: Path, account: int | None) -> dict[str, Any]:
    """The suite in the jail, started by the given account (None: this one)."""
    python, packages, scripts = (sys.executable, str(HERE.parents[1]), HERE) if account is None else for_every_account()
    command = [python, str(scripts / "jail_once.py"), str(scripts / "escapes.py"), str(folder / "targets.json")]
    environment = {name: value for name, value in os.environ.items() if name != "SALLYPORT_HOME"}
    environment["PYTHONPATH"] = packages
    ended = subprocess.run(
        command, capture_output=True, text=True, user=account, group=account, extra_groups=None if account is None else [],
        env=environment, cwd="/", timeout=150, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return dict(json.loads(ended.stdout))


def test_there_are_at_least_forty_attempts() -> None:
    assert len(escapes.ATTEMPTS) >= 40


@pytest.mark.parametrize("name", sorted(escapes.REAL))
def test_the_attempt_succeeds_without_a_jail(suite: dict[str, Any], name: str) -> None:
    escaped, what = suite["outside"][name]
    assert escaped, what


@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("name", list(escapes.ATTEMPTS))
def test_the_attempt_fails_in_the_jail(suite: dict[str, Any], account: str, name: str) -> None:
    escaped, what = suite[account][name]
    assert not escaped, what


def test_nothing_read_only_was_changed(suite: dict[str, Any]) -> None:
    assert suite["untouched"]["row"] == [True]


# --- bombs: what a jail uses as a whole


def _bomb(name: str, *words: str, writable: Path | None = None, timeout: float = 40, **limits: int) -> Outcome:
    script = HERE / "bombs.py"
    return run_isolated(
        [sys.executable, "/bombs/bombs.py", name, *words],
        read_only={script: "/bombs/bombs.py"},
        writable={} if writable is None else {writable: "/sallyport/work"},
        limits=Limits(**limits),
        timeout=timeout,
    )


def test_a_fork_bomb_is_ended_and_leaves_nothing() -> None:
    found: list[int] = []
    done = threading.Event()

    def count() -> None:
        while not done.wait(0.05):
            found.append(len([name for name in os.listdir("/proc") if name.isdecimal()]))

    before = len([name for name in os.listdir("/proc") if name.isdecimal()])
    counting = threading.Thread(target=count)
    counting.start()
    outcome = _bomb("forks", processes=64, timeout=20)
    done.set()
    counting.join()
    # Either the kernel stopped it at 64 (an ordinary account; it then ran into the timeout), or the watch ended it (root).
    assert outcome.over == "processes" or outcome.timed_out
    assert outcome.seconds < 25
    time.sleep(0.5)
    assert len([name for name in os.listdir("/proc") if name.isdecimal()]) < before + 40


def test_threads_are_bounded() -> None:
    outcome = _bomb("threads", processes=64, timeout=15)
    assert outcome.over == "processes" or int(outcome.stdout.split()[0]) <= 64


def test_a_memory_bomb_in_one_process_fails() -> None:
    outcome = _bomb("memory", memory_mb=300)
    assert outcome.exit_code != 0
    assert "MemoryError" in outcome.stderr or outcome.over == "memory"


def test_a_memory_bomb_of_many_processes_is_ended() -> None:
    outcome = _bomb("memory_of_many", memory_mb=600)
    assert outcome.over == "memory"


def test_memory_cannot_be_hidden_in_files_without_a_name() -> None:
    outcome = _bomb("memory_without_owner", memory_mb=300)
    assert outcome.exit_code != 0
    assert not outcome.stdout


@pytest.mark.parametrize("folder", ["/tmp", "/home", "/dev/shm"])
def test_temporary_folders_cannot_be_filled_past_half_of_the_memory(folder: str) -> None:
    outcome = _bomb("disk_in", folder, memory_mb=300)
    written, error = outcome.stdout.split()
    assert int(written) <= 151
    assert int(error) == 28, "no space left on device"


def test_a_bomb_of_empty_files_is_ended() -> None:
    outcome = _bomb("files_in", "/tmp", memory_mb=64)
    assert outcome.over == "memory"


def test_a_disk_bomb_in_the_work_folder_is_ended(tmp_path: Path) -> None:
    outcome = _bomb("disk_in", "/sallyport/work", writable=tmp_path, disk_mb=50)
    assert outcome.over == "disk"
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 4_000 << 20


def test_one_file_cannot_be_larger_than_the_limit(tmp_path: Path) -> None:
    outcome = run_isolated(
        ["dd", "if=/dev/zero", "of=/sallyport/work/big", "bs=1M", "count=100"], read_only={},
        writable={tmp_path: "/sallyport/work"},
        limits=Limits(file_mb=8),
    )  # fmt: skip
    assert outcome.exit_code != 0
    assert (tmp_path / "big").stat().st_size <= 8 << 20


def test_endless_output_does_not_fill_the_hosts_memory() -> None:
    outcome = _bomb("output")
    assert outcome.exit_code == 0
    assert len(outcome.stdout) == jail.MOST_OUTPUT_BYTES


def test_time_is_bounded_and_what_the_process_started_ends_with_it() -> None:
    outcome = run_isolated(["sh", "-c", "sleep 987654 & sleep 987654"], read_only={}, writable={}, timeout=0.5)
    assert outcome.timed_out
    assert outcome.seconds < 5
    commands = b"".join(path.read_bytes() for path in _cmdlines())
    assert b"987654" not in commands


def _cmdlines() -> list[Path]:
    own = str(os.getpid())
    return [path for path in Path("/proc").glob("[0-9]*/cmdline") if path.parent.name != own and path.exists()]


def test_processor_time_is_bounded() -> None:
    outcome = run_isolated(
        [sys.executable, "-c", "while True: pass"], read_only={}, writable={}, limits=Limits(cpu_seconds=1), timeout=20
    )
    assert outcome.exit_code != 0
    assert not outcome.timed_out


# --- what must work


def test_a_process_in_its_limits_ends_by_itself(tmp_path: Path) -> None:
    work = "open('/sallyport/work/made', 'w').write('x'); import threading, subprocess; subprocess.run(['true']); print('done')"
    outcome = run_isolated([sys.executable, "-c", work], read_only={}, writable={tmp_path: "/sallyport/work"})
    assert (outcome.exit_code, outcome.stdout, outcome.over) == (0, "done\n", None), outcome.stderr
    assert (tmp_path / "made").read_text() == "x"


def test_the_exit_status_and_the_last_words_of_the_process_are_given() -> None:
    outcome = run_isolated(["sh", "-c", "echo last >&2; exit 7"], read_only={}, writable={})
    assert (outcome.exit_code, outcome.stderr) == (7, "last\n")


def test_a_home_inside_a_shown_folder_is_covered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A home that somebody put below the interpreter's own folder would otherwise be shown with it."""
    with tempfile.TemporaryDirectory(prefix="home-", dir=sys.prefix) as made:
        (Path(made) / "secret").write_text("secret")
        monkeypatch.setenv("SALLYPORT_HOME", made)
        outcome = run_isolated(["cat", f"{made}/secret"], read_only={}, writable={})
    assert outcome.exit_code != 0
    assert "secret" not in outcome.stdout


def test_without_a_working_bubblewrap_nothing_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(jail, "_works", lambda path: False)
    jail.find_bwrap.cache_clear()
    try:
        with pytest.raises(BubblewrapMissing):
            run_isolated(["touch", str(tmp_path / "ran")], read_only={}, writable={tmp_path: str(tmp_path)})
    finally:
        monkeypatch.undo()
        jail.find_bwrap.cache_clear()
    assert not (tmp_path / "ran").exists()


def test_without_a_list_of_system_calls_for_the_machine_nothing_runs() -> None:
    with pytest.raises(BubblewrapMissing):
        program("riscv64")


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_is_a_program_the_kernel_takes(machine: str) -> None:
    assert len(program(machine)) % 8 == 0
    assert len(program(machine)) // 8 < 4096


def test_a_folder_of_the_host_in_place_of_the_home_is_no_memory(tmp_path: Path) -> None:
    outcome = run_isolated(["sh", "-c", "sleep 0.5; echo x > /home/x"], read_only={}, writable={tmp_path: "/home"})
    assert (outcome.exit_code, outcome.over) == (0, None), outcome.stderr
