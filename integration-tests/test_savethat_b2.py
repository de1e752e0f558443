"""Runs and their copies on B2, by b2sdk's real HTTP client, while things go wrong.

In none of these cases is a result lost, or a run called completed that is not.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from b2_server import B2Server

pytest.importorskip("b2sdk")

import savethat
from savethat import _sync

SECRET = "K001-secret-of-the-tests"
NODE = """
import dataclasses, sys, time
import savethat

@dataclasses.dataclass(frozen=True)
class FitArgs:
    word: str = "w"
    files: int = 0
    seconds: float = 0

class Fit(savethat.Node[FitArgs, str]):
    def _run(self):
        for number in range(self.args.files):
            folder = self.output_dir / "ckpt"
            folder.mkdir(exist_ok=True)
            (folder / f"{number}.npz").write_bytes(bytes(1000))
        print("here", flush=True)
        end = time.monotonic() + self.args.seconds
        while time.monotonic() < end:  # a signal just before a long sleep would be handled after
            time.sleep(0.05)
        if self.args.word == "fail":
            raise ValueError("asked to fail")
        return self.args.word
"""
MAIN = """
import savethat
if __name__ == "__main__":
    savethat.run_main("fits", env_file="savethat.toml")
"""


@pytest.fixture
def server() -> Iterator[Any]:
    with B2Server() as running:
        yield running


class Machine:
    """One of several computers with the same project."""

    def __init__(self, folder: Path, server: Any) -> None:
        self.folder = folder
        (folder / "fits").mkdir(parents=True)
        (folder / "fits" / "__init__.py").write_text(NODE)
        (folder / "fits" / "__main__.py").write_text(MAIN)
        (folder / "savethat.toml").write_text(
            'local_path = "${PROJECT_ROOT}/data_storage"\n'
            f'b2_key_id = "{server.key_id}"\nb2_key = "{server.key}"\n'
            f'b2_bucket = "bucket"\nb2_prefix = "my_project"\nb2_realm = "{server.url}"\n'
        )
        self.storage = savethat.get_storage(folder / "savethat.toml")

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "fits", *words],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "SAVETHAT_DISABLE_PLUGINS": "1", **environment},
        )

    def __call__(self, *words: str, status: int = 0, **environment: str) -> str:
        with self.start(*words, **environment) as process:
            out, err = process.communicate(timeout=120)
        assert process.returncode == status, out + err
        return out + err

    def runs(self) -> list[dict[str, Any]]:
        return self.storage.find_runs()


@pytest.fixture
def here(tmp_path: Path, server: Any) -> Machine:
    return Machine(tmp_path / "here", server)


@pytest.fixture
def there(tmp_path: Path, server: Any) -> Machine:
    return Machine(tmp_path / "there", server)


def names(server: Any) -> list[str]:
    """The files that are there, each as often as it has versions."""
    bucket = next(iter(server.buckets))
    versions = [version for version in server.of_bucket(bucket) if version.action == "upload"]
    return sorted(version.name for version in versions if ".expcore-claims" not in version.name)


def test_a_run_is_found_and_had_back_on_another_machine(
    server: Any, here: Machine, there: Machine
) -> None:
    here("run", "Fit", "--word", "good", "--files", "3")
    here("run", "Fit", "--word", "fail", status=1)

    assert [r["run_key"] for r in there.runs()] == [r["run_key"] for r in here.runs()]
    assert there("ls", "Fit") == here("ls", "Fit")
    (good,) = there.storage.find_runs("Fit", only_completed=True)
    assert good["word"] == "good"
    assert there.storage.load_results(good["run_key"]) == "good"
    there("download", good["run_key"])
    for file in good["run_files"]:
        assert (there.storage / file).read_bytes() == (here.storage / file).read_bytes()
    local_and_remote = json.loads((here.storage / good["run_key"] / "state.json").read_text())
    assert local_and_remote["pending_sync"] is False


def test_a_run_is_reproduced_on_another_machine_from_its_key_alone(
    here: Machine, there: Machine, tmp_path: Path
) -> None:
    pytest.importorskip("codesave")
    here("run", "Fit", "--word", "good", "--files", "2", SAVETHAT_DISABLE_PLUGINS="")
    (run,) = here.runs()
    today = (there.folder / "fits" / "__init__.py").read_text().replace(".word", ".word + '!'")
    (there.folder / "fits" / "__init__.py").write_text(today)
    elsewhere = {"HOME": str(tmp_path / "home"), "SAVETHAT_DISABLE_PLUGINS": ""}

    shown = there("reproduce", run["run_key"], **elsewhere)

    assert "files        1 as they were written" in shown
    assert "code         saved with the run" in shown
    assert "results      identical" in shown
    (new,) = [found for found in here.runs() if found["run_key"] != run["run_key"]]
    assert (new["word"], here.storage.load_results(new["run_key"])) == ("good", "good")
    differing = there("reproduce", "--code", ".", run["run_key"], status=1, **elsewhere)
    assert "results: 'good' → 'good!'" in differing


def test_rm_removes_nested_files_and_every_version(
    server: Any, here: Machine, there: Machine
) -> None:
    here("run", "Fit", "--files", "3")
    (run,) = here.runs()
    here("upload", run["run_key"])

    bucket = next(iter(server.buckets))
    for key in (run["run_key"], f"{run['run_key']}0"):  # an upload in parts that was killed
        ask = {
            "bucketId": bucket,
            "fileName": f"my_project/{key}/large",
            "contentType": "b2/x-auto",
        }
        server.b2_start_large_file(ask)

    there("rm", "Fit", "--force")

    left = [v.name for v in server.of_bucket(bucket, started=True)]
    assert left == [f"my_project/{run['run_key']}0/large"]
    assert [v.name for v in server.of_bucket(bucket) if "claims" not in v.name] == []


def test_no_key_is_in_any_file_of_a_run(here: Machine) -> None:
    shown = here("--debug", "run", "Fit", "--word", "fail", status=1)

    assert SECRET not in shown
    for file in here.storage.storage_path.rglob("*"):
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes()


def test_the_same_forced_key_from_two_machines_is_two_runs(here: Machine, there: Machine) -> None:
    made = "import sys, savethat, fits; savethat.create_node("
    made += "fits.Fit, {'word': sys.argv[1]}, env_file='savethat.toml', key='final').run()"
    command = [sys.executable, "-c", made]
    with (
        subprocess.Popen([*command, "one"], cwd=here.folder, stderr=subprocess.DEVNULL) as first,
        subprocess.Popen([*command, "two"], cwd=there.folder, stderr=subprocess.DEVNULL) as second,
    ):
        assert (first.wait(60), second.wait(60)) == (0, 0)

    words = {r["run_key"]: r["word"] for r in here.runs()}
    assert (sorted(words), sorted(words.values())) == (["final", "final-2"], ["one", "two"])
    for key, word in words.items():
        assert here.storage.load_results(key) == there.storage.load_results(key) == word


FAULTS: dict[str, dict[str, Any]] = {
    "503": {"operation": "upload", "status": 503, "times": 3},
    "429": {"operation": "upload", "status": 429, "code": "too_many_requests", "times": 2,
            "retry_after": 0.1},
    "drop": {"operation": "upload", "what": "drop", "times": 2},
    "lost reply": {"operation": "upload", "what": "lose_reply", "times": 2},
    "wrong sha1": {"operation": "upload", "what": "corrupt", "times": 2},
    "no url": {"operation": "b2_get_upload_url", "status": 503, "times": 2},
    "no authorization": {"operation": "b2_authorize_account", "status": 503, "times": 1},
    "no listing": {"operation": "b2_list_file_names", "status": 503, "times": 1},
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_passing_trouble_is_not_noticed(
    server: Any, here: Machine, there: Machine, fault: str
) -> None:
    server.fail(**FAULTS[fault])

    here("run", "Fit", "--word", "good", "--files", "5")

    (run,) = there.runs()
    assert (run["run_state"], there.storage.load_results(run["run_key"])) == ("completed", "good")
    assert len([f for f in run["run_files"] if "ckpt" in f]) == 5
    assert (
        json.loads((here.storage / run["run_key"] / "state.json").read_text())["pending_sync"]
        is False
    )
    # One live version each: what is listed is what is there.
    assert len(names(server)) == len(run["run_files"])


IMPATIENT = """
import sys
from expcore import _b2_connection

_b2_connection.TIMEOUT_S = 1  # else 60
import savethat, fits
savethat.create_node(fits.Fit, {"word": "good", "files": 5}, env_file="savethat.toml").run()
"""


def start_impatient(machine: Machine) -> subprocess.Popen[str]:
    """Run a node in a process whose client waits for a second only."""
    script = machine.folder / "impatient.py"
    script.write_text(IMPATIENT)
    return subprocess.Popen(
        [sys.executable, str(script)],
        cwd=machine.folder,
        env={**os.environ, "SAVETHAT_DISABLE_PLUGINS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_stall_costs_time_only(server: Any, here: Machine, there: Machine) -> None:
    server.fail("upload", what="stall", times=2)

    with start_impatient(here) as process:
        _, shown = process.communicate(timeout=120)

    assert process.returncode == 0, shown
    (run,) = there.runs()
    assert (run["run_state"], there.storage.load_results(run["run_key"])) == ("completed", "good")
    assert len(names(server)) == len(run["run_files"])


def test_killed_in_a_stall_a_run_is_completed_here_and_finished_by_sync(
    server: Any, here: Machine, there: Machine
) -> None:
    server.fail("upload", what="stall", times=10_000)

    with here.start("run", "Fit", "--word", "good") as process:
        while not here.storage.find_runs(remote=False, only_completed=True):
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
        process.communicate()
    server.faults.clear()

    (run,) = here.storage.find_runs(remote=False)
    assert here.storage.load_results(run["run_key"]) == "good"
    assert there.storage.find_runs(only_completed=True) == []
    assert here("sync") == f"{run['run_key']}\n"
    assert there.storage.load_results(run["run_key"]) == "good"


def test_an_expired_token_is_renewed(server: Any, here: Machine, there: Machine) -> None:
    with here.start("run", "Fit", "--seconds", "1.5") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        server.expire_tokens()
        process.communicate(timeout=120)

    assert process.returncode == 0
    assert there.runs()[0]["run_state"] == "completed"


def test_a_full_account_keeps_the_run_here(server: Any, here: Machine, there: Machine) -> None:
    server.fail("upload", status=403, code="storage_cap_exceeded", times=10_000)

    shown = here("run", "Fit", "--word", "good")

    assert "is kept in" in shown
    assert "but not uploaded" in shown
    (run,) = here.runs()
    assert here.storage.load_results(run["run_key"]) == "good"
    assert _sync.pending(here.storage) == [run["run_key"]]
    assert there.runs() == []
    server.faults.clear()
    assert here("sync") == f"{run['run_key']}\n"
    assert here("sync") == "Nothing is pending.\n"
    assert there.storage.load_results(run["run_key"]) == "good"


def test_a_corrupt_download_is_never_taken_for_the_file(
    server: Any, here: Machine, there: Machine
) -> None:
    here("run", "Fit", "--word", "good")
    (run,) = here.runs()
    server.fail("download", what="corrupt", times=1)

    there("download", run["run_key"])

    for file in run["run_files"]:
        assert (there.storage / file).read_bytes() == (here.storage / file).read_bytes()


@pytest.fixture
def gone(here: Machine, server: Any) -> Machine:
    """A machine whose remote cannot be reached: nothing listens there."""
    text = (here.folder / "savethat.toml").read_text()
    (here.folder / "savethat.toml").write_text(text.replace(server.url, "http://127.0.0.1:9"))
    return here


def test_without_network_the_run_goes_on_and_is_finished_by_the_next(
    gone: Machine, there: Machine, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = time.monotonic()
    shown = gone("run", "Fit", "--word", "good")
    assert "but not uploaded" in shown
    (first,) = gone.storage.find_runs(remote=False)
    assert first["run_state"] == "completed"
    assert time.monotonic() - start < 100

    text = (gone.folder / "savethat.toml").read_text()
    (gone.folder / "savethat.toml").write_text(text.replace("http://127.0.0.1:9", server.url))
    gone("run", "Fit", "--word", "second")

    assert [run["word"] for run in there.storage.find_runs(only_completed=True)] == [
        "good",
        "second",
    ]
    assert gone("sync") == "Nothing is pending.\n"


@pytest.mark.parametrize("what", ["drop", "status"])
def test_a_network_that_goes_down_meanwhile_costs_no_run(
    server: Any, here: Machine, there: Machine, what: str
) -> None:
    with here.start("run", "Fit", "--word", "good", "--files", "3", "--seconds", "1") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        server.fail("any", what=what, times=100_000)
        _, shown = process.communicate(timeout=100)

    assert process.returncode == 0, shown
    assert "but not uploaded" in shown
    (mine,) = here.storage.find_runs(remote=False)
    assert mine["run_state"] == "completed"
    server.faults.clear()
    assert here("sync") == f"{mine['run_key']}\n"
    assert there.runs() == here.storage.find_runs(remote=False)
    assert there.storage.load_results(mine["run_key"]) == "good"


def test_a_checkpoint_is_there_before_the_machine_dies(
    server: Any, here: Machine, there: Machine, tmp_path: Path
) -> None:
    quick = tmp_path / "quick.py"
    quick.write_text(
        "import sys\n"
        "from savethat import _background, _run_sync\n"
        "_background.HEARTBEAT_S, _run_sync.SETTLED_S = 0.1, 0\n"
        "import savethat, fits\n"
        "args = {'files': 2, 'seconds': 60}\n"
        "savethat.create_node(fits.Fit, args, env_file='savethat.toml').run()\n"
    )
    command = [sys.executable, str(quick)]
    environment = {**os.environ, "PYTHONPATH": str(here.folder)}
    with subprocess.Popen(
        command, cwd=here.folder, env=environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 60
        while sum("ckpt" in name for name in names(server)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.kill()

    (run,) = there.runs()
    assert run["run_state"] == "lost" or run["run_state"] == "running"
    assert not run["run_completed"]
    (mine,) = here.storage.find_runs(remote=False)
    assert mine["run_state"] == "lost"
    assert here("sync").strip() == mine["run_key"]


@pytest.mark.skipif(os.name != "posix", reason="SIGTERM is POSIX's")
def test_sigterm_uploads_what_there_is(server: Any, here: Machine, there: Machine) -> None:
    with here.start("run", "Fit", "--seconds", "60", "--files", "2") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)

    assert process.returncode == 128 + signal.SIGTERM
    (run,) = there.runs()
    assert run["run_state"] == "interrupted"
    assert len([f for f in run["run_files"] if "ckpt" in f]) == 2


def test_killed_at_any_instant_a_run_is_never_falsely_completed(
    server: Any, here: Machine, there: Machine
) -> None:
    """The process is killed after ever more requests to the service."""
    for number in (1, 2, 4, 7, 11, 16):
        already = sum(server.requests.values())
        with here.start("run", "Fit", "--word", f"w{number}", "--files", "3") as process:
            while sum(server.requests.values()) < already + number and process.poll() is None:
                time.sleep(0.001)
            process.kill()
            process.communicate()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for machine in (here, there):
            for run in machine.storage.find_runs(only_completed=True):
                assert machine.storage.load_results(run["run_key"]) == run["word"]
    here("sync")
    mine = {r["run_key"]: r["run_completed"] for r in here.storage.find_runs(remote=False)}
    theirs = {r["run_key"]: r["run_completed"] for r in there.runs()}
    assert theirs == mine
